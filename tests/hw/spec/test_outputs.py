# SPDX-License-Identifier: Apache-2.0
"""Output stages as descriptions: spelled and read back, refused in one line."""

import re
from itertools import product

import pytest

from hw.spec import CATALOG, OutputSpec, Scale, SpecError, parse_mac, parse_output

SOURCES = ("fp32", "bf16", "fp16-sat", "int32", "fx49m18", "fx20p3ts", "aligned:13")


def test_parse_output_reads_every_spelling_back():
    names, count = set(), 0
    for to, source, saturate, scale, zero, flags in product(
        [*CATALOG, "e4m3:ieee"], SOURCES, (True, False), Scale, (True, False), range(3)
    ):
        base = parse_output(f"{to},from={source}")
        fixed = source.startswith(("int", "fx"))
        if (zero and not base.to.is_integer) or (flags and not fixed):
            continue
        spec = OutputSpec(
            source=base.source,
            to=base.to,
            saturate=saturate,
            scale=scale,
            zero_point=zero,
            flag_bits=flags,
        )
        assert parse_output(str(spec)) == spec
        assert parse_output(spec) is spec
        assert re.fullmatch(r"out_[a-z0-9_]+", spec.name)
        names.add(spec.name)
        count += 1
    # By source 2 modes, 3 scales and, in fixed point, 3 widths of flags; integers twice.
    integers = sum(fmt.is_integer for fmt in CATALOG.values())
    assert len(names) == count == (len(CATALOG) + 1 + integers) * 6 * (3 * 3 + 4)


def test_output_behind_a_mac_takes_its_sums_and_flags():
    mac = parse_mac("e5m2xe4m3")
    spec = OutputSpec.behind(mac, CATALOG["int8"], scale=Scale.POW2, zero_point=True)
    assert (spec.source, spec.flag_bits, spec.latency) == (mac.acc, 2, 1)
    assert (spec.scale_bits, spec.zero_point_bits) == (8, 8)
    assert str(spec) == f"int8,from={mac.acc},flags=2,scale=pow2,zero_point=yes"


@pytest.mark.parametrize(("scale", "fmt"), [("none", None), ("pow2", "int8"), ("fp32", "fp32")])
def test_output_scale_format(scale, fmt):
    spec = parse_output(f"e4m3,from=fp32,scale={scale}")
    assert spec.scale_format == (CATALOG[fmt] if fmt else None)
    assert spec.scale_bits == (CATALOG[fmt].width if fmt else 0)
    assert spec.name == "out_fp32_e4m3" + (f"_{scale}" if fmt else "")


FULL = "FORMAT,from=ACC[,flags=N][,saturate=no][,scale=pow2|fp32][,zero_point=yes]"
DRAIN = "FORMAT[,saturate=no][,scale=pow2|fp32][,zero_point=yes]"
WRONG = [
    (7, "Output must be a spelling such as e4m3,from=fp32, not 7"),
    ("e4m3", f"Output must be {FULL}, not 'e4m3'"),
    ("e4m3,from=fp32,from=fp16", f"Output must be {FULL}, not 'e4m3,from=fp32,from=fp16'"),
    ("e4m3,from=fp32,round=up", f"Output must be {FULL}, not 'e4m3,from=fp32,round=up'"),
    (
        "e4m3,from=exact",
        (
            "Output source must be an accumulator of fixed width, such as fx49m18, "
            "int32 or fp32, not 'exact'"
        ),
    ),
    ("e4m3,from=fp32,scale=fp16", "Output scale must be one of none, pow2, fp32, not 'fp16'"),
    ("e4m3,from=int32,flags=3", "Output flags must be one of 0, 1, 2, not '3'"),
    ("e4m3,from=fp32,flags=1", "Output flag_bits must be 0 for a floating-point source, not 1"),
    ("e4m3,from=fp32,saturate=1", "Output saturate must be yes or no, not '1'"),
    (
        "e4m3,from=fp32,zero_point=yes",
        "Output zero_point must be False for e4m3, which is not an integer format, not True",
    ),
    ("e4m3,from=fx1", "Accumulator width must be an integer from 2 to 1024, not 1"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_parse_output_wrong(text, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_output(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("e4m3,from=fp32", f"Output must be {DRAIN}, not 'e4m3,from=fp32'"),
        ("e4m3,flags=1", f"Output must be {DRAIN}, not 'e4m3,flags=1'"),
        ("e4m3,scale=int8", "Output scale must be one of none, pow2, fp32, not 'int8'"),
        (
            "e4m3,zero_point=yes",
            "Output zero_point must be False for e4m3, which is not an integer format, not True",
        ),
    ],
)
def test_parse_output_behind_a_mac_wrong(text, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_output(text, mac=parse_mac("e5m2"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"source": "fp32"}, "Output source must be an accumulator, not 'fp32'"),
        ({"to": "e4m3"}, "Output to must be a Format, not 'e4m3'"),
        ({"saturate": 1}, "Output saturate must be a bool, not 1"),
        ({"scale": "pow2"}, "Output scale must be a Scale, not 'pow2'"),
        ({"zero_point": 0}, "Output zero_point must be a bool, not 0"),
        ({"flag_bits": True}, "Output flag_bits must be an integer from 0 to 2, not True"),
    ],
)
def test_output_spec_wrong(fields, message):
    good = {"source": parse_output("e4m3,from=int32").source, "to": CATALOG["e4m3"]}
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        OutputSpec(**(good | fields))
