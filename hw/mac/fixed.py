# SPDX-License-Identifier: Apache-2.0
"""MACs with a fixed-point accumulator: INT32 and exact (Kulisch) accumulation are the same unit.

`FixedMac` stores the sum as one number. `CarrySaveMac` stores sum bits and carry bits, so its
accumulate loop is one full adder deep. In a weight-stationary array the addition may be cut into
parts; each part is added one cycle after the part below it.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from amaranth import *

from hw.arith.add import add, add_signed_magnitude, step_by_one
from hw.arith.columns import Columns
from hw.mac.carry_save import carry_save_state
from hw.mac.product import add_integers, extreme_units, fill_columns, signed_magnitudes
from hw.mac.stages import ADDER_POINTS, delayed
from hw.mac.unit import MacUnit
from hw.spec import Adder, MacSpec, Overflow


class FixedMac(MacUnit):
    """``o_data += sum(a * b)`` over the lanes, in units of ``2**spec.acc.lsb_exp``.

    The partial products of integers are added in the same tree as the accumulator. For all other
    formats the significands are multiplied, and the product is aligned, rounded if the
    accumulator's lsb is coarser than the product's, and added as a signed magnitude.
    """

    reset_less = True

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Registers after the multiplier, then after the aligner; integers have neither."""
        return ("operand",) if self._spec.is_fused else ("product", "term", "operand")

    @property
    def step_points(self) -> tuple[str, ...]:
        """Registers after the sum of all lanes, then after the multipliers."""
        return ("addend", "operand") if self._spec.is_fused else ("addend", "product", "operand")

    def next_sum(self, m, old, a, b, first, stages):
        """Sum of the accumulator and the lanes' products."""
        acc = self._spec.acc
        saturates = acc.overflow is Overflow.SATURATE
        start = Signal(acc.width + saturates, name="old")
        m.d.comb += start.eq(Mux(first, 0, old.as_signed()))
        total, flags = self._add(m, start, a, b, stages)
        return (_saturate(m, total) if saturates else total), flags

    def _add(self, m, old, a, b, stages):
        """Sum and flags; a single signed magnitude needs no adder tree."""
        spec = self._spec
        if stages["addend"]:
            addend, flags = addend_of_lanes(m, spec, a, b, stages)
            return pass_sum(m, old, addend, stages, spec.adder), flags
        columns = Columns(m, by_arrival=spec.adder is not Adder.RIPPLE, name="sum")
        if spec.is_fused:
            add_integers(m, spec, columns, a, b)
            return _sum_columns(m, columns, old, spec.adder), None
        terms, flags = signed_magnitudes(m, spec, a, b, stages)
        if len(terms) == 1:
            return add_signed_magnitude(m, old, *terms[0], adder=spec.adder, name="sum"), flags
        for magnitude, sign in terms:
            columns.add_signed(magnitude, sign)
        return _sum_columns(m, columns, old, spec.adder), flags


def _sum_columns(m: Module, columns: Columns, old: Value, adder: Adder) -> Value:
    """Sum of the columns and of ``old``, modulo ``2**len(old)``.

    Above the highest column, only carries and the constant are left. Once these amount to at most
    one step up or down, the remaining bits of ``old`` are incremented or decremented. Until then,
    bits of ``old`` join the tree.
    """
    top = min(columns.top, len(old))
    columns.add_vector(0, old[:top])
    low = _add_columns(m, columns, 0, top, adder)
    while (step := columns.step(top)) is None and top < len(old):
        columns.add(top, old[top])
        low += _add_columns(m, columns, top, top + 1, adder)
        top += 1
    up, down = step or (Const(0), Const(0))
    total = Signal(len(old), name="total")
    m.d.comb += total.eq(
        Cat(*low, step_by_one(m, old[top:], up ^ down, down, adder=adder, name="guard"))
    )
    return total


def _add_columns(m: Module, columns: Columns, start: int, stop: int, adder: Adder) -> list[Value]:
    """Sum of the columns from ``start`` to ``stop - 1``; carries out go to the column ``stop``."""
    if adder is Adder.RIPPLE:
        return columns.reduce(start, stop)
    rows = [(*bits, Const(0), Const(0))[:2] for bits in columns.compress(start, stop)]
    x, y = (Cat(*row) for row in zip(*rows, strict=True))
    total, carry = add(m, x, y, Const(0), adder=adder, name=f"sum_{start}")
    columns.add(stop, carry)
    return list(total)


def _saturate(m: Module, total: Value) -> Value:
    """``total`` without its top bit, saturated to the remaining width."""
    sign, overflow = Signal(name="total_sign"), Signal(name="overflow")
    m.d.comb += [sign.eq(total[-1]), overflow.eq(total[-1] ^ total[-2])]
    width = len(total) - 1
    extreme = Cat((~sign).replicate(width - 1), sign)
    return Mux(overflow, extreme, total[:width])


