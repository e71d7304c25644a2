# SPDX-License-Identifier: Apache-2.0
"""Spellings: read back as they were written, and refused in one line."""

import re
from itertools import product

import pytest

from hw.spec import (
    CATALOG,
    Adder,
    ArraySpec,
    FixedAccumulator,
    FloatAccumulator,
    Format,
    MacSpec,
    Multiplier,
    Overflow,
    Rounding,
    SpecError,
    Specials,
    parse_accumulator,
    parse_array,
    parse_format,
    parse_mac,
)

ACCUMULATORS = (
    "exact",
    "exact:2",
    "exact:65536",
    "exact-sat",
    "exact-rtz",
    "int600",
    "fx700m90",
    "fx700p3",
    "fx700m9t",
    "fx700m9s",
    "fx700ts",
    "fx700m9-rtz-sat",
    "fp32",
    "fp16",
    "bf16",
    "e5m2",
    "e3m4",
    "fp32-rtz",
    "fp16-sat",
    "bf16-ftz",
    "fp16-rtz-sat-ftz",
)
NAMES = [*CATALOG, "e4m3:ieee", "e2m5:p3109", "e5m2:p3109e", "e3m3:none"]


@pytest.mark.parametrize("acc", ACCUMULATORS)
def test_parse_mac_reads_every_spelling_back(acc):
    macs = [
        parse_mac(pair, acc=acc, lanes=1 + len(pair) % 2, pipeline=len(pair) % 3)
        for pair in (*NAMES, *(f"{a}x{b}" for a, b in product(CATALOG, repeat=2)))
    ]
    assert len(macs) == len(NAMES) + len(CATALOG) ** 2
    for mac in macs:
        assert parse_mac(str(mac)) == mac


@pytest.mark.parametrize("adder", Adder)
def test_parse_mac_reads_every_architecture_back(adder):
    macs = [
        parse_mac(f"{pair},lanes=2,adder={adder.value},multiplier={multiplier.value}")
        for pair in ("int8", "uint8xint8", "e4m3", "int8xe5m2")
        for multiplier in Multiplier
    ]
    assert all(parse_mac(str(mac)) == mac and mac.adder is adder for mac in macs)
    # Either array or Booth is the default one.
    assert len(set(macs)) == len({mac.name for mac in macs}) == len(macs) - 4 == 12
    assert [
        parse_mac("e5m2", adder=adder, multiplier="booth"),
        parse_mac("e5m2", adder=adder.value, multiplier=Multiplier.BOOTH),
    ] == [parse_mac(f"e5m2,multiplier=booth,adder={adder.value}")] * 2


def test_parse_format_finds_the_catalogue():
    assert all(parse_format(name) is fmt for name, fmt in CATALOG.items())
    assert parse_format("e4m3:fn") is CATALOG["e4m3"]
    assert parse_format("e5m2:ieee") is CATALOG["e5m2"]
    assert parse_format("e4m3:ieee") == Format(
        name="e4m3:ieee", exp_bits=4, man_bits=3, bias=7, specials=Specials.IEEE
    )
    assert parse_format("e4m3:fnuz").bias == 8


@pytest.mark.parametrize(
    ("text", "acc"),
    [
        ("exact", FixedAccumulator(lsb_exp=-18, width=49)),
        ("exact:1", FixedAccumulator(lsb_exp=-18, width=37)),
        ("int40", FixedAccumulator(lsb_exp=-18, width=40)),
        ("int40-sat", FixedAccumulator(lsb_exp=-18, width=40, overflow=Overflow.SATURATE)),
        ("fx40", FixedAccumulator(lsb_exp=0, width=40)),
        ("fx40m9", FixedAccumulator(lsb_exp=-9, width=40)),
        (
            "fx40p9ts",
            FixedAccumulator(
                lsb_exp=9, width=40, overflow=Overflow.SATURATE, rounding=Rounding.RTZ
            ),
        ),
        ("fx40m9-sat", FixedAccumulator(lsb_exp=-9, width=40, overflow=Overflow.SATURATE)),
        ("fp32", FloatAccumulator(fmt=CATALOG["fp32"])),
        (
            "bf16-ftz-rtz",
            FloatAccumulator(fmt=CATALOG["bf16"], rounding=Rounding.RTZ, subnormals=False),
        ),
        ("fp16-sat", FloatAccumulator(fmt=CATALOG["fp16"], overflow=Overflow.SATURATE)),
    ],
)
def test_parse_accumulator(text, acc):
    assert parse_accumulator(text, CATALOG["e4m3"], CATALOG["e4m3"]) == acc


