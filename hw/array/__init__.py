# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays: a core for each dataflow, all with the same streams."""

from hw.array.top import array, descriptions, element

__all__ = ["array", "descriptions", "element"]