class CarrySaveMac(FixedMac):
    """A `FixedMac` whose accumulator is in carry-save form.

    The sum is resolved in a stage after the accumulator, or outside if ``resolve`` is false.
    """

    @property
    def adds_zero(self) -> bool:
        """Only without pipeline registers: a pair in them must be discarded by a reset."""
        return not self._spec.pipeline

    @property
    def step_points(self) -> tuple[str, ...]:
        """The same as `stage_points`: the adder is one cell deep and cannot be divided."""
        return self.stage_points

    def next_sum(self, m, old, a, b, first, stages):
        """New carry-save accumulator, and the flags."""
        state = carry_save_state(self._spec)
        total, carries, up, down = state.split(old)
        columns = Columns(m, name="sum")
        flags = fill_columns(m, self._spec, columns, a, b, stages)
        low, high = Signal(state.top, name="low"), Signal(state.width - state.top, name="high")
        stepped = step_by_one(
            m, total[state.top :], up ^ down, down, adder=Adder.PREFIX, name="guard"
        )
        m.d.comb += [
            low.eq(Mux(first, 0, total[: state.top])),
            # Cleared after the step, because the path through the step is long.
            high.eq(Mux(first, 0, stepped)),
        ]
        # A zero is one bit wide, and there may be no carries.
        carries = Mux(first, 0, carries)[: len(carries)]
        added, carries = state.fold(columns, low, carries)
        return Cat(added, high, carries, *state.step(columns)), flags


@dataclass(frozen=True, slots=True)
class Addend:
    """The number ``bits + carry - negative * 2**len(bits)``."""

    bits: Value
    negative: Value
    carry: Value


def addend_of_lanes(
    m: Module,
    spec: MacSpec,
    a: Value,
    b: Value,
    stages: Counter[str],
) -> tuple[Addend, Value | None]:
    """Sum of the products of all lanes after the ``addend`` registers, and the flags.

    A single signed magnitude is complemented after the registers.
    """
    cycles = stages["addend"]
    columns = Columns(m, by_arrival=spec.adder is not Adder.RIPPLE, name="lanes")
    if spec.is_fused:
        add_integers(m, spec, columns, a, b)
        largest = extreme_units(spec, spec.lanes) << spec.product_lsb - spec.acc.lsb_exp
        return _number(m, columns, largest.bit_length() + 1, cycles), None
    terms, flags = signed_magnitudes(m, spec, a, b, stages)
    if spec.lanes == 1:
        magnitude, sign = (
            delayed(m, part, cycles, name=f"addend_{name}")
            for part, name in zip(terms[0], ("magnitude", "sign"), strict=True)
        )
        return Addend(magnitude ^ sign.replicate(len(magnitude)), sign, sign), flags
    for magnitude, sign in terms:
        columns.add_signed(magnitude, sign)
    width = max(len(magnitude) for magnitude, _ in terms) + (spec.lanes - 1).bit_length() + 1
    return _number(m, columns, width, cycles), flags


def _number(m: Module, columns: Columns, width: int, cycles: int) -> Addend:
    """Sum of the columns, ``width`` bits in two's complement, after ``cycles`` registers."""
    total = delayed(m, Cat(*columns.reduce(0, width)), cycles, name="addend")
    return Addend(total[:-1], total[-1], Const(0))


def pass_sum(m: Module, old: Value, addend: Addend, stages: Counter[str], adder: Adder) -> Value:
    """``old + addend`` modulo ``2**len(old)``, added in one part more than there are registers.

    Each part is added one cycle after the part below it. Bits above the addend change by at most
    one step up or down.
    """
    cycles, reach = sum(stages[point] for point in ADDER_POINTS), len(addend.bits)
    bounds = [len(old) * part // (cycles + 1) for part in range(cycles + 2)]
    line, negative, total = addend.carry, addend.negative, []
    for part, (low, high) in enumerate(pairwise(bounds)):
        name = f"part{part}"
        x, y = (
            delayed(m, value[low:high], part, name=f"{name}_{side}")
            for value, side in ((old, "old"), (addend.bits, "addend"))
        )
        bits, line = (
            add(m, x[: len(y)], y, line, adder=adder, name=name) if len(y) else (Const(0, 0), line)
        )
        if high > reach:
            enable = line ^ negative if low <= reach else line
            # One extra bit shows whether the next part must be stepped too.
            stepped = step_by_one(
                m,
                Cat(x[len(y) :], Const(0, 1)),
                enable,
                negative,
                adder=adder,
                name=f"{name}_guard",
            )
            bits, line = Cat(bits, stepped[:-1]), stepped[-1]
        total.append(delayed(m, bits, cycles - part, name=f"{name}_sum"))
        if part < cycles:
            line, negative = (
                delayed(m, bit, 1, name=f"{name}_{role}")
                for bit, role in ((line, "carry"), (negative, "negative"))
            )
    return Cat(*total)
