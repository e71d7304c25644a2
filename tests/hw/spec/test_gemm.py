# SPDX-License-Identifier: Apache-2.0
"""GEMM engines as descriptions: fields, refusals, closed forms."""

import pytest

from hw.spec import Bus, GemmSpec, SpecError, parse_array, parse_gemm
from tests.support.specs import GEMMS, WEIGHT_GEMMS

ARRAY = parse_array("4x4", "int8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"array": "4x4"}, "GEMM array must be an ArraySpec, not '4x4'"),
        ({"depth_a": 1}, "GEMM depth_a must be an integer from 2 to 1048576, not 1"),
        ({"depth_b": True}, "GEMM depth_b must be an integer from 2 to 1048576, not True"),
        ({"depth_c": 1 << 21}, "GEMM depth_c must be an integer from 2 to 1048576, not 2097152"),
        ({"bus": "axi4lite"}, "GEMM bus must be a Bus, not 'axi4lite'"),
    ],
)
def test_gemm_fields_wrong(fields, message):
    with pytest.raises(SpecError) as raised:
        GemmSpec(**{"array": ARRAY} | fields)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"depths": "8x8"}, "GEMM depths must be AxBxC, for instance 1024x1024x1024, not '8x8'"),
        ({"depths": 8}, "GEMM depths must be AxBxC, for instance 1024x1024x1024, not 8"),
        ({"bus": "apb"}, "GEMM bus must be one of axi4lite, wishbone, not 'apb'"),
    ],
)
def test_parse_gemm_wrong(settings, message):
    with pytest.raises(SpecError) as raised:
        parse_gemm(ARRAY, **settings)
    assert str(raised.value) == message


def test_parse_gemm_gives_the_fields():
    spec = parse_gemm(ARRAY, depths="8x16x32", bus="wishbone")
    assert spec == GemmSpec(array=ARRAY, depth_a=8, depth_b=16, depth_c=32, bus=Bus.WISHBONE)
    assert spec.name == "gemm_4x4_os_int8_fx28_8x16x32_wishbone"
    assert str(spec) == "int8,acc=fx28,array=4x4,dataflow=os,depths=8x16x32,bus=wishbone"


def test_gemm_names_and_digests_differ():
    specs = list((GEMMS | WEIGHT_GEMMS).values())
    assert len({spec.name for spec in specs}) == len({spec.digest for spec in specs}) == len(specs)


@pytest.mark.parametrize(
    ("shape", "refused"),
    [
        ((4, 64, 4), ()),
        ((4, 65, 4), ("size_a", "size_b")),
        ((0, 9, 9), ("zero",)),
        ((256, 1, 1), ("size_c",)),
        ((64, 4, 5), ("size_c",)),
        ((5, 33, 1), ("size_a",)),
        ((1, 33, 5), ("size_b",)),
        ((64, 4, 4), ()),
        ((1, 1, 256), ()),
        ((1, 1, 257), ("size_b", "size_c")),
    ],
)
def test_gemm_refuses_what_does_not_fit(shape, refused):
    spec = parse_gemm(ARRAY, depths="64x64x64")
    assert spec.refusals(*shape) == refused
    if refused:
        with pytest.raises(SpecError) as raised:
            spec.cycles(*shape)
        assert str(raised.value) == (
            "GEMM size must be small enough for memories of 64x64x64 words, "
            f"not '{'x'.join(map(str, shape))}'"
        )


def test_gemm_cycles_are_those_of_the_array_and_a_constant():
    spec = parse_gemm(ARRAY, depths="64x64x64")
    shapes = [
        (m, k, n)
        for m in range(1, 20)
        for k in range(1, 9)
        for n in range(1, 12)
        if not spec.refusals(m, k, n)
    ]
    assert len(shapes) > 1000
    assert {spec.cycles(*shape) - ARRAY.cycles(*shape) for shape in shapes} == {spec.latency}


def test_weight_stationary_gemm_counts_words_and_cycles():
    array = parse_array("4x3", "int8", dataflow="ws", depth=6)
    spec = parse_gemm(array, depths="64x64x64")
    assert str(spec) == "int8,acc=fx28,array=4x3,dataflow=ws,depth=6,depths=64x64x64,bus=axi4lite"
    assert spec.words(13, 9, 5) == (3 * 13, 9 * 2, 2 * 13)
    assert spec.refusals(22, 9, 1) == ("size_a",)
    assert spec.refusals(7, 4, 3, hold=True) == spec.refusals(6, 4, 4, hold=True) == ("hold",)
    assert spec.cycles(13, 9, 5) == spec.latency + array.cycles(13, 9, 5)
    # First weights, a pass that waits for its own sums, six beats, the way to the memory of sums.
    assert spec.cycles(6, 8, 3, hold=True) == spec.latency + 5 + 6 + 6 + 4
