# SPDX-License-Identifier: Apache-2.0
"""Dot and matrix products of arrays of codes, bit for bit as a MAC accumulates them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, MacSpec, parse_mac
from hw.spec.errors import require
from sim import backends
from sim.codes import NDArray, as_array, as_short_codes, code_dtype


class Sums(NamedTuple):
    """Sums as `matmul` or `dot` give them, and their flags: codes of `hw.spec.Flag`, uint8.

    Flags are all zero for floating point, where a sum shows by itself what it is.
    """

    sums: Any
    flags: Any


def matmul(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> NDArray:
    """Compute ``C[M, N] = A[M, K] @ B[K, N]`` as ``mac`` accumulates it, in order of k.

    Parameters
    ----------
    a, b
        Codes of ``mac.a``, shape (M, K), and of ``mac.b``, shape (K, N); any integer dtype. For a
        signed integer format an array of a signed dtype holds the values instead of their codes. K
        is taken in groups of ``mac.lanes``, the last one filled up with code 0.
    mac
        The unit, or its spelling for `hw.spec.parse_mac`.
    backend
        One of `sim.backends.BACKENDS`: ``vector`` (numpy), ``fast`` (machine arithmetic, compiled
        where numba is installed) or ``golden`` (the plain model, slow); the results are the same.

    Returns
    -------
    array of shape (M, N)
        Fixed point: sums in units of ``2**mac.acc.lsb``, int64, or Python integers in an object
        array if ``mac.acc.width > 63``. Floating point: codes in the smallest unsigned dtype.

    Raises
    ------
    SpecError
        If dtype, shape or an element of ``a`` or ``b`` is wrong, or ``mac`` or ``backend`` unknown.
    """
    sums: NDArray = matmul_with_flags(a, b, mac, backend=backend).sums
    return sums


def matmul_with_flags(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> Sums:
    """As `matmul`, with the flags of each sum."""
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(M, K)", 2)
    _require_shape("Operand b", y, "(K, N)", 2)
    require(
        y.shape[0] == x.shape[1],
        "Operand b shape",
        f"({x.shape[1]}, N) to match the K of operand a",
        y.shape,
    )
    return _accumulate(x, y, parse_mac(mac), backend)


def dot(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> Any:
    """Compute the sum of ``a[k] * b[k]`` as ``mac`` accumulates it, in order of k.

    ``a`` and ``b`` have the shape (K,); all else is as in `matmul`.
    """
    return dot_with_flags(a, b, mac, backend=backend).sums


def dot_with_flags(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> Sums:
    """As `dot`, with the flags of the sum."""
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(K,)", 1)
    _require_shape("Operand b", y, "(K,)", 1)
    require(y.shape == x.shape, "Operand b shape", f"{x.shape} to match operand a", y.shape)
    result = _accumulate(x[None, :], y[:, None], parse_mac(mac), backend)
    return Sums(result.sums[0, 0], result.flags[0, 0])


def _require_shape(noun: str, x: NDArray, sides: str, ndim: int) -> None:
    """Raise unless ``x`` has ``ndim`` sides of at least one element."""
    require(
        x.ndim == ndim and 0 not in x.shape, f"{noun} shape", f"{sides} with no side of 0", x.shape
    )


def _accumulate(a: NDArray, b: NDArray, spec: MacSpec, backend: str) -> Sums:
    """Check the codes, fill up the lanes, compute, and cast to the promised dtypes."""
    model = backends.find(backend)
    x, y = as_short_codes(a, spec.a, "Operand a"), as_short_codes(b, spec.b, "Operand b")
    missing = -x.shape[1] % spec.lanes
    if missing:
        x, y = np.pad(x, ((0, 0), (0, missing))), np.pad(y, ((0, missing), (0, 0)))
    sums, flags = model.matmul(x, y, spec)
    narrow = np.dtype(np.int64 if spec.acc.width <= 63 else object)
    dtype = narrow if isinstance(spec.acc, FixedAccumulator) else code_dtype(spec.acc.width)
    return Sums(sums.astype(dtype, copy=False), flags.astype(np.uint8, copy=False))
