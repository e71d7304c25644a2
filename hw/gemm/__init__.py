# SPDX-License-Identifier: Apache-2.0
"""GEMM engine: an array with memories for operands and results, behind a bus."""

from hw.gemm.top import descriptions, engine

__all__ = ["descriptions", "engine"]
