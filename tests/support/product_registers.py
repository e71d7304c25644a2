# SPDX-License-Identifier: Apache-2.0
"""Pipeline registers that hold products, of MACs in output-stationary arrays.

The RTL keeps a product as sign, significand and exponent, or as a sign and a magnitude; the
clock-by-clock model keeps the operands. Both must come to the same number, signs of zeros too.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

from hw.mac.align_window import Frame
from hw.spec import AlignedAccumulator, Dataflow, FloatAccumulator
from sim.fast.tables import values

__all__ = ["Product", "held", "products", "wanted"]


class Product(NamedTuple):
    """Registers of one product: names by role, their stage, row, lane and column, and meaning."""

    names: dict[str, str]
    stage: int
    place: tuple[int, int, int]
    value: Callable[[dict[str, int]], float]


def products(spec):
    """Every product in a pipeline register; integers that are fused have none."""
    mac = spec.mac
    if spec.dataflow is not Dataflow.OS or not mac.pipeline or mac.is_fused:
        return []
    return [Product({role: f"grid.row_{r}.pe_{c}.mac.{name}_q1" for role, name in names.items()},
                    stage, (r, lane, c), value)
            for r in range(spec.rows) for c in range(spec.cols) for lane in range(mac.lanes)
            for names, stage, value in _kinds(mac, lane)]


def held(product, seen):
    """Number that the RTL's registers come to, None if it never wrote one of them."""
    bits = {role: seen[f"bench.dut.{name}"] for role, name in product.names.items()}
    return None if None in bits.values() else product.value(bits)


def wanted(spec, product, model):
    """Product of the model's operands; a zero for infinities and NaN beside a fixed sum."""
    (r, lane, c), mac = product.place, spec.mac
    codes = [int(codes[r, lane, c]) for codes in model.flight[product.stage][:2]]
    a, b = (float(values(fmt)[code]) for fmt, code in zip((mac.a, mac.b), codes, strict=True))
    if isinstance(mac.acc, FloatAccumulator) or (math.isfinite(a) and math.isfinite(b)):
        return a * b
    signs = [fmt.sign_code & code for fmt, code in zip((mac.a, mac.b), codes, strict=True)]
    return _number(bool(signs[0]) != bool(signs[1]), 0, 0)


def _kinds(mac, lane):
    """Names by role, stage and meaning of the registers of one lane."""
    last = mac.pipeline - 1
    if isinstance(mac.acc, FloatAccumulator):
        return [_term(mac, last)] * (mac.lanes == 1)
    base = sum(not fmt.is_integer for fmt in (mac.a, mac.b))
    parts = {part: f"lane{lane}_{part}" for part in ("sig", "exp", "sign")}
    aligned = isinstance(mac.acc, AlignedAccumulator)
    found = [(parts, last if aligned else max(last - 1, 0), lambda bits: _number(
        bits["sign"], bits["sig"], bits["exp"] - base + mac.product_lsb))]
    if not aligned and mac.pipeline > 1:
        found.append(({"sign": f"lane{lane}_term_sign", "sig": f"lane{lane}_term"}, last,
                      lambda bits: _number(bits["sign"], bits["sig"], mac.acc.lsb)))
    return found


def _number(sign, sig, exp):
    return math.copysign(math.ldexp(sig, exp), -1 if sign else 1)


def _term(mac, stage):
    """Term of a floating-point adder, see `hw.mac.float_term.Term`."""
    frame = Frame(mac)
    moves = frame.place_low != frame.place_high
    roles = ["sign", "sig", *["place"] * moves, *["zero"] * frame.shape.leads,
             *["nan"] * frame.nan_terms, *["inf"] * frame.inf_terms]

    def value(bits):
        if bits.get("nan"):
            return math.nan
        if bits.get("inf"):
            return math.copysign(math.inf, -1 if bits["sign"] else 1)
        place = bits.get("place", frame.place_high & (1 << frame.place_bits) - 1)
        place -= place >> frame.place_bits - 1 << frame.place_bits
        return _number(bits["sign"], 0 if bits.get("zero") else bits["sig"],
                       place - frame.bias - frame.shape.bits + 1)

    return {role: f"term_{role}" for role in roles}, stage, value
