# SPDX-License-Identifier: Apache-2.0
"""Interesting operands for a MAC, derived from its description, and values of its ports."""

from fractions import Fraction
from itertools import pairwise, product
from random import Random

from hw.spec import FixedAccumulator, Flag, Format, Kind, MacSpec


def codes(fmt: Format) -> range:
    """Every code of a format."""
    return range(1 << fmt.width)


def corner_codes(fmt: Format) -> list[list[int]]:
    """All finite codes; then by kind, where there are any: NaN, infinities, zeros, least, extreme.

    The kind of a product depends on the kinds of its operands, so rare kinds are drawn as kinds.
    """
    kinds = {kind: [code for code in codes(fmt) if fmt.unpack(code).kind is kind] for kind in Kind}
    finite = kinds.pop(Kind.FINITE)
    zeros = [code for code in finite if _units(fmt, code) == 0]
    least = [code for code in finite if abs(_units(fmt, code)) == 1]
    extreme = [fmt.max_code, _lowest_code(fmt)]
    return [finite, *filter(None, [*kinds.values(), zeros, least, extreme])]


def every_pair(mac: MacSpec) -> list[tuple[int, int]]:
    """Every pair of operand codes, those of b running faster.

    Neighbours differ in few bits (Gray code), which an event simulator runs three times as fast.
    """
    return list(product(*([code ^ code >> 1 for code in codes(fmt)] for fmt in (mac.a, mac.b))))


def pack(mac: MacSpec, a, b) -> list[tuple[int, int]]:
    """Pack codes into beats of ``mac.lanes`` lanes, lane 0 in the low bits, zeros at the end."""
    beats = []
    for start in range(0, len(a), mac.lanes):
        sides = ((a, mac.a.width), (b, mac.b.width))
        beats.append(
            tuple(
                sum(
                    int(code) << lane * width
                    for lane, code in enumerate(side[start : start + mac.lanes])
                )
                for side, width in sides
            )
        )
    return beats


def _lowest_code(fmt: Format) -> int:
    """Code of the lowest value."""
    if not fmt.signed:
        return 0
    return fmt.sign_code if fmt.is_integer else fmt.sign_code | fmt.max_code


def extreme_pairs(mac: MacSpec) -> list[tuple[int, int]]:
    """Operands of the highest and of the lowest product (only the former if none is negative)."""
    a, b = mac.a, mac.b
    pairs = [(x, y) for x in (a.max_code, _lowest_code(a)) for y in (b.max_code, _lowest_code(b))]
    pairs.sort(key=lambda pair: _units(a, pair[0]) * _units(b, pair[1]))
    return [pairs[-1], pairs[0]] if a.signed or b.signed else [pairs[-1]]


def products_to_the_end(mac: MacSpec, pair: tuple[int, int]) -> int:
    """How many products of ``pair`` the accumulator holds before it overflows."""
    units = _units(mac.a, pair[0]) * _units(mac.b, pair[1])
    term = units * Fraction(2) ** mac.product_lsb
    if isinstance(mac.acc, FixedAccumulator):
        end = (mac.acc.max if term > 0 else mac.acc.min) * Fraction(2) ** mac.acc.lsb_exp
    else:
        highest = mac.acc.fmt.max_units
        end = (highest if term > 0 else -highest) * Fraction(2) ** mac.acc.fmt.lsb_exp
    return int(end / term)


def _units(fmt: Format, code: int) -> int:
    """Finite value of a code in units of ``2**fmt.lsb_exp``."""
    unpacked = fmt.unpack(code)
    return unpacked.sig << unpacked.exp


def cut_into_sums(pairs, count: int, rng: Random) -> list[list[tuple[int, ...]]]:
    """Cut the ``pairs`` into the operands of ``count`` sums of random length."""
    cuts = [0, *sorted(rng.sample(range(1, len(pairs)), count - 1)), len(pairs)]
    return [list(zip(*pairs[start:end], strict=True)) for start, end in pairwise(cuts)]


def port_of_flag(flag: int, flag_bits: int) -> int:
    """Value of a flag port of ``flag_bits`` for a `Flag` (0 if there is no port)."""
    return int(flag) if flag_bits == 2 else int(flag == Flag.NAN) if flag_bits else 0
