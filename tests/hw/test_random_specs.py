# SPDX-License-Identifier: Apache-2.0
"""Specs drawn from the grammar: what is drawn, what the check finds, specs that once broke."""

import re
from itertools import islice
from random import Random

import pytest

from hw.spec import MacSpec, parse_spec
from hw.spec.grammar import KINDS
from hw.spec.settings import REQUIRED, Setting
from tests.random_specs import check, draw
from tests.random_specs.__main__ import SEED, main

#: Specs that once had more exponent steps than exponent bits, or an expression that grew too fast.
ONCE_BROKEN = (
    "int16,acc=fp16,lanes=4",
    "uint8,acc=e2m23:ieee",
    "e2m1,acc=fx89p7t,lanes=3,adder=carry-save",
    "int8xe3m2,acc=e4m3:ieee,lanes=2",
    "bf16,acc=fp32,lanes=2",
    "bf16,acc=fp16-sat,lanes=2,adder=prefix",
)


def test_draw_is_the_same_for_a_seed_and_covers_every_kind_and_setting():
    specs = list(islice(draw.draw(1), 400))
    assert specs == list(islice(draw.draw(1), 400))
    assert len(set(specs)) == 400
    assert {type(spec) for spec in specs} == set(KINDS)
    for kind, settings in KINDS.items():
        own = [str(spec) for spec in specs if type(spec) is kind]
        for setting in settings:
            given = sum(f",{setting.key}=" in text for text in own)
            # Those that are always given, and those that are left out now and then.
            assert given if setting.key not in draw.UNBUILT else not given, (kind, setting.key)


def test_draw_sees_a_setting_that_is_added(monkeypatch):
    added = Setting(key="colour", meaning="a new option", default=REQUIRED)
    monkeypatch.setitem(draw.KINDS, MacSpec, (*MacSpec.SETTINGS, added))
    message = "Setting colour must have choices, a flag or an entry of VALUES"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        draw.draw_spelling(Random(1), MacSpec)


@pytest.mark.parametrize("spelling", ONCE_BROKEN)
def test_specs_that_once_broke_agree_with_the_model(tmp_path, spelling):
    outcome = check.check_spec(spelling, tmp_path, simulated=True, seed=SEED)
    assert not outcome.fault, outcome.message
    assert outcome.compared == 120


def test_wide_expressions_are_written_once(tmp_path):
    # Copies of its 522-bit terms made it 13 MB.
    _, seconds = check.generate_in_time(parse_spec("bf16,lanes=2"), tmp_path)
    assert seconds < check.SECONDS
    assert sum(file.stat().st_size for file in tmp_path.glob("*.v")) < 1_000_000


#: What a fault in the Verilog makes the check say.
MUTANTS = {
    "AssertionError: in cycle": lambda text: text.replace(" ^ ", " | "),
    "Icarus ends with": lambda text: text.replace("endmodule", "", 1),
    # Icarus takes a net that is not declared for one of a single bit.
    "Verilator ends with": lambda text: text.replace(
        "endmodule", "  initial $finish(o_valid, 2, 3);\nendmodule", 1
    ),
}


@pytest.mark.parametrize("said", MUTANTS)
def test_check_finds_a_fault_in_the_verilog(tmp_path, monkeypatch, said):
    whole = check.generate

    def mutated(spec, folder):
        manifest = whole(spec, folder)
        file = manifest.with_suffix(".v")
        file.write_text(MUTANTS[said](file.read_text()))
        return manifest

    monkeypatch.setattr(check, "generate", mutated)
    outcome = check.check_spec("int8,acc=int20", tmp_path, simulated=True, seed=SEED)
    assert outcome.fault.startswith(said), outcome


def test_spec_that_takes_too_long_is_a_fault(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "SECONDS", 0)
    outcome = check.check_spec("int4", tmp_path, simulated=False, seed=SEED)
    assert re.fullmatch(r"takes \d+ s to generate, more than 0", outcome.fault), outcome


def test_command_repeats_one_spec(capsys, monkeypatch):
    assert main(["--spec", "int4,acc=int12"]) == 0
    assert "compared=120" in capsys.readouterr().out
    monkeypatch.setattr(check, "SECONDS", 0)
    assert main(["--spec", "int4,acc=int12"]) == 1
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--count", "0"])
    assert "--count must be an integer from 1 to 1000000, not 0" in capsys.readouterr().err
