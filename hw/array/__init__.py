# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays: an inside for each dataflow, all with the same streams."""

from hw.array.stream_top import descriptions, element
from hw.array.stream_top import stream_top as array

__all__ = ["array", "descriptions", "element"]
