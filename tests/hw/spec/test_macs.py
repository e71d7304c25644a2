# SPDX-License-Identifier: Apache-2.0
"""MACs: names, flags, the narrowest accumulator, refusals."""

import contextlib
import re
from itertools import product

import pytest

from hw.spec import (
    CATALOG,
    FixedAccumulator,
    Flag,
    FloatAccumulator,
    MacSpec,
    Rounding,
    SpecError,
    parse_mac,
)
from sim.integers import shift_right

INT8, E4M3, E5M2 = CATALOG["int8"], CATALOG["e4m3"], CATALOG["e5m2"]


@pytest.mark.parametrize(
    ("spelling", "name", "in_full"),
    [
        ("e4m3", "mac_e4m3_fx49m18", "e4m3,acc=fx49m18"),
        (
            "e4m3xe5m2,lanes=4,pipeline=1",
            "mac_e4m3xe5m2_fx63m25_l4_p1",
            "e4m3xe5m2,acc=fx63m25,lanes=4,pipeline=1",
        ),
        ("int8,acc=int32", "mac_int8_fx32", "int8,acc=fx32"),
        ("int8,adder=ripple,multiplier=booth", "mac_int8_fx28", "int8,acc=fx28"),
        (
            "int8,multiplier=array,adder=carry-save,lanes=2",
            "mac_int8_fx28_l2_carry_save_array",
            "int8,acc=fx28,lanes=2,adder=carry-save,multiplier=array",
        ),
        (
            "int8,acc=fp32,multiplier=booth,adder=prefix",
            "mac_int8_fp32_prefix_booth",
            "int8,acc=fp32,adder=prefix,multiplier=booth",
        ),
        ("e4m3,multiplier=array", "mac_e4m3_fx49m18", "e4m3,acc=fx49m18"),
        ("e4m3:ieee,acc=fp16-sat-ftz", "mac_e4m3_ieee_fp16_sat_ftz", "e4m3:ieee,acc=fp16-sat-ftz"),
    ],
)
def test_mac_names(spelling, name, in_full):
    mac = parse_mac(spelling)
    assert (mac.name, str(mac)) == (name, in_full)


def test_mac_names_are_distinct():
    accs = (
        "exact",
        "exact:1",
        "exact-sat",
        "exact-rtz",
        "fp32",
        "fp16",
        "fp16-rtz",
        "fp16-sat",
        "fp16-ftz",
    )
    macs = [
        parse_mac(f"{a}x{b}", acc=acc, lanes=lanes, pipeline=pipeline)
        for a, b in product(("e4m3", "e5m2", "int8", "e4m3:ieee"), repeat=2)
        for acc in accs
        for lanes, pipeline in ((1, 0), (1, 2), (2, 0))
        if (lanes, acc) != (2, "exact:1")
    ]
    assert len({mac.name for mac in macs}) == len(macs) == 16 * (9 * 3 - 1)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", mac.name) for mac in macs)


@pytest.mark.parametrize(
    ("spelling", "bits"),
    [
        ("int8", 0),
        ("e2m1", 0),
        ("e4m3", 1),
        ("e4m3fnuz", 1),
        ("int8xe4m3", 1),
        ("e5m2", 2),
        ("e4m3xe5m2", 2),
        ("binary8p4", 1),
        ("binary8p4e", 2),
        ("e5m2,acc=fp32", 0),
    ],
)
def test_mac_flag_bits(spelling, bits):
    assert parse_mac(spelling).flag_bits == bits


def test_flags_or_together():
    assert Flag.POS_INF | Flag.NEG_INF == Flag.NAN
    assert all(flag | Flag.NAN == Flag.NAN and flag | Flag.FINITE == flag for flag in Flag)


def _narrowest(a, b, lanes, lsb, rounding):
    """Narrowest accumulator of those fields that a MacSpec takes."""
    for width in range(2, 100):
        acc = FixedAccumulator(lsb_exp=lsb, width=width, rounding=rounding)
        with contextlib.suppress(SpecError):
            MacSpec(a=a, b=b, acc=acc, lanes=lanes)
            return acc
    pytest.fail("No width below 100 is accepted.")


@pytest.mark.parametrize("rounding", Rounding)
@pytest.mark.parametrize("coarser", [-3, *range(20), 40])
@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_mac_least_width_holds_every_group_of_products(rounding, coarser, lanes):
    for a, b in product((INT8, E4M3, CATALOG["uint8"], CATALOG["e2m1"]), repeat=2):
        acc = _narrowest(a, b, lanes, a.lsb_exp + b.lsb_exp + coarser, rounding)
        ends = [
            lanes * shift_right(x * y, coarser, rounding)
            for x, y in product((a.min_units, a.max_units), (b.min_units, b.max_units))
        ]
        assert acc.min <= min(ends)
        assert max(ends) <= acc.max


def _mac(**fields):
    """Fields of a sound MAC, some of them replaced."""
    return {"a": INT8, "b": INT8, "acc": FixedAccumulator(lsb_exp=0, width=32)} | fields


WRONG = [
    (_mac(a="int8"), "MAC a must be a Format, not 'int8'"),
    (_mac(b=8), "MAC b must be a Format, not 8"),
    (_mac(acc="fp32"), "MAC acc must be an accumulator, not 'fp32'"),
    (_mac(lanes=0), "MAC lanes must be an integer from 1 to 256, not 0"),
    (_mac(lanes=257), "MAC lanes must be an integer from 1 to 256, not 257"),
    (_mac(lanes=2.0), "MAC lanes must be an integer from 1 to 256, not 2.0"),
    (_mac(pipeline=-1), "MAC pipeline must be an integer from 0 to 8, not -1"),
    (_mac(pipeline=9), "MAC pipeline must be an integer from 0 to 8, not 9"),
    (
        _mac(acc=FixedAccumulator(lsb_exp=0, width=15)),
        (
            "Accumulator width must be at least 16 to hold "
            "1 product of int8 and int8 at lsb 0, not 15"
        ),
    ),
    (
        _mac(acc=FixedAccumulator(lsb_exp=0, width=17), lanes=4),
        (
            "Accumulator width must be at least 18 "
            "to hold 4 products of int8 and int8 at lsb 0, not 17"
        ),
    ),
    (_mac(adder="prefix"), "MAC adder must be an Adder, not 'prefix'"),
    (_mac(multiplier=2), "MAC multiplier must be a Multiplier, not 2"),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_mac_wrong(fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        MacSpec(**fields)


def test_mac_latency_counts_registers():
    acc = FloatAccumulator(fmt=CATALOG["fp32"])
    assert [MacSpec(a=E5M2, b=E4M3, acc=acc, pipeline=n).latency for n in range(3)] == [1, 2, 3]
    saved = parse_mac("e5m2,adder=carry-save,pipeline=2")
    assert (saved.loop_latency, saved.latency) == (3, 4)
