# SPDX-License-Identifier: Apache-2.0
"""Sums in blocks: a MAC for the inner sum of a block, and an adder for the outer sum.

The end of a block is a step of a MAC by itself: it multiplies the inner sum by a scale and adds the
product to the outer sum. `promotion` describes that MAC, so the floating-point adder is the one
that all MACs have.
"""

from collections import Counter
from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring

from hw.arith.add import add
from hw.arith.decode import decode
from hw.arith.encode import encode_float
from hw.arith.normalize import normalize
from hw.arith.number import Number, scaled, unpack_source
from hw.arith.round import drop_bits
from hw.emit.netlist import instantiate
from hw.mac.floating import next_float_sum
from hw.mac.stages import delayed
from hw.mac.unit import mac_members
from hw.spec import (
    BlockAccumulator,
    BlockScale,
    FixedAccumulator,
    FloatAccumulator,
    MacSpec,
    OutputSpec,
    Overflow,
    Scale,
    ScaleOrder,
    Specials,
    formats,
    integer,
)
from hw.spec.blocks import EDGE_PIPELINE, SCALED_FORMAT


def promotion(spec: MacSpec) -> MacSpec:
    """MAC whose step is the end of a block: a is the inner sum, b its scale, acc the outer sum.

    Its pipeline is that of the edge of an array; a unit by itself uses none of it.
    """
    acc = spec.blocks
    assert isinstance(acc.outer, FloatAccumulator)
    if acc.scale is not None and acc.scale.order is ScaleOrder.A_FIRST:
        a, b = SCALED_FORMAT, acc.scale.fmt
    else:
        fixed = isinstance(acc.inner, FixedAccumulator)
        a = integer("inner", acc.inner.width, lsb=acc.inner.lsb_exp) if fixed else acc.inner.fmt
        b = _scale_format(acc.scale, spec.inner_mac.flag_bits)
    return MacSpec(a=a, b=b, acc=acc.outer, adder=spec.adder, pipeline=EDGE_PIPELINE)


def _scale_format(scale: BlockScale | None, flag_bits: int) -> formats.Format:
    """Format of the product of two scales; its special codes stand for flags of the inner sum."""
    if scale is not None and scale.order is ScaleOrder.PRODUCT:
        return SCALED_FORMAT
    man_bits, specials = _product_bits(scale) - 1, Specials.NONE
    if flag_bits == 2:
        man_bits, specials = max(man_bits, 1), Specials.IEEE
    elif flag_bits or scale:
        specials = Specials.FN
    top = _product_bits(scale) + (2 * scale.max_exp if scale else 0)
    return formats.Format(
        name="scale",
        # The highest field is for special codes.
        exp_bits=max((top + (specials is not Specials.NONE)).bit_length(), 2),
        man_bits=man_bits,
        bias=1 - 2 * (scale.lsb_exp if scale else 0),
        specials=specials,
        signed=False,
        subnormals=False,
    )


def _product_bits(scale: BlockScale | None) -> int:
    """Bits of the product of two significands of scales."""
    return 2 * scale.sig_bits if scale and scale.sig_bits > 1 else 1


