# SPDX-License-Identifier: Apache-2.0
"""Dot and matrix products of codes, accumulated exactly as a MAC does it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, MacSpec, parse_mac
from hw.spec.errors import require
from sim import backends
from sim.codes import NDArray, as_array, as_short_codes, code_dtype


class Sums(NamedTuple):
    """Sums as returned by `matmul` or `dot`, and their flags: codes of `hw.spec.Flag`, uint8.

    Flags are all zero in floating point, where the sums encode infinities and NaN.
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
        Codes of ``mac.a``, shape (M, K), and of ``mac.b``, shape (K, N); any integer dtype, or
        arrays of ml_dtypes or torch whose dtype is the format. For a signed integer format, an
        array of a signed dtype holds values instead of codes. K is split into groups of
        ``mac.lanes``; the last group is padded with code 0.
    mac
        The unit, or its spelling for `hw.spec.parse_mac`.
    backend
        One of `sim.backends.BACKENDS`: ``fast`` (machine arithmetic, compiled if numba is
        installed), ``vector`` (numpy) or ``golden`` (the plain, slow model). All give the same
        results.

    Returns
    -------
    array of shape (M, N)
        Fixed point: sums in units of ``2**mac.acc.lsb_exp``, int64, or Python integers in an object
        array if ``mac.acc.width > 63``. Floating point: codes in the smallest unsigned dtype.

    Raises
    ------
    SpecError
        If the dtype, shape or an element of ``a`` or ``b`` is wrong, or ``mac`` or ``backend`` is.
    """
    sums: NDArray = matmul_with_flags(a, b, mac, backend=backend).sums
    return sums


def matmul_with_flags(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> Sums:
    """As `matmul`, and return the flags of the sums too."""
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

    ``a`` and ``b`` have shape (K,); everything else is as in `matmul`.
    """
    return dot_with_flags(a, b, mac, backend=backend).sums


def dot_with_flags(
    a: npt.ArrayLike, b: npt.ArrayLike, mac: MacSpec | str, *, backend: str = backends.DEFAULT
) -> Sums:
    """As `dot`, and return the flags of the sum too."""
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(K,)", 1)
    _require_shape("Operand b", y, "(K,)", 1)
    require(y.shape == x.shape, "Operand b shape", f"{x.shape} to match operand a", y.shape)
    result = _accumulate(x[None, :], y[:, None], parse_mac(mac), backend)
    return Sums(result.sums[0, 0], result.flags[0, 0])


def _require_shape(noun: str, x: NDArray, sides: str, ndim: int) -> None:
    """Raise unless ``x`` has ``ndim`` dimensions, none of them empty."""
    require(
        x.ndim == ndim and 0 not in x.shape, f"{noun} shape", f"{sides} with no side of 0", x.shape
    )


def _accumulate(a: NDArray, b: NDArray, spec: MacSpec, backend: str) -> Sums:
    """Check the codes, pad K to whole groups of lanes, compute, and cast to the output dtypes."""
    model = backends.find(backend)
    x, y = as_short_codes(a, spec.a, "Operand a"), as_short_codes(b, spec.b, "Operand b")
    missing = -x.shape[1] % spec.lanes
    if missing:
        x, y = np.pad(x, ((0, 0), (0, missing))), np.pad(y, ((0, missing), (0, 0)))
    sums, flags = model.matmul(x, y, spec)
    narrow = np.dtype(np.int64 if spec.acc.width <= 63 else object)
    dtype = narrow if isinstance(spec.acc, FixedAccumulator) else code_dtype(spec.acc.width)
    return Sums(sums.astype(dtype, copy=False), flags.astype(np.uint8, copy=False))
