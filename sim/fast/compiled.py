# SPDX-License-Identifier: Apache-2.0
"""The kernels of `sim.fast` that numba compiles; needs the extra ``fast``."""

from sim.fast.compiled_aligned import aligned_bytes
from sim.fast.compiled_chain import chain, exact
from sim.fast.compiled_loops import aligned, in_order, stepwise

__all__ = ["aligned", "aligned_bytes", "chain", "exact", "in_order", "stepwise"]