class BlockMac(wiring.Component):
    """``o_data = outer + scale * sum(a * b)`` at the end of each block of ``spec.block`` products.

    Ports, latency and throughput are those of a `MacUnit`, with the scales in addition; ``o_data``
    changes once a block. Blocks start with ``i_first`` and after the end of the one before; they
    end after ``spec.block`` products or with ``i_last``. The scales are read with the last beat of
    a block. A reset discards everything in flight.

    Parameters
    ----------
    spec
        Description of the unit.
    inner
        Unit of ``spec.inner_mac``, with a clock enable if this one has it.
    enable
        Whether the unit has a clock enable ``en``.
    """

    def __init__(self, spec: MacSpec, inner: wiring.Component, *, enable: bool = False):
        self._spec = spec
        self._inner = inner
        self._enable = enable
        super().__init__(mac_members(spec, enable=enable, width=spec.acc.width))

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return self._spec.name + ("_en" if self._enable else "")

    def elaborate(self, platform):
        m = Module()
        spec, inner = self._spec, self._inner
        starts, ends, opens = self._count(m)
        instantiate(m, platform, inner, name="inner")
        m.d.comb += [
            inner.i_valid.eq(self.i_valid),
            inner.i_first.eq(starts),
            inner.i_last.eq(ends),
            inner.i_a.eq(self.i_a),
            inner.i_b.eq(self.i_b),
        ]
        if self._enable:
            m.d.comb += inner.en.eq(self.en)
        latency = spec.inner_mac.latency
        opens = delayed(m, opens, latency, name="opens")
        last = delayed(m, self.i_last, latency, name="last")
        scales = [
            delayed(m, getattr(self, f"i_{side}_scale"), latency, name=f"{side}_scale")
            for side in ("ab" if spec.block_scale else "")
        ]
        outer = Signal(spec.acc.width, name="outer", reset_less=True)
        inner_flags = inner.o_flags if spec.inner_mac.flag_bits else None
        total = end_of_block(m, spec, outer, opens, inner.o_data, inner_flags, scales)
        with m.If(inner.o_valid):
            m.d.sync += outer.eq(total)
        if spec.flag_bits:
            flags = Signal(spec.flag_bits, name="outer_flags", reset_less=True)
            with m.If(inner.o_valid):
                m.d.sync += flags.eq(Mux(opens, 0, flags) | inner_flags)
            m.d.comb += self.o_flags.eq(flags)
        m.d.sync += self.o_valid.eq(inner.o_valid & last)
        m.d.comb += self.o_data.eq(with_nan(m, spec.blocks, outer))
        return EnableInserter(self.en)(m) if self._enable else m

    def _count(self, m):
        """Whether a beat starts a block, ends it, and is in the first block of a sum."""
        beats = self._spec.block // self._spec.lanes
        fresh, opens = Signal(name="in_first_block"), Signal(name="opening")
        m.d.comb += opens.eq(self.i_first | fresh)
        if beats == 1:
            return Const(1), Const(1), self.i_first
        place, at = Signal(range(beats), name="beat"), Signal(range(beats), name="beat_now")
        starts, ends = Signal(name="block_starts"), Signal(name="block_ends")
        m.d.comb += [
            at.eq(Mux(self.i_first, 0, place)),
            starts.eq(at == 0),
            ends.eq(self.i_last | (at == beats - 1)),
        ]
        with m.If(self.i_valid):
            m.d.sync += [place.eq(Mux(ends, 0, at + 1)), fresh.eq(opens & ~ends)]
        return starts, ends, opens


def end_of_block(
    m: Module,
    spec: MacSpec,
    old: Value,
    first: Value,
    inner: Value,
    flags: Value | None,
    scales: Sequence[Value],
) -> Value:
    """Outer sum after a block; combinational.

    ``old`` is the outer sum, taken as zero if ``first``; ``inner`` and ``flags`` are the inner sum
    and its flags; ``scales`` are the codes of the scales of a and b, or empty.
    """
    if spec.acc.is_fixed:
        return add_fixed_block(m, spec, Mux(first, 0, old), inner)
    a, b = promotion_operands(m, spec, inner, flags, scales)
    return next_float_sum(m, promotion(spec), old, a, b, first, Counter())


def promotion_operands(
    m: Module, spec: MacSpec, inner: Value, flags: Value | None, scales: Sequence[Value]
) -> tuple[Value, Value]:
    """Operands of the step that `promotion` describes; combinational."""
    acc, unit = spec.blocks, promotion(spec)
    if acc.scale is not None and acc.scale.order is ScaleOrder.A_FIRST:
        stage = OutputSpec(
            source=acc.inner,
            to=SCALED_FORMAT,
            saturate=False,
            scale=Scale.FP32,
            flag_bits=spec.inner_mac.flag_bits,
        )
        return _rounded_product(m, stage, inner, flags, scales[0]), scales[1]
    code, zero, nan = _scale_code(m, acc.scale, unit.b, scales)
    if flags is None:
        special = nan
    else:
        # Encoded as in `hw.spec.Flag`; a single bit means NaN. A flagged sum becomes 1 or -1, and
        # its scale infinite or NaN.
        special, negative = flags.any(), flags[-1] if len(flags) > 1 else Const(0)
        one = Cat(Const(1, 1), negative.replicate(len(inner) - 1))
        inner, nan = Mux(special, one, inner), nan | flags.all() | (special & zero)
        special = special | nan
    if unit.b.has_nan:
        inf = unit.b.inf_code or 0
        code = Mux(nan, unit.b.nan_code, Mux(special, code & unit.b.sign_code | inf, code))
    return inner, code


