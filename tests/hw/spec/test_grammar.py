# SPDX-License-Identifier: Apache-2.0
"""One grammar: every named spec is read back from its spelling; names are forgiving; options."""

import re
from collections import Counter

import pytest

from hw.spec import CATALOG, GemmSpec, SpecError, parse_format, parse_mac, parse_spec
from hw.spec.board import BoardSpec
from hw.spec.catalog import ALIASES
from hw.spec.command import (
    Parser,
    add_gemm_options,
    add_output_options,
    add_unit_options,
    chosen_design,
)
from hw.spec.grammar import ACCUMULATORS, PRESETS
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec
from tests.support import specs

ARRAYS = specs.ARRAYS | specs.WEIGHT_ARRAYS | specs.LARGE_ARRAYS
ENGINES = specs.GEMMS | specs.WEIGHT_GEMMS
MACS = specs.MACS | specs.FLOAT_MACS | specs.ALIGNED_MACS
BOARDS = [
    BoardSpec(
        gemm=GemmSpec(array=engine.array, depth_a=engine.depth_a, bus=engine.bus),
        clock_hz=12_000_000,
        baud=1_000_000,
    )
    for engine in ENGINES.values()
    if engine.bus.value == "wishbone"
]
OUTPUTS = [array.out for array in ARRAYS.values() if array.out is not None]
ALL = [*MACS.values(), *ARRAYS.values(), *OUTPUTS, *ENGINES.values(), *BOARDS]


def test_every_spec_is_read_back():
    counts = Counter(type(spec).__name__ for spec in ALL)
    assert counts == {
        "MacSpec": 88,
        "ArraySpec": 50,
        "OutputSpec": 8,
        "GemmSpec": 17,
        "BoardSpec": 9,
    }
    for spec in ALL:
        assert parse_spec(str(spec)) == spec
        assert parse_spec(str(spec).upper()) == spec
        assert parse_spec(spec) is spec
        assert repr(spec) == f"{type(spec).__name__}({str(spec)!r})"
    assert len({str(spec) for spec in ALL}) == len(set(ALL))


def test_order_and_defaults_do_not_matter():
    spec = parse_spec(
        "int8,acc=int20,array=3x2,dataflow=ws,depth=5,out=int8,scale=pow2,"
        "depths=64x64x64,bus=wishbone,clock=12000000,baud=1000000"
    )
    assert (
        parse_spec(
            "INT8, clock=12000000, scale=pow2, acc_depth=5, depths=64X64X64, "
            "out-format=int8, dataflow=WS, array=3x2, acc=int20"
        )
        == spec
    )
    assert parse_spec("e4m3,array=4x4") == parse_spec("e4m3,dataflow=os,array=4x4,acc=exact")


@pytest.mark.parametrize(("name", "fmt"), [*ALIASES.items(), ("E4M3", "e4m3"), ("INT8", "int8")])
def test_names_of_other_projects(name, fmt):
    assert parse_format(name) == parse_format(name.upper()) == parse_format(fmt)


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("fp8", "not 'fp8'; did you mean e4m3 or e5m2?"),
        ("FP4", "not 'FP4'; did you mean e2m1?"),
        ("e4m", "not 'e4m'; did you mean "),
        ("float8_e4m3fm", "; did you mean float8_e4m3fn or "),
        ("e4m3,lane=4", ", not 'e4m3,lane=4'; did you mean lanes?"),
        ("e4m3,array=2x2,datafow=ws", "'e4m3,array=2x2,datafow=ws'; did you mean dataflow?"),
        (
            "e4m3,scale=pow2,array=2x2",
            "'e4m3,scale=pow2,array=2x2' has no output format; add out=FORMAT",
        ),
        (
            "e4m3,array=2x2,clock=12,bus=wishbone,baud=x",
            "Board baud must be a whole number, not 'x'",
        ),
        (
            "e4m3,array=2x2,bus=wishbone,baud=3",
            "'e4m3,array=2x2,bus=wishbone,baud=3' has no board clock; add clock=HZ",
        ),
        ("e4m3,from=fp32,lanes=2", ", not 'e4m3,from=fp32,lanes=2'"),
        (3, "Spec must be a spelling such as e4m3,acc=fp32, not 3"),
    ],
)
def test_wrong_spec(text, end):
    with pytest.raises(SpecError, match=re.escape(end)) as found:
        parse_spec(text)
    assert "\n" not in str(found.value)


def _parser():
    parser = Parser(prog="unit")
    add_unit_options(parser)
    add_output_options(parser)
    add_gemm_options(parser)
    return parser


def test_every_setting_has_an_option_and_every_option_is_a_setting():
    kinds = (MacSpec, OutputSpec, type(next(iter(ARRAYS.values()))), GemmSpec)
    settings = {setting.key: setting for kind in kinds for setting in kind.SETTINGS}
    options = {action.dest: action for action in _parser()._actions}
    assert set(options) - {setting.dest for setting in settings.values()} == {
        "help",
        "quiet",
        "spec",
        "mac",
        "gemm",
    }
    assert len(settings) == 19
    for setting in settings.values():
        assert options[setting.dest].option_strings == [setting.option_string]
        assert setting.meaning in options[setting.dest].help


@pytest.mark.parametrize("spec", [spec for spec in ALL if not isinstance(spec, BoardSpec)], ids=str)
def test_options_spell_what_the_grammar_does(spec):
    """Each ``key=value`` of a spelling as the option of its setting."""
    head, *parts = str(spec).split(",")
    table = {
        setting.key: setting
        for kind in (type(spec), GemmSpec, MacSpec, OutputSpec, type(next(iter(ARRAYS.values()))))
        for setting in kind.SETTINGS
    }
    words = ["--out-format" if isinstance(spec, OutputSpec) else "--mac", head]
    words += ["--gemm"] if isinstance(spec, GemmSpec) else []
    for part in parts:
        key, _, value = part.partition("=")
        setting = table[key]
        words += [setting.option_string] if setting.flag else [setting.option_string, value]
    assert chosen_design(_parser().parse_args(words)) == spec
    assert chosen_design(_parser().parse_args(["--spec", str(spec)])) == spec


def test_help_shows_every_accumulator_and_examples():
    text = _parser().format_help()
    assert all(name in text and meaning in text for name, meaning in ACCUMULATORS.items())
    assert all(word in text for word in (*PRESETS, "-sat", "-rtz", "-ftz"))
    examples = [line.split()[1:] for line in text.partition("examples:\n")[2].splitlines()]
    assert len(examples) == 5
    for words in examples:
        assert chosen_design(_parser().parse_args(words))


def test_reprs_are_short():
    assert repr(parse_mac("e4m3", acc="fp32")) == "MacSpec('e4m3,acc=fp32')"
    assert repr(CATALOG["e4m3"]) == "Format('e4m3')"
    assert repr(parse_mac("int8").acc) == "FixedAccumulator('fx28')"
