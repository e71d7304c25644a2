# SPDX-License-Identifier: Apache-2.0
"""Tensor-core accumulation in numpy; equals `sim.golden.Mac` with an aligned accumulator."""

import numpy as np
import numpy.typing as npt

from hw.spec import AlignedAccumulator, Flag, MacSpec
from sim.vector.codes import CLASS_FLAGS, FLAGS, Unpacked, unpack

Ints = npt.NDArray[np.int64]

#: Units place of a zero term, below all others.
NOWHERE = -(1 << 20)
#: Products computed at a time.
BLOCK = 1 << 21


def supports(spec: MacSpec) -> bool:
    """Whether float64 holds a sum of all lanes exactly, as an integer."""
    assert isinstance(spec.acc, AlignedAccumulator)
    term = max(spec.acc.frac_bits + 2, spec.a.precision + spec.b.precision)
    return term + spec.lanes.bit_length() + 1 <= 52


def matmul(a: Unpacked, b: Unpacked, spec: MacSpec) -> Ints:
    """Codes of the sums of ``a @ b``, shape (M, N)."""
    acc = spec.acc
    assert isinstance(acc, AlignedAccumulator)
    (height, depth), width = a.sig.shape, b.sig.shape[1]
    codes = np.zeros((height, width), np.int64)
    rows = max(1, BLOCK // (spec.lanes * width))
    for top in range(0, height, rows):
        block = slice(top, top + rows)
        for k in range(0, depth, spec.lanes):
            lanes = slice(k, k + spec.lanes)
            codes[block] = step(codes[block], a[block, lanes, None], b[None, lanes], spec)
    return codes


def step(codes: Ints, a: Unpacked, b: Unpacked, spec: MacSpec) -> Ints:
    """Accumulators (M, N) after products of operands that broadcast to (M, lanes, N)."""
    acc = spec.acc
    assert isinstance(acc, AlignedAccumulator)
    old = unpack(codes, acc.fmt)
    point = spec.a.man_bits + spec.b.man_bits
    sig = a.sig * b.sig
    place = np.where(sig == 0, NOWHERE, a.exp + b.exp + spec.product_lsb + point)
    old_place = np.where(old.sig == 0, NOWHERE, old.exp + acc.fmt.lsb_exp + acc.fmt.man_bits)
    top = np.maximum(place.max(axis=1), old_place)
    total = _truncate(sig, acc.frac_bits - point - (top[:, None, :] - place)).sum(axis=1)
    total += _truncate(old.sig, acc.frac_bits - acc.fmt.man_bits - (top - old_place))
    flags = np.bitwise_or.reduce(FLAGS[a.classes, b.classes], axis=1) | CLASS_FLAGS[old.classes]
    finite = _pack(total, top - acc.frac_bits, acc)
    return np.where(flags == Flag.FINITE, finite, special_codes(acc)[flags])


def special_codes(acc: AlignedAccumulator) -> Ints:
    """Code of a special sum, by `Flag`."""
    inf = acc.fmt.inf_code
    assert inf is not None
    return np.array([0, inf, inf | acc.fmt.sign_code, acc.nan_code])


def _truncate(value: Ints, shift: Ints) -> Ints:
    """``value * 2**shift`` truncated toward zero; right shifts beyond 62 bits give 0."""
    magnitude = np.abs(value)
    moved = np.where(
        shift >= 0, magnitude << np.clip(shift, 0, 62), magnitude >> np.clip(-shift, 0, 62)
    )
    return np.where(value < 0, -moved, moved)


def _pack(value: Ints, lsb: Ints, acc: AlignedAccumulator) -> Ints:
    """Codes of ``value * 2**lsb_exp`` truncated to the kept fraction bits; overflow gives Inf."""
    fmt, kept = acc.fmt, acc.fraction_bits
    magnitude = np.abs(value)
    length = np.frexp(magnitude.astype(np.float64))[1].astype(np.int64)
    # Exponent of the result's leading bit, but at least that of the smallest normal value.
    lead = np.maximum(length - 1 + lsb, 1 - fmt.bias)
    sig = np.abs(_truncate(magnitude, kept - (lead - lsb)))
    code = ((lead + fmt.bias - 1) << kept) + sig << (fmt.man_bits - kept)
    code = np.where(lead > fmt.bias, fmt.inf_code, code)
    code = np.where(magnitude >> np.clip(lead - lsb - kept, 0, 62) == 0, 0, code)
    return np.where((value < 0) & (code != 0), code | fmt.sign_code, code)