def _scale_code(
    m: Module, scale: BlockScale | None, fmt: Format, codes: Sequence[Value]
) -> tuple[Value, Value, Value]:
    """Code of the product of the scales in ``fmt``; whether it is zero; whether it is NaN."""
    if scale is None:
        return Const(1 << fmt.man_bits, fmt.width), Const(0), Const(0)
    if scale.order is ScaleOrder.PRODUCT:
        stage = OutputSpec(
            source=FloatAccumulator(fmt=SCALED_FORMAT),
            to=SCALED_FORMAT,
            saturate=False,
            scale=Scale.FP32,
        )
        code = Signal(fmt.width, name="scale")
        m.d.comb += code.eq(_rounded_product(m, stage, codes[0], None, codes[1]))
        magnitude = code[: fmt.magnitude_bits]
        return code, ~magnitude.any(), magnitude > fmt.inf_code
    nan = Cat(*(_is_nan_scale(scale, each) for each in codes)).any()
    field = Signal(fmt.exp_bits, name="scale_field")
    if scale.fmt is None:
        m.d.comb += field.eq(codes[0] + codes[1] + 1)
        return Cat(Const(0, fmt.man_bits), field), Const(0), nan
    x, y = (
        decode(m, scale.fmt, code[: scale.fmt.width], name=f"{side}_scale")
        for side, code in zip("ab", codes, strict=True)
    )
    product = Signal(_product_bits(scale), name="scale_product")
    m.d.comb += product.eq(x.sig * y.sig)
    sig, places = normalize(m, product, fill=Const(0), name="scale_normal")
    zero = x.zero | y.zero
    m.d.comb += field.eq(Mux(zero, 0, x.exp + y.exp - (x.base + y.base) + len(product) - places))
    return Cat(sig[:-1], field), zero, nan


def _is_nan_scale(scale: BlockScale, code: Value) -> Value:
    """Whether the code of a scale is NaN."""
    return code[: scale.nan_code.bit_length()] == scale.nan_code


def _rounded_product(
    m: Module, stage: OutputSpec, source: Value, flags: Value | None, factor: Value
) -> Value:
    """Product of a sum and a binary32 factor, rounded to binary32."""
    number: Number = scaled(m, stage, unpack_source(m, stage, source, flags), factor)
    return encode_float(m, stage, number)


def add_fixed_block(m: Module, spec: MacSpec, old: Value, inner: Value) -> Value:
    """Fixed-point outer sum after a block."""
    acc = spec.blocks
    coarser = acc.outer.lsb_exp - acc.inner.lsb_exp
    term = inner.as_signed()
    if coarser > 0:
        magnitude = Signal(len(inner), name="inner_magnitude")
        m.d.comb += magnitude.eq(Mux(inner[-1], -term, term))
        rounded = drop_bits(m, magnitude, coarser, acc.outer.rounding, name="inner_rounded")
        term = Mux(inner[-1], -rounded, rounded)
    saturates = acc.outer.overflow is Overflow.SATURATE
    width = max(acc.outer.width, len(term) + max(-coarser, 0)) + 1 if saturates else acc.outer.width
    x, y = Signal(signed(width), name="outer_old"), Signal(signed(width), name="outer_term")
    m.d.comb += [x.eq(old.as_signed()), y.eq(Cat(Const(0, max(-coarser, 0)), term).as_signed())]
    total, _ = add(m, x, y, Const(0, 1), adder=spec.adder, name="outer_total")
    if not saturates:
        return total
    kept, top = total[: acc.outer.width], total[acc.outer.width - 1 :]
    extreme = Cat((~total[-1]).replicate(acc.outer.width - 1), total[-1])
    return Mux(top.all() | ~top.any(), kept, extreme)


def with_nan(m: Module, acc: BlockAccumulator, outer: Value) -> Value:
    """Outer sum, with the NaN of the outer format replaced by that of this accumulator."""
    if acc.outer.is_fixed or acc.nan_code == acc.outer.fmt.nan_code:
        return outer
    return Mux(outer == acc.outer.fmt.nan_code, acc.nan_code, outer)
