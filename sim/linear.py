# SPDX-License-Identifier: Apache-2.0
"""Dot and matrix products of codes, accumulated exactly as a MAC does it."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, MacSpec, SpecError, parse_mac
from hw.spec.errors import require
from sim import backends
from sim.codes import NDArray, as_array, as_scales, as_short_codes, code_dtype


class Sums(NamedTuple):
    """Sums as returned by `matmul` or `dot`, and their flags: codes of `hw.spec.Flag`, uint8.

    Flags are all zero in floating point, where the sums encode infinities and NaN.
    """

    sums: Any
    flags: Any


def matmul(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: MacSpec | str,
    *,
    a_scale: npt.ArrayLike | None = None,
    b_scale: npt.ArrayLike | None = None,
    backend: str = backends.DEFAULT,
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
    a_scale, b_scale
        For a unit with block scales: their codes, shape (M, blocks) and (blocks, N) with
        ``blocks = ceil(K / mac.block)``. Codes of binary32 scales are uint32 or float32. A unit
        without block scales takes none.
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
        If the dtype, shape or an element of an operand or a scale is wrong, or ``mac`` or
        ``backend`` is.

    Notes
    -----
    A unit with sums in blocks adds each block of ``mac.block`` products in order of k to an inner
    sum that starts from zero. The inner sum, times the scales of the block, is added to the outer
    sum, in order of blocks. With e8m0 and ue4m3 scales the scaled sum is exact and rounded once
    into the outer sum (OCP Microscaling (MX) 1.0, section 6.1, leaves the order open; with an exact
    inner sum this is IEEE P3109's BlockDotProduct). With fp32 scales the product of both scales is
    rounded first (``acc = fma(p, fl32(sa * sb), acc)``); with fp32-ab the sum times the scale of a
    is (``acc = fma(fl32(p * sa), sb, acc)``), as cuBLAS on Hopper does.
    """
    sums: NDArray = matmul_with_flags(
        a, b, mac, a_scale=a_scale, b_scale=b_scale, backend=backend
    ).sums
    return sums


def matmul_with_flags(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: MacSpec | str,
    *,
    a_scale: npt.ArrayLike | None = None,
    b_scale: npt.ArrayLike | None = None,
    backend: str = backends.DEFAULT,
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
    return _accumulate(x, y, (a_scale, b_scale), parse_mac(mac), backend)


def dot(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: MacSpec | str,
    *,
    a_scale: npt.ArrayLike | None = None,
    b_scale: npt.ArrayLike | None = None,
    backend: str = backends.DEFAULT,
) -> Any:
    """Compute the sum of ``a[k] * b[k]`` as ``mac`` accumulates it, in order of k.

    ``a`` and ``b`` have shape (K,), and their scales shape (blocks,). Everything else is as in
    `matmul`.
    """
    return dot_with_flags(a, b, mac, a_scale=a_scale, b_scale=b_scale, backend=backend).sums


def dot_with_flags(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    mac: MacSpec | str,
    *,
    a_scale: npt.ArrayLike | None = None,
    b_scale: npt.ArrayLike | None = None,
    backend: str = backends.DEFAULT,
) -> Sums:
    """As `dot`, and return the flags of the sum too."""
    x, y = as_array(a, "Operand a"), as_array(b, "Operand b")
    _require_shape("Operand a", x, "(K,)", 1)
    _require_shape("Operand b", y, "(K,)", 1)
    require(y.shape == x.shape, "Operand b shape", f"{x.shape} to match operand a", y.shape)
    scales = (
        None if a_scale is None else as_array(a_scale, "Scale of a")[None],
        None if b_scale is None else as_array(b_scale, "Scale of b")[..., None],
    )
    result = _accumulate(x[None, :], y[:, None], scales, parse_mac(mac), backend)
    return Sums(result.sums[0, 0], result.flags[0, 0])


def _require_shape(noun: str, x: NDArray, sides: str, ndim: int) -> None:
    """Raise unless ``x`` has ``ndim`` dimensions, none of them empty."""
    require(
        x.ndim == ndim and 0 not in x.shape, f"{noun} shape", f"{sides} with no side of 0", x.shape
    )


def _accumulate(
    a: NDArray,
    b: NDArray,
    scales: tuple[npt.ArrayLike | None, npt.ArrayLike | None],
    spec: MacSpec,
    backend: str,
) -> Sums:
    """Check the codes, pad K to whole groups of lanes, compute, and cast to the output dtypes."""
    model, acc = backends.find(backend), spec.result
    x, y = as_short_codes(a, spec.a, "Operand a"), as_short_codes(b, spec.b, "Operand b")
    checked = _scales(x, y, scales, spec)
    missing = -x.shape[1] % spec.lanes
    if missing:
        x, y = np.pad(x, ((0, 0), (0, missing))), np.pad(y, ((0, missing), (0, 0)))
    sums, flags = model.matmul(x, y, spec, checked)
    narrow = np.dtype(np.int64 if acc.width <= 63 else object)
    dtype = narrow if isinstance(acc, FixedAccumulator) else code_dtype(acc.width)
    return Sums(sums.astype(dtype, copy=False), flags.astype(np.uint8, copy=False))


def _scales(
    a: NDArray,
    b: NDArray,
    scales: tuple[npt.ArrayLike | None, npt.ArrayLike | None],
    spec: MacSpec,
) -> tuple[NDArray, NDArray] | None:
    """Checked codes of the scales of both operands; None if the unit has no block scales."""
    scale = spec.blocks.scale if spec.blocks else None
    given = [name for name, each in zip("ab", scales, strict=True) if each is not None]
    if scale is None or spec.blocks is None:
        if given:
            raise SpecError(
                f"{spec} has no block scales; leave out {given[0]}_scale, or give the unit a "
                "block_scale"
            )
        return None
    if len(given) < 2:
        raise SpecError(f"{spec} has {scale.name} block scales; give both a_scale and b_scale")
    blocks = -(-a.shape[1] // spec.blocks.block)
    codes = []
    for name, each, shape in zip(
        "ab", scales, ((a.shape[0], blocks), (blocks, b.shape[1])), strict=True
    ):
        assert each is not None
        array = as_scales(each, scale, f"Scale of {name}")
        require(array.shape == shape, f"Scale of {name} shape", str(shape), array.shape)
        codes.append(array)
    return codes[0], codes[1]
