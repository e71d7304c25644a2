# SPDX-License-Identifier: Apache-2.0
"""Accumulators: exact widths against published ones, spellings, refusals."""

import re
from itertools import product

import pytest

from hw.spec import (
    CATALOG,
    FixedAccumulator,
    FloatAccumulator,
    Format,
    Overflow,
    Rounding,
    SpecError,
    integer,
    parse_format,
)

# operands, lsb, width for 1, 32, 64 and 4096 products. 4096: 2S-1 + 2(2^E-2) + 12 of
# arXiv 2303.17951, figure 2, which the P3109 finite formats reproduce; INT8 is one wider there,
# since that paper leaves -128 * -128 out.
EXACT = [
    ("binary8p6", "binary8p6", -12, (17, 22, 23, 29)),
    ("binary8p5", "binary8p5", -14, (23, 28, 29, 35)),
    ("binary8p4", "binary8p4", -20, (37, 42, 43, 49)),
    ("binary8p3", "binary8p3", -34, (67, 72, 73, 79)),
    ("e4m3fnuz", "e4m3fnuz", -20, (37, 42, 43, 49)),
    ("e5m2fnuz", "e5m2fnuz", -34, (67, 72, 73, 79)),
    ("e4m3", "e4m3", -18, (37, 42, 43, 49)),
    ("e5m2", "e5m2", -32, (65, 70, 71, 77)),
    ("e5m2", "e4m3", -25, (51, 56, 57, 63)),
    ("e4m3:ieee", "e4m3:ieee", -18, (35, 40, 41, 47)),
    ("int8", "int8", 0, (16, 21, 22, 28)),
]


@pytest.mark.parametrize(("a", "b", "lsb", "widths"), EXACT)
def test_exact_has_published_width(a, b, lsb, widths):
    a, b = parse_format(a), parse_format(b)
    accs = [FixedAccumulator.exact(a, b, products) for products in (1, 32, 64, 4096)]
    assert tuple(acc.width for acc in accs) == widths
    assert {acc.lsb_exp for acc in accs} == {lsb}
    assert FixedAccumulator.exact(a, b) == accs[-1]


@pytest.mark.parametrize("products", [1, 2, 3, 4095, 4096, 4097])
def test_exact_is_the_narrowest_that_holds_every_sum(products):
    small = [fmt for fmt in CATALOG.values() if fmt.width <= 8]
    for a, b in product(small, small):
        acc = FixedAccumulator.exact(a, b, products)
        ends = [
            products * x * y
            for x, y in product((a.min_units, a.max_units), (b.min_units, b.max_units))
        ]
        assert acc.min <= min(ends), f"{a.name} x {b.name}"
        assert max(ends) <= acc.max, f"{a.name} x {b.name}"
        half = acc.max >> 1
        assert acc.width == 2 or max(ends) > half or min(ends) < ~half, f"{a.name} x {b.name}"


def test_exact_holds_one_sided_products():
    # 255 * -128 reaches further down than 255 * 127 reaches up.
    acc = FixedAccumulator.exact(integer("uint8", 8, signed=False), CATALOG["int8"], 1)
    assert (acc.width, acc.min, acc.max) == (16, -32768, 32767)
    # -128 * 4 is the lowest sum of 10 bits itself.
    power = Format(name="power", exp_bits=2, man_bits=0, bias=1, signed=False)
    assert FixedAccumulator.exact(power, CATALOG["int8"], 1).width == 10


@pytest.mark.parametrize(
    ("acc", "spelling"),
    [
        (FixedAccumulator(lsb_exp=0, width=32), "fx32"),
        (FixedAccumulator(lsb_exp=-18, width=49), "fx49m18"),
        (FixedAccumulator(lsb_exp=3, width=20, overflow=Overflow.SATURATE), "fx20p3s"),
        (FixedAccumulator(lsb_exp=-10, width=32, rounding=Rounding.RTZ), "fx32m10t"),
        (
            FixedAccumulator(
                lsb_exp=-10, width=32, rounding=Rounding.RTZ, overflow=Overflow.SATURATE
            ),
            "fx32m10ts",
        ),
        (FloatAccumulator(fmt=CATALOG["fp32"]), "fp32"),
        (
            FloatAccumulator(
                fmt=CATALOG["fp16"],
                rounding=Rounding.RTZ,
                overflow=Overflow.SATURATE,
                subnormals=False,
            ),
            "fp16-rtz-sat-ftz",
        ),
        (FloatAccumulator(fmt=parse_format("e4m3:ieee"), subnormals=False), "e4m3:ieee-ftz"),
    ],
)
def test_accumulator_spelling(acc, spelling):
    assert str(acc) == spelling
    assert acc.identifier == spelling.replace("-", "_").replace(":", "_")


WRONG = [
    (
        FixedAccumulator,
        {"lsb_exp": 0.5, "width": 8},
        "Accumulator lsb must be an integer from -1024 to 1024, not 0.5",
    ),
    (
        FixedAccumulator,
        {"lsb_exp": -1025, "width": 8},
        "Accumulator lsb must be an integer from -1024 to 1024, not -1025",
    ),
    (
        FixedAccumulator,
        {"lsb_exp": 0, "width": 1},
        "Accumulator width must be an integer from 2 to 1024, not 1",
    ),
    (
        FixedAccumulator,
        {"lsb_exp": 0, "width": 8, "overflow": Overflow.INF},
        "Accumulator overflow must be wrap or sat for a fixed-point accumulator, not 'inf'",
    ),
    (
        FixedAccumulator,
        {"lsb_exp": 0, "width": 8, "rounding": "rne"},
        "Accumulator rounding must be a Rounding, not 'rne'",
    ),
    (
        FloatAccumulator,
        {"fmt": CATALOG["e4m3"]},
        "Accumulator fmt must be a signed format with ieee specials, not 'e4m3'",
    ),
    (
        FloatAccumulator,
        {"fmt": "fp32"},
        "Accumulator fmt must be a signed format with ieee specials, not 'fp32'",
    ),
    (
        FloatAccumulator,
        {"fmt": CATALOG["fp32"], "overflow": Overflow.WRAP},
        "Accumulator overflow must be inf or sat for a floating-point accumulator, not 'wrap'",
    ),
    (
        FloatAccumulator,
        {"fmt": CATALOG["fp32"], "rounding": None},
        "Accumulator rounding must be a Rounding, not None",
    ),
    (
        FloatAccumulator,
        {"fmt": CATALOG["fp32"], "subnormals": 1},
        "Accumulator subnormals must be a bool, not 1",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "message"), WRONG)
def test_accumulator_wrong(kind, fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        kind(**fields)


@pytest.mark.parametrize("products", [0, -1, 1.5, (1 << 64) + 1])
def test_exact_wrong(products):
    message = f"Accumulator products must be an integer from 1 to {1 << 64}, not {products!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        FixedAccumulator.exact(CATALOG["int8"], CATALOG["int8"], products)
