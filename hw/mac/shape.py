# SPDX-License-Identifier: Apache-2.0
"""In what shape the sum of the products of a cycle can be handed to a floating-point adder."""

from dataclasses import dataclass

from hw.spec import Format, MacSpec

__all__ = ["TermShape", "extreme_units", "leads", "sig_bits", "term_shapes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TermShape:
    """How the term that is added to the accumulator is presented: ``bits`` and where they stand.

    Attributes
    ----------
    bits
        Bits of the significand.
    low, high
        Lowest and highest exponent of the weight of its top bit.
    ragged
        Highest exponent at which the top bit of a term may be 0; None if it never is, zero being
        told apart by a flag.
    leads
        Whether operands are shifted so that their significands lead with a one.
    by_one
        Whether a product whose top bit is 0 is shifted by one place.
    gates
        Rough cost of making it so.
    """

    bits: int
    low: int
    high: int
    ragged: int | None
    leads: bool = False
    by_one: bool = False
    gates: int = 0


def extreme_units(spec: MacSpec, lanes: int) -> int:
    """Largest magnitude of a sum of ``lanes`` products, in units of ``2**product_lsb``."""
    return lanes * max(abs(x * y) for x in (spec.a.min_units, spec.a.max_units)
                       for y in (spec.b.min_units, spec.b.max_units))


def term_shapes(spec: MacSpec) -> list[TermShape]:
    """Shapes that the term can be given."""
    a, b = spec.a, spec.b
    if spec.lanes > 1 or (a.is_integer and b.is_integer):
        bits = extreme_units(spec, spec.lanes).bit_length()
        top = spec.product_lsb + bits - 1
        return [TermShape(bits=bits, low=top, high=top, ragged=top)]
    bits = sig_bits(a) + sig_bits(b)
    low, high = _top(a, 0) + _top(b, 0), _top(a, _max_exp(a)) + _top(b, _max_exp(b)) + 1
    shapes = [TermShape(bits=bits, low=low + 1, high=high, ragged=high)]
    if not (a.is_integer or b.is_integer):
        ragged = max(_top(a, 0) + _top(b, _max_exp(b)), _top(a, _max_exp(a)) + _top(b, 0))
        shapes.append(TermShape(bits=bits, low=low, high=high, ragged=ragged, by_one=True,
                                gates=3 * bits))
    gates = 3 * bits + sum(n * (n - 1) for n in (sig_bits(f) for f in (a, b) if not leads(f)))
    low = sum(_top(fmt, 0) if leads(fmt) else fmt.lsb for fmt in (a, b))
    shapes.append(TermShape(bits=bits, low=low, high=high, ragged=None, leads=True, by_one=True,
                            gates=gates))
    return shapes


def leads(fmt: Format) -> bool:
    """Whether the significand of every number but zero leads with its hidden one."""
    return not (fmt.is_integer or fmt.subnormals)


def sig_bits(fmt: Format) -> int:
    """Bits of a decoded significand."""
    return fmt.width if fmt.is_integer else fmt.precision


def _max_exp(fmt: Format) -> int:
    """Exponent of the largest number, above that of the smallest."""
    return fmt.unpack(fmt.max_code).exp


def _top(fmt: Format, exp: int) -> int:
    """Exponent of the weight of a significand's top bit."""
    return fmt.lsb + exp + sig_bits(fmt) - 1
