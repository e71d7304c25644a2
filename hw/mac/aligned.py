# SPDX-License-Identifier: Apache-2.0
"""Tensor-core MAC: all products and the accumulator are truncated at a common exponent."""

from functools import partial

from amaranth import *

from hw.arith.columns import Columns
from hw.arith.normalize import normalize
from hw.arith.shift import shift_right
from hw.mac.product import lane_pairs, multiply
from hw.mac.stages import delayed
from hw.mac.unit import MacUnit


class AlignedMac(MacUnit):
    """Adds the lanes' products to ``o_data``; all terms are aligned and truncated.

    See `hw.spec.AlignedAccumulator`. Pipeline registers go after the multipliers: the largest
    exponent depends on the accumulator, so all later logic is part of the accumulate loop. Bits of
    the accumulator that are always zero have no registers.
    """

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Registers after the multipliers."""
        return ("product", "operand")

    @property
    def _origin(self) -> int:
        """Lowest exponent of any term's units; exponents are counted from it."""
        spec = self._spec
        lowest = spec.product_lsb + spec.a.man_bits + spec.b.man_bits
        return min(lowest, 1 - spec.acc.fmt.bias)

    def next_sum(self, m, kept, a, b, first, stages):
        """Find the largest exponent, align the terms to it, add them, and encode the sum."""
        spec = self._spec
        old = Signal(1 + spec.acc.fmt.exp_bits + spec.acc.fraction_bits)
        dropped = spec.acc.fmt.man_bits - spec.acc.fraction_bits
        m.d.comb += old.eq(Mux(first, 0, kept[dropped:]))
        lanes = [
            multiply(m, spec, x, y, name=f"lane{lane}")
            for lane, (x, y) in enumerate(lane_pairs(spec, a, b))
        ]
        flags = self._special(m, old, lanes, stages)
        terms = [
            self._product_term(m, product, stages, name=f"lane{lane}")
            for lane, product in enumerate(lanes)
        ]
        terms.append(self._old_term(m, old))
        top = _largest(m, [exponent for _, exponent, _ in terms])
        aligned = self._aligned(m, terms, top)
        cut = partial(delayed, m, cycles=stages["aligned"])
        aligned = [
            (cut(magnitude, name=f"term{index}"), cut(sign, name=f"term{index}_sign"))
            for index, (magnitude, sign) in enumerate(aligned)
        ]
        total = self._sum(m, aligned)
        behind = stages["aligned"] + stages["total"]
        return self._code(
            m,
            delayed(m, total, stages["total"], name="total"),
            delayed(m, top, behind, name="top"),
            delayed(m, flags, behind, name="special"),
            stages["normal"],
        ), None

    def _product_term(self, m, product, stages, *, name):
        """The product as a term; see `_term`."""
        spec = self._spec
        sig, exp, sign = (
            delayed(m, value, stages["product"], name=f"{name}_{part}")
            for part, value in (("sig", product.sig), ("exp", product.exp), ("sign", product.sign))
        )
        point = spec.a.man_bits + spec.b.man_bits
        lowest = spec.product_lsb + point - product.base - self._origin
        return self._term(m, sig, exp + lowest, sign, point, name=name)

    def _old_term(self, m, old):
        """The accumulator as a term."""
        fmt, kept = self._spec.acc.fmt, self._spec.acc.fraction_bits
        field, normal = old[kept:-1], Signal()
        m.d.comb += normal.eq(field.any())
        exponent = Cat(field[0] | ~normal, field[1:]) + (-fmt.bias - self._origin)
        return self._term(m, Cat(old[:kept], normal), exponent, old[-1], kept, name="old")

    def _term(self, m, sig, exponent, sign, point, *, name):
        """Term whose ``sig`` has ``point`` fraction bits.

        It is the significand at the window's scale with the number of bits to drop below, the
        exponent of its units, and the sign. A zero has exponent 0.
        """
        masked = Signal(len(exponent), name=f"{name}_place")
        m.d.comb += masked.eq(exponent.as_unsigned() & sig.any().replicate(len(exponent)))
        scaled = Cat(Const(0, max(self._spec.acc.frac_bits - point, 0)), sig)
        # If ``sig`` has more fraction bits than the window, the excess is dropped after the shift.
        return (scaled, max(point - self._spec.acc.frac_bits, 0)), masked, sign

    def _aligned(self, m, terms, top):
        """Magnitude and sign of all terms, each truncated toward zero to the window."""
        aligned = []
        for index, ((scaled, below), exponent, sign) in enumerate(terms):
            distance = Signal(len(top), name=f"term{index}_distance")
            m.d.comb += distance.eq(top - exponent)
            stages = len(scaled).bit_length()
            moved, _ = shift_right(m, scaled, distance[:stages], name=f"term{index}_moved")
            near = ~distance[stages:].any()
            magnitude = Signal(len(scaled) - below, name=f"term{index}")
            m.d.comb += magnitude.eq(moved[below:] & near.replicate(len(magnitude)))
            aligned.append((magnitude, sign))
        return aligned

    def _sum(self, m, terms):
        """Exact sum of all terms in two's complement."""
        columns = Columns(m, name="sum")
        for magnitude, sign in terms:
            columns.add_signed(magnitude, sign)
        widest = max(len(magnitude) for magnitude, _ in terms)
        total = Signal(widest + (len(terms) - 1).bit_length() + 1)
        m.d.comb += total.eq(Cat(*columns.reduce(0, len(total))))
        return total

    def _code(self, m, total, top, flags, cycles):
        """Code of the sum: normalised as far as the exponent allows, truncated to the kept bits.

        There are ``cycles`` registers after the normaliser.
        """
        acc = self._spec.acc
        sign, magnitude = Signal(name="total_sign"), Signal(len(total) - 1, name="total_magnitude")
        m.d.comb += [
            sign.eq(total[-1]),
            magnitude.eq(Mux(sign, -total.as_signed(), total)),
        ]
        magnitude, highest = self._raise(m, magnitude, top)
        limit = Signal(len(highest), name="led_limit")
        m.d.comb += limit.eq(highest - 1)
        led, places = normalize(m, magnitude, fill=Const(0), limit=limit, name="led")
        exp = Signal(len(highest))
        m.d.comb += exp.eq((highest - places) & led[-1].replicate(len(highest)))
        led, exp, sign, flags = (
            delayed(m, part, cycles, name=f"normal_{name}")
            for part, name in ((led, "led"), (exp, "exp"), (sign, "sign"), (flags, "special"))
        )
        low = Const(0, max(acc.fraction_bits - len(led) + 1, 0))
        fraction = Cat(low, led[:-1])[-acc.fraction_bits :]
        pos, neg = flags
        infinite, nan = Signal(name="infinite"), Signal(name="nan")
        ones = Const(-1, acc.fmt.exp_bits).as_unsigned()
        m.d.comb += [nan.eq(pos & neg), infinite.eq(pos | neg | (exp >= ones))]
        kept = Mux(nan, ~Const(0, acc.fraction_bits), Mux(infinite, 0, fraction))
        dropped = nan.replicate(acc.fmt.man_bits - acc.fraction_bits)
        return Cat(
            dropped,
            kept,
            Mux(infinite, ones, exp[: acc.fmt.exp_bits]),
            Mux(pos | neg, neg & ~pos, sign & (led[-1] | fraction.any())),
        )

    def _raise(self, m, magnitude, top):
        """Magnitude, and the exponent field for a leading one in its top bit; at least 1.

        Bits below the accumulator's smallest subnormal are dropped.
        """
        acc = self._spec.acc
        offset = self._origin + acc.fmt.bias - acc.frac_bits + len(magnitude) - 1
        field = Signal(range(min(offset, 0), (1 << len(top)) + offset), name="field")
        m.d.comb += field.eq(top + offset)
        if offset >= 1:
            return magnitude, field
        deficit = Signal(range(2 - offset))
        m.d.comb += deficit.eq(Mux(field < 1, 1 - field, 0))
        raised, _ = shift_right(m, magnitude, deficit, name="raised")
        highest = Signal(len(field) - 1)
        m.d.comb += highest.eq(Mux(field < 1, 1, field))
        return raised, highest

    def _special(self, m, old, lanes, stages):
        """Two flags: the sum contains plus infinity, or minus infinity; both mean NaN."""
        _spec, kept = self._spec, self._spec.acc.fraction_bits
        ended, nan = Signal(name="old_special"), Signal(name="old_nan")
        m.d.comb += [ended.eq(old[kept:-1].all()), nan.eq(ended & old[:kept].any())]
        pos, neg = nan | (ended & ~old[-1]), nan | (ended & old[-1])
        for lane, product in enumerate(lanes):
            flags = Cat(
                product.nan | (product.inf & ~product.sign),
                product.nan | (product.inf & product.sign),
            )
            flags = delayed(m, flags, stages["product"], name=f"lane{lane}_flags")
            pos, neg = pos | flags[0], neg | flags[1]
        raised = Signal(2, name="special")
        m.d.comb += raised.eq(Cat(pos, neg))
        return raised


def _largest(m: Module, places: list[Value]) -> Value:
    """Largest of some unsigned values, by a tree of comparators."""
    level = 0
    while len(places) > 1:
        pairs, odd = places[: len(places) // 2 * 2], places[len(places) // 2 * 2 :]
        largest = []
        for index, (x, y) in enumerate(zip(pairs[::2], pairs[1::2], strict=True)):
            larger = Signal(max(len(x), len(y)), name=f"largest{level}_{index}")
            m.d.comb += larger.eq(Mux(x > y, x, y))
            largest.append(larger)
        places, level = largest + odd, level + 1
    return places[0]
