# SPDX-License-Identifier: Apache-2.0
"""One step of a floating-point MAC: its compiled RTL, and the host's IEEE arithmetic as reference.

The reference adds in float64, such that one more rounding gives what the exact sum would, and
rounds that once; it shares nothing with the golden model.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

import sim
import sim.rtl
from hw.mac.align_window import AlignWindow
from hw.mac.floating import FloatStep
from hw.spec import FloatAccumulator, MacSpec, Overflow, Rounding
from tests.support.compiled import Change, compile_module, unchanged

Codes = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]

#: Accumulators whose one rounding numpy has itself.
HOST_FORMATS = {"fp16": (np.float16, np.uint16), "fp32": (np.float32, np.uint32)}


def compile_step(
    spec: MacSpec, folder: Path, optimize: str = "-O0", *, change: Change = unchanged
) -> sim.rtl.Model:
    """Compile the step of ``spec`` alone, so that any accumulator can be presented."""
    return compile_module(FloatStep(spec), folder, clocked=False, change=change, optimize=optimize)


def held_codes(spec: MacSpec) -> Codes:
    """Every code that the accumulator can hold; for accumulators of 16 bits at most."""
    frame = AlignWindow(spec)
    return np.array(
        [code for code in range(1 << spec.acc.width) if frame.holds(code)], dtype=np.uint64
    )


def product_classes(spec: MacSpec) -> list[tuple[int, int]]:
    """One pair of codes for each product value and kind of its operands, subnormal or not."""
    classes = {}
    a, b = (
        np.asarray(sim.decode(np.arange(1 << fmt.width, dtype=np.uint64), fmt))
        for fmt in (spec.a, spec.b)
    )
    small_a, small_b = abs(a) < spec.a.min_normal, abs(b) < spec.b.min_normal
    for i, x in enumerate(a.tolist()):
        for j, y in enumerate(b.tolist()):
            product = x * y
            key = (product.hex(), bool(small_a[i]), bool(small_b[j]))
            classes.setdefault(key, (i, j))
    return list(classes.values())


def values(codes: Codes, fmt) -> Floats:
    """Values of codes as float64, which holds them and products of two of 8 bits exactly."""
    return sim.decode(codes, fmt).astype(np.float64)


def wanted_codes(spec: MacSpec, acc: Codes, a: Codes, b: Codes) -> Codes:
    """Codes of ``acc + a * b`` for arrays of codes."""
    with np.errstate(invalid="ignore"):
        products = values(a, spec.a) * values(b, spec.b)
    return sum_codes(spec.acc, values(acc, spec.acc.fmt), products)


def sum_codes(acc: FloatAccumulator, old: Floats, products: Floats) -> Codes:
    """Codes of ``old + products``, rounded once according to ``acc``."""
    with np.errstate(invalid="ignore", over="ignore", under="ignore"):
        total = _odd_sum(old, products)
        if acc == FloatAccumulator(fmt=acc.fmt) and acc.fmt.name in HOST_FORMATS:
            floats, bits = HOST_FORMATS[acc.fmt.name]
            codes = total.astype(floats).view(bits)
            codes[np.isnan(total)] = acc.fmt.nan_code
            return codes
        return _codes(acc, total)


def _odd_sum(x: Floats, y: Floats) -> Floats:
    """Sums rounded to odd: to 53 bits, the last one set where that is inexact.

    Rounding such a sum to 51 bits or fewer gives the same as rounding the exact sum (Boldo and
    Melquiond 2008). The error of the addition is that of Knuth's TwoSum.
    """
    total = np.asarray(x + y)
    part = total - x
    error = (x - (total - part)) + (y - part)
    inexact = (error != 0) & np.isfinite(error)
    if inexact.any():
        bits = total.view(np.int64)
        away = np.where((error > 0) == (total > 0), 1, -1)
        bits += np.where(inexact & (bits & 1 == 0), away, 0)
    return total


def _codes(acc: FloatAccumulator, total: Floats) -> Codes:
    """Sums rounded once."""
    fmt = acc.fmt
    finite = np.isfinite(total)
    value = np.where(finite, abs(total), 0)
    unit = np.maximum(np.frexp(value)[1] - fmt.precision, fmt.lsb_exp)
    scaled = np.ldexp(value, -unit)
    whole = (np.trunc(scaled) if acc.rounding is Rounding.RTZ else np.rint(scaled)).astype(np.int64)
    code = np.where(whole == 0, 0, ((unit - fmt.lsb_exp).astype(np.int64) << fmt.man_bits) + whole)
    if not acc.subnormals:
        code[code < 1 << fmt.man_bits] = 0
    to_inf = acc.rounding is Rounding.RNE and acc.overflow is Overflow.INF
    code[code > fmt.max_code] = fmt.inf_code if to_inf else fmt.max_code
    code[np.isinf(total)] = fmt.inf_code
    code[np.signbit(total)] |= fmt.sign_code
    code[np.isnan(total)] = fmt.nan_code
    return code.astype(np.uint64)


def random_accumulators(spec: MacSpec, rng: np.random.Generator, a: Codes, b: Codes) -> Codes:
    """Codes that the accumulator can hold, a third of them close to ``-a * b``."""
    fmt, frame = spec.acc.fmt, AlignWindow(spec)
    highest = min(frame.top, fmt.bias)
    x, y = (
        np.nan_to_num(values(codes, code_fmt), posinf=0, neginf=0)
        for codes, code_fmt in ((a, spec.a), (b, spec.b))
    )
    size = np.where(
        rng.random(a.size) < 0.3,
        -x * y * 2.0 ** rng.integers(-1, 2, a.size),
        np.ldexp(rng.uniform(-1, 1, a.size), rng.integers(frame.lsb_exp, highest, a.size)),
    )
    size += rng.integers(-3, 4, a.size) * np.spacing(size.astype(np.float32))
    size = np.clip(
        np.ldexp(np.rint(np.ldexp(size, -frame.lsb_exp)), frame.lsb_exp),
        -(2.0**highest),
        2.0**highest,
    )
    codes = sim.encode(size, fmt).astype(np.uint64)
    codes[codes == fmt.sign_code] = 0
    return codes