def test_parse_mac_defaults_and_keywords():
    e4m3, e5m2 = CATALOG["e4m3"], CATALOG["e5m2"]
    exact = FixedAccumulator.exact(e4m3, e5m2)
    assert parse_mac("e4m3xe5m2") == MacSpec(a=e4m3, b=e5m2, acc=exact)
    fp32 = FloatAccumulator(fmt=CATALOG["fp32"])
    full = MacSpec(a=e4m3, b=e5m2, acc=fp32, lanes=4, pipeline=2)
    assert parse_mac("e4m3xe5m2,pipeline=2,lanes=4,acc=fp32") == full
    assert parse_mac("e4m3xe5m2,lanes=8", acc="fp32", lanes=4, pipeline=2) == full
    assert parse_mac("e4m3xe5m2", acc=fp32, lanes=4, pipeline=2) == full
    assert parse_mac(full) is full
    assert parse_mac(full, lanes=1).lanes == 1


def test_parse_array():
    mac = parse_mac("int8")
    assert parse_array("16x4", "int8") == ArraySpec(mac=mac, rows=16, cols=4)
    assert parse_array("16x4", mac, dataflow="os") == ArraySpec(mac=mac, rows=16, cols=4)


LIST = ", ".join(CATALOG)
ACC = (
    "Accumulator must be exact, exact:N, intN, fxWIDTH[mLSB|pLSB], fp32, fp16 or bf16, "
    "optionally followed by -rtz, -sat or -ftz, or one of aligned:N, hopper, ada, blackwell, not "
)
MAC = (
    "MAC must be PAIR[,acc=ACC][,inner=ACC][,block=N][,block-scale=NAME][,lanes=N][,pipeline=N]"
    "[,adder=NAME][,multiplier=NAME], not "
)
WRONG = [
    ("e9m9", f"Format name must be one of {LIST}, or eXmY:policy, not 'e9m9'"),
    ("", f"Format name must be one of {LIST}, or eXmY:policy, not ''"),
    ("e4m3x", f"Format name must be one of {LIST}, or eXmY:policy, not ''"),
    ("fp32:ieee", f"Format name must be one of {LIST}, or eXmY:policy, not 'fp32:ieee'"),
    ("e4m3:odd", "Format policy must be one of none, ieee, fn, fnuz, p3109, p3109e, not 'odd'"),
    ("e0m7:none", "Format exp_bits must be an integer from 1 to 11, not 0"),
    ("e12m3:ieee", "Format exp_bits must be an integer from 1 to 11, not 12"),
    ("e4m65:none", "Format man_bits must be an integer from 0 to 64, not 65"),
    (
        "e1m3:ieee",
        (
            "Format fields must be at least 2 exponent bits and 1 mantissa bit for ieee "
            "specials, not (1, 3)"
        ),
    ),
    ("e4m3xe5m2xint8", "MAC operands must be one format or two joined by x, not 'e4m3xe5m2xint8'"),
    ("e4m3,acc=fp64", f"{ACC}'fp64'"),
    ("e4m3,acc=e4m3", f"{ACC}'e4m3'"),
    ("e4m3,acc=exact:", f"{ACC}'exact:'"),
    ("e4m3,acc=exact:x", f"{ACC}'exact:x'"),
    ("e4m3,acc=fp32-up", f"{ACC}'fp32-up'"),
    ("e4m3,acc=fx32q3", f"{ACC}'fx32q3'"),
    ("e4m3,acc=", f"{ACC}''"),
    (
        "e4m3,acc=exact-ftz",
        "Accumulator option must be rtz or sat for a fixed-point accumulator, not 'ftz'",
    ),
    ("e4m3,acc=exact:0", f"Accumulator products must be an integer from 1 to {1 << 64}, not 0"),
    (
        "e4m3,acc=int20",
        (
            "Accumulator width must be at least 37 to hold 1 product of e4m3 and "
            "e4m3 at lsb -18, not 20"
        ),
    ),
    ("e4m3,acc=fx2000", "Accumulator width must be an integer from 2 to 1024, not 2000"),
    ("e4m3,acc=fx40m2000", "Accumulator lsb must be an integer from -1024 to 1024, not -2000"),
    ("e4m3,lanes=0", "MAC lanes must be an integer from 1 to 256, not 0"),
    ("e4m3,lanes=-1", "MAC lanes must be a whole number, not '-1'"),
    ("e4m3,pipeline=two", "MAC pipeline must be a whole number, not 'two'"),
    ("e4m3,pipeline=9", "MAC pipeline must be an integer from 0 to 8, not 9"),
    (
        "e4m3,adder=fast",
        "MAC adder must be one of ripple, prefix, carry-save, inferred, not 'fast'",
    ),
    ("e4m3,adder=", "MAC adder must be one of ripple, prefix, carry-save, inferred, not ''"),
    (
        "int8,multiplier=wallace",
        "MAC multiplier must be one of default, array, booth, inferred, not 'wallace'",
    ),
    (
        "e4m3,acc=exact-sat,adder=carry-save",
        (
            "MAC adder must be one of ripple, prefix, inferred for an accumulator that saturates, "
            "not 'carry-save'"
        ),
    ),
    (
        "e4m3,acc=fp32,adder=carry-save",
        (
            "MAC adder must be one of ripple, prefix, inferred for a floating-point accumulator, "
            "not 'carry-save'"
        ),
    ),
    (
        "e4m3,acc=hopper,adder=prefix",
        "MAC adder must be one of ripple for an aligned accumulator, not 'prefix'",
    ),
    ("e4m3,depth=3", f"{MAC}'e4m3,depth=3'"),
    ("e4m3,lanes=1,lanes=2", f"{MAC}'e4m3,lanes=1,lanes=2'"),
    ("e4m3,", f"{MAC}'e4m3,'"),
    (None, "MAC must be a spelling such as e4m3xe5m2,acc=fp32, not None"),
    (8, "MAC must be a spelling such as e4m3xe5m2,acc=fp32, not 8"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_parse_mac_wrong(text, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_mac(text)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lanes": 1.5}, "MAC lanes must be an integer from 1 to 256, not 1.5"),
        ({"lanes": "2"}, "MAC lanes must be an integer from 1 to 256, not '2'"),
        ({"pipeline": True}, "MAC pipeline must be an integer from 0 to 8, not True"),
        ({"acc": 32}, "MAC acc must be an accumulator, not 32"),
        ({"adder": 1}, "MAC adder must be one of ripple, prefix, carry-save, inferred, not 1"),
        (
            {"multiplier": []},
            "MAC multiplier must be one of default, array, booth, inferred, not []",
        ),
    ],
)
def test_parse_mac_keyword_wrong(keywords, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_mac("e4m3", **keywords)


def test_parse_wrong_kind():
    with pytest.raises(SpecError, match=r"^Format name must be a string, not 8$"):
        parse_format(8)
    with pytest.raises(SpecError, match=r"^Accumulator must be a string, not 8$"):
        parse_accumulator(8, CATALOG["int8"], CATALOG["int8"])


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ("16", "Array size must be ROWSxCOLS, for instance 16x16, not '16'"),
        ("16x", "Array size must be ROWSxCOLS, for instance 16x16, not '16x'"),
        ("-4x4", "Array size must be ROWSxCOLS, for instance 16x16, not '-4x4'"),
        ("4x4x4", "Array size must be ROWSxCOLS, for instance 16x16, not '4x4x4'"),
        ((4, 4), "Array size must be ROWSxCOLS, for instance 16x16, not (4, 4)"),
        ("0x16", "Array rows must be an integer from 1 to 512, not 0"),
        ("16x513", "Array cols must be an integer from 1 to 512, not 513"),
    ],
)
def test_parse_array_wrong(size, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_array(size, "int8")


@pytest.mark.parametrize("flow", ["is", "", None, 3])
def test_parse_array_dataflow_wrong(flow):
    with pytest.raises(SpecError, match=f"^Array dataflow must be one of os, ws, not {flow!r}$"):
        parse_array("4x4", "int8", dataflow=flow)
