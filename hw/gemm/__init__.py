# SPDX-License-Identifier: Apache-2.0
"""GEMM engine: an array, memories for its operands and results, and a bus in front."""

from hw.gemm.top import descriptions, engine

__all__ = ["descriptions", "engine"]
