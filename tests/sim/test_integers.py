# SPDX-License-Identifier: Apache-2.0
"""Rounding, overflow and packing of Python integers against fractions and lists of all values."""

import math
from bisect import bisect_left
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hw.spec import CATALOG, FixedAccumulator, Kind, Overflow, Rounding, parse_format
from sim.integers import fit, pack, shift_right

#: Formats whose codes ascend with their values, up to the place of infinity.
NAMES = ("e4m3", "e5m2", "e3m4", "e2m1", "e4m3fnuz", "binary8p3e", "e4m3:ieee", "fp16", "e1m2:fn")


@given(st.integers(-(1 << 80), 1 << 80), st.integers(-5, 90))
def test_shift_right_rounds_as_fractions_do(value, shift):
    exact = value / Fraction(2) ** shift
    assert shift_right(value, shift, Rounding.RNE) == round(exact)
    assert shift_right(value, shift, Rounding.RTZ) == math.trunc(exact)


def test_shift_right_ties_go_to_even():
    assert [shift_right(x, 1) for x in range(-7, 8)] == [
        -4,
        -3,
        -2,
        -2,
        -2,
        -1,
        0,
        0,
        0,
        1,
        2,
        2,
        2,
        3,
        4,
    ]
    assert [shift_right(x, 1, Rounding.RTZ) for x in range(-3, 4)] == [-1, -1, 0, 0, 0, 1, 1]


@given(st.integers(-(1 << 80), 1 << 80), st.integers(2, 70))
def test_fit_wraps_and_saturates(value, width):
    half = 1 << width - 1
    wrapped = fit(value, FixedAccumulator(lsb_exp=0, width=width))
    assert -half <= wrapped < half
    assert (wrapped - value) % (2 * half) == 0
    kept = fit(value, FixedAccumulator(lsb_exp=0, width=width, overflow=Overflow.SATURATE))
    assert kept == sorted((-half, value, half - 1))[1]


def _magnitudes(fmt):
    """Values of the finite codes without sign, in order of the codes, and one step beyond."""
    values = [fmt.unpack(code) for code in range(fmt.max_code + 1)]
    exact = [value.sig * Fraction(2) ** (value.exp + fmt.lsb_exp) for value in values]
    return [*exact, 2 * exact[-1] - exact[-2]]


MAGNITUDES = {name: _magnitudes(parse_format(name)) for name in NAMES}


def _nearest(name, x, rounding):
    """Code of the magnitude that ``x >= 0`` rounds to; one beyond the last stands for overflow."""
    values = MAGNITUDES[name]
    if x >= values[-1]:
        return len(values) - 1
    above = bisect_left(values, x)
    if values[above] == x:
        return above
    below = above - 1
    if rounding is Rounding.RTZ:
        return below
    middle = (values[below] + values[above]) / 2
    if x == middle:
        return below if below % 2 == 0 else above
    return below if x < middle else above


@given(
    st.data(),
    st.sampled_from(NAMES),
    st.sampled_from(Rounding),
    st.sampled_from((Overflow.INF, Overflow.SATURATE)),
    st.booleans(),
)
def test_pack_chooses_among_all_values(data, name, rounding, overflow, subnormals):
    fmt, values = parse_format(name), MAGNITUDES[name]
    lsb = fmt.lsb_exp - data.draw(st.integers(-3, 8))
    around = data.draw(st.sampled_from(values)) / Fraction(2) ** lsb
    value = round(around) * data.draw(st.sampled_from((-1, 1, 2))) + data.draw(st.integers(-9, 9))
    code = pack(value, lsb, fmt, rounding=rounding, overflow=overflow, subnormals=subnormals)
    wanted = _nearest(name, abs(value) * Fraction(2) ** lsb, rounding)
    negative = value < 0
    if wanted > fmt.max_code:
        wanted = fmt.max_code
        if overflow is Overflow.INF and rounding is Rounding.RNE and fmt.nan_code is not None:
            wanted = fmt.inf_code if fmt.has_inf else fmt.nan_code
            negative &= fmt.has_inf
    elif not subnormals and wanted < 1 << fmt.man_bits:
        wanted = 0
    if negative and (wanted or fmt.has_minus_zero):
        wanted |= fmt.sign_code
    assert code == wanted


@pytest.mark.parametrize("name", [name for name in CATALOG if CATALOG[name].width <= 8])
def test_pack_undoes_unpack(name):
    fmt = CATALOG[name]
    finite = 0
    for code in range(1 << fmt.width):
        kind, negative, sig, exp = fmt.unpack(code)
        if kind is Kind.FINITE:
            finite += 1
            assert pack(sig << exp, fmt.lsb_exp, fmt, minus_zero=negative) == code
            # The same value in any other unit.
            assert pack(sig << exp + 9, fmt.lsb_exp - 9, fmt, minus_zero=negative) == code
            assert pack(sig, fmt.lsb_exp + exp, fmt, minus_zero=negative) == code
    assert finite == fmt.num_finite


def test_pack_minus_zero_only_where_it_exists():
    for fmt in CATALOG.values():
        zero = fmt.sign_code if fmt.has_minus_zero else 0
        assert pack(0, 5, fmt, minus_zero=True) == zero, fmt.name
        assert pack(0, 5, fmt) == 0, fmt.name
        if fmt.signed and not fmt.is_integer:
            assert pack(-1, fmt.lsb_exp - 2, fmt) == zero, fmt.name
