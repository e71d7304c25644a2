# SPDX-License-Identifier: Apache-2.0
"""One step of a floating-point MAC: compiled RTL of it, and what IEEE arithmetic of the host says.

The reference adds in a host format that holds every sum exactly and rounds that once; it shares
nothing with the golden model.
"""

from pathlib import Path

import numpy as np

import sim
import sim.rtl
from hw.emit.netlist import CLOCKING, module_ports
from hw.emit.verilog import to_verilog
from hw.mac.floating import FloatStep
from hw.mac.frame import Frame
from hw.mac.shape import extreme_units
from hw.spec import MacSpec, Overflow, Rounding

__all__ = ["compile_step", "held_codes", "product_classes", "wanted_codes"]


def compile_step(spec: MacSpec, folder: Path, optimize: str = "-O0") -> sim.rtl.Model:
    """Compile the step of ``spec`` alone, so that any accumulator can be presented."""
    step = FloatStep(spec)
    source = folder / f"{step.module_name}.v"
    source.write_text(to_verilog(step))
    ports = [{"name": port.name, "direction": port.direction, "width": port.width}
             for port in module_ports(step) if port not in CLOCKING]
    return sim.rtl.compile([source], step.module_name, ports, optimize=optimize)


def held_codes(spec: MacSpec) -> np.ndarray:
    """Every code that the accumulator may hold; for accumulators of 16 bits at most."""
    frame = Frame(spec)
    return np.array([code for code in range(1 << spec.acc.width) if frame.holds(code)],
                    dtype=np.uint64)


def product_classes(spec: MacSpec) -> list[tuple[int, int]]:
    """One pair of codes for each product value and kind of its operands, subnormal or not."""
    classes = {}
    a, b = (np.asarray(sim.decode(np.arange(1 << fmt.width, dtype=np.uint64), fmt))
            for fmt in (spec.a, spec.b))
    small_a, small_b = abs(a) < spec.a.min_normal, abs(b) < spec.b.min_normal
    for i, x in enumerate(a.tolist()):
        for j, y in enumerate(b.tolist()):
            product = x * y
            key = (product.hex(), bool(small_a[i]), bool(small_b[j]))
            classes.setdefault(key, (i, j))
    return list(classes.values())


def wanted_codes(spec: MacSpec, acc: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Codes of ``acc + a * b`` for arrays of codes."""
    fmt = spec.acc.fmt
    kind = _exact_kind(spec)
    with np.errstate(invalid="ignore"):
        total = (sim.decode(acc, fmt).astype(kind)
                 + sim.decode(a, spec.a).astype(kind) * sim.decode(b, spec.b).astype(kind))
        return _codes(spec, total)


def _exact_kind(spec: MacSpec) -> type:
    """Host format that holds every sum exactly."""
    fmt = spec.acc.fmt
    lsb = min(spec.product_lsb, fmt.lsb)
    frame = Frame(spec)
    sums = fmt.max_units if frame.overflows else 1 << frame.top - fmt.lsb
    largest = ((sums << fmt.lsb - lsb)
               + (extreme_units(spec, spec.lanes) << spec.product_lsb - lsb))
    # Sums and products are multiples of the frame's unit or of the product's.
    bits = largest.bit_length() - (min(frame.lsb, spec.product_lsb) - lsb)
    for kind in (np.float64, np.longdouble):
        if bits <= np.finfo(kind).nmant + 1:
            return kind
    raise AssertionError(f"no host format holds the sums of {spec}")


def _codes(spec: MacSpec, total: np.ndarray) -> np.ndarray:
    """Exact sums rounded once."""
    acc, fmt = spec.acc, spec.acc.fmt
    finite = np.isfinite(total)
    value = np.where(finite, abs(total), 0)
    unit = np.maximum(np.frexp(value)[1] - fmt.precision, fmt.lsb)
    scaled = np.ldexp(value, -unit)
    whole = (np.trunc(scaled) if acc.rounding is Rounding.RTZ else np.rint(scaled)).astype(np.int64)
    code = np.where(whole == 0, 0, ((unit - fmt.lsb).astype(np.int64) << fmt.man_bits) + whole)
    if not acc.subnormals:
        code[code < 1 << fmt.man_bits] = 0
    to_inf = acc.rounding is Rounding.RNE and acc.overflow is Overflow.INF
    code[code > fmt.max_code] = fmt.inf_code if to_inf else fmt.max_code
    code[np.isinf(total)] = fmt.inf_code
    code[np.signbit(total)] |= fmt.sign_code
    code[np.isnan(total)] = fmt.nan_code
    return code.astype(np.uint64)
