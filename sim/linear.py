# SPDX-License-Identifier: Apache-2.0
"""Dot and matrix products of arrays of codes, bit for bit as a MAC accumulates them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, MacSpec, parse_mac
from hw.spec.errors import require
from sim import fast, golden, vector
from sim.codes import NDArray, as_array, as_short_codes, code_dtype

__all__ = ["dot", "matmul"]

BACKENDS = {"vector": vector.matmul, "fast": fast.matmul, "golden": golden.matmul}


def matmul(a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, flags: bool = False,
           backend: str = "vector") -> Any:
    """Compute ``C[M, N] = A[M, K] @ B[K, N]`` as ``mac`` accumulates it, in order of k.

    Parameters
    ----------
    a, b
        Codes of ``mac.a``, shape (M, K), and of ``mac.b``, shape (K, N); any integer dtype. For a
        signed integer format an array of a signed dtype holds the values instead of their codes. K
        is taken in groups of ``mac.lanes``, the last one filled up with code 0.
    mac
        The unit, or its spelling for `hw.spec.parse_mac`.
    flags
        Whether to return the flags as well.
    backend
        ``vector`` (numpy), ``fast`` (machine arithmetic, compiled where numba is installed) or
        ``golden`` (the plain model, slow); the results are the same.

    Returns
    -------
    array of shape (M, N), or a pair of arrays with ``flags``
        Fixed point: sums in units of ``2**mac.acc.lsb``, int64, or Python integers in an object
        array if ``mac.acc.width > 63``. Floating point: codes in the smallest unsigned dtype. The
        flags are uint8 codes of `hw.spec.Flag`, all zero for floating point.

    Raises
    ------
    SpecError
        If dtype, shape or an element of ``a`` or ``b`` is wrong, or ``mac`` or ``backend`` unknown.
    """
    spec = parse_mac(mac)
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(M, K)", 2)
    _require_shape("Operand b", y, "(K, N)", 2)
    require(y.shape[0] == x.shape[1], "Operand b shape",
            f"({x.shape[1]}, N) to match the K of operand a", y.shape)
    return _run(x, y, spec, flags, backend)


def dot(a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, flags: bool = False,
        backend: str = "vector") -> Any:
    """Compute the sum of ``a[k] * b[k]`` as ``mac`` accumulates it, in order of k.

    ``a`` and ``b`` have the shape (K,); all else is as in `matmul`. Returns one sum, or a sum and
    its flags.
    """
    spec = parse_mac(mac)
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(K,)", 1)
    _require_shape("Operand b", y, "(K,)", 1)
    require(y.shape == x.shape, "Operand b shape", f"{x.shape} to match operand a", y.shape)
    result = _run(x[None, :], y[:, None], spec, flags, backend)
    return (result[0][0, 0], result[1][0, 0]) if flags else result[0, 0]


def _require_shape(noun: str, x: NDArray, sides: str, ndim: int) -> None:
    """Raise unless ``x`` has ``ndim`` sides of at least one element."""
    require(x.ndim == ndim and 0 not in x.shape, f"{noun} shape",
            f"{sides} with no side of 0", x.shape)


def _run(a: NDArray, b: NDArray, spec: MacSpec, flags: bool, backend: str) -> Any:
    """Check the codes, fill up the lanes, compute, and cast to the promised dtypes."""
    require(isinstance(backend, str) and backend in BACKENDS, "Backend",
            f"one of {', '.join(BACKENDS)}", backend)
    x, y = as_short_codes(a, spec.a, "Operand a"), as_short_codes(b, spec.b, "Operand b")
    missing = -x.shape[1] % spec.lanes
    if missing:
        x, y = np.pad(x, ((0, 0), (0, missing))), np.pad(y, ((0, missing), (0, 0)))
    sums, kinds = BACKENDS[backend](x, y, spec)
    fixed = isinstance(spec.acc, FixedAccumulator)
    narrow = np.dtype(np.int64 if spec.acc.width <= 63 else object)
    sums = sums.astype(narrow if fixed else code_dtype(spec.acc.width), copy=False)
    return (sums, kinds.astype(np.uint8, copy=False)) if flags else sums
