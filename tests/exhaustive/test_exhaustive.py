# SPDX-License-Identifier: Apache-2.0
"""Exhaustive checks, one small unit of each: nothing differs, and a wrong gate is reported."""

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np
import pytest

import sim
from hw.spec import parse_mac, parse_output
from sim import backends, vector
from synth.record import read_records
from tests.exhaustive import __main__ as command
from tests.exhaustive.models import check_recorded, check_twin
from tests.exhaustive.netlists import GATES, OSU018, in_gates, in_osu018, osu018_library
from tests.exhaustive.outcome import Outcome, merged
from tests.exhaustive.outputs import check_output, check_outputs
from tests.exhaustive.pairs import check_pairs, check_sums, check_unit_pairs
from tests.exhaustive.plan import Check, plan
from tests.exhaustive.states import check_every_state, check_random_states
from tests.support.compiled import unchanged
from tests.support.float_steps import sum_codes
from tests.support.tiers import tiers


def faulty(change, verilog, top):
    """Verilog with one gate in the middle of what ``change`` makes turned into another one."""
    text = change(verilog, top)
    places = [at for at in range(len(text)) if text.startswith(" & ", at)]
    at = places[len(places) // 2]
    return f"{text[:at]} | {text[at + 3 :]}"


#: One small run of each check that compiles a unit, and the states of it.
RUNS = {
    "pairs": (partial(check_unit_pairs, parse_mac("e2m1xint4")), 2 << 8),
    "sums": (partial(check_sums, parse_mac("e2m1,acc=aligned:3,lanes=2"), seeds=1), 48 * 48 * 24),
    "states": (partial(check_every_state, parse_mac("e2m1,acc=e5m2")), 5022),
    "random": (partial(check_random_states, parse_mac("e3m2,acc=fp32"), rounds=2), 2 << 12),
    "output": (partial(check_output, parse_output("e2m1,from=fp16")), 1 << 16),
}


CHANGES = {"RTL": unchanged, GATES: in_gates, OSU018: in_osu018}


#: Each check at one level, each level, and what takes longer.
OFTEN = (("pairs", "RTL"), ("sums", GATES), ("states", OSU018), ("output", GATES))
CASES = (*OFTEN, ("pairs", OSU018), ("states", "RTL"), ("random", GATES), ("output", "RTL"))


@pytest.mark.parametrize(("name", "level"), tiers(CASES, OFTEN))
def test_check_finds_a_wrong_gate_and_nothing_without(tmp_path, name, level):
    if level == OSU018 and osu018_library() is None:
        pytest.skip("the OSU018 cell library is missing")
    (run, states), change = RUNS[name], CHANGES[level]
    sound = run(tmp_path, level=level, change=change)
    assert sound.counts == {"states": (states, "state"), "mismatches": (0, "state")}
    assert "first_mismatch" not in sound.conditions
    assert sound.conditions.get("cells", "RTL") == level
    broken = run(tmp_path, level=level, change=partial(faulty, change))
    assert broken.counts["states"] == sound.counts["states"]
    assert broken.wrong > 0
    assert broken.conditions["first_mismatch"]


def test_units_of_a_bench_are_distinguished(tmp_path):
    specs = [parse_mac(text) for text in ("int4", "e2m1", "int4xe2m1,acc=e5m2", "e2m1,acc=fp32")]
    with pytest.raises(ValueError, match="Units of a bench must be of the same widths"):
        check_pairs([*specs, parse_mac("int8")], tmp_path)
    sound = merged(check_pairs(specs, tmp_path, family="four"))
    assert [(outcome.subject, outcome.conditions["kind"]) for outcome in sound] == [
        ("four", "fixed"),
        ("four", "float"),
    ]
    assert [outcome.conditions["units"] for outcome in sound] == [
        ["int4,acc=fx20", "e2m1"],
        ["int4xe2m1,acc=e5m2", "e2m1,acc=fp32"],
    ]
    assert all(outcome.counts["states"] == (2 * 2 << 8, "state") for outcome in sound)
    broken = check_pairs(specs, tmp_path, family="four", change=partial(faulty, unchanged))
    assert sum(outcome.wrong > 0 for outcome in broken) == 1
    assert sum(outcome.wrong for outcome in merged(broken)) == sum(o.wrong for o in broken)


def test_encoders_of_a_bench_are_distinguished(tmp_path):
    specs = [parse_output(f"e2m1,from=fp16{mode}") for mode in ("", ",saturate=no")]
    [outcome] = merged(check_outputs(specs, tmp_path, family="two"))
    assert outcome.counts == {"states": (2 << 16, "state"), "mismatches": (0, "state")}
    assert outcome.conditions["units"] == [str(spec) for spec in specs]


def test_twin_that_differs_in_one_state_is_found(monkeypatch):
    spec = parse_mac("e2m3,acc=fp16")
    sound = check_twin(spec, range(1))
    assert sound.wrong == 0
    assert 20_000 < sound.counts["states"][0] <= 48 * 48 * 24

    def wrong(a, b, mac, scales):
        sums, flags = vector.matmul(a, b, mac, scales)
        if a.shape[1] == 3:
            sums[2, 1] ^= 1
        return sums, flags

    broken_model = replace(backends.BACKENDS["vector"], matmul=wrong)
    monkeypatch.setitem(backends.BACKENDS, "vector", broken_model)
    broken = check_twin(spec, range(1))
    assert broken.wrong == 1
    assert broken.conditions["first_mismatch"] == "seed 0, row 2, column 1, step 2"


@pytest.mark.slow
def test_recorded_bits_find_a_broken_unit(tmp_path):
    outcomes = check_recorded("e5m2_e4m3", tmp_path, change=partial(faulty, unchanged))
    *outcomes, chain = outcomes
    assert len(outcomes) == 5
    assert chain.counts["chained"][0] % 4096 == 0
    for outcome in outcomes:
        assert outcome.counts["results"] == (4096, "result")
        assert outcome.wrong == outcome.counts["rtl_mismatches"][0]
    assert any(outcome.wrong for outcome in outcomes)


@pytest.mark.parametrize(("acc", "bits"), [("fp16", 11), ("bf16", 8), ("fp32", 24)])
def test_reference_rounds_the_exact_sum(acc, bits):
    """Sums of float64 numbers that no float64 holds, against rational arithmetic."""
    rng = np.random.default_rng(3)
    x = np.ldexp(rng.integers(1 << bits - 1, 1 << bits, 3000), rng.integers(-8, 1, 3000) - bits)
    ulp = np.ldexp(1.0, np.frexp(x)[1] - bits)
    y = rng.choice([-1, -0.5, 0, 0.5, 1, 1.5], 3000) * ulp
    y += rng.choice([-1, 0, 1], 3000) * ulp * 2.0 ** -rng.integers(20, 29, 3000)
    exact = [Fraction(p) + Fraction(q) for p, q in zip(x.tolist(), y.tolist(), strict=True)]
    spec = parse_mac("e4m3", acc=acc)
    got = sim.decode(sum_codes(spec.acc, x, y).astype(np.uint64), spec.acc.fmt).tolist()
    for value, found in zip(exact, got, strict=True):
        unit = Fraction(2) ** int(np.frexp(float(value))[1] - bits)
        # The division is exact, and Python rounds fractions to even.
        assert Fraction(found) == round(value / unit) * unit, (value, found)


def test_command_writes_a_record_a_unit_and_says_what_differs(tmp_path, monkeypatch, capsys):
    checks = [
        Check("exhaustion", "pairs", partial(check_unit_pairs, parse_mac("e2m1"))),
        Check("twins", "twins", partial(constant, 0)),
        Check("recorded", "recorded", partial(constant, 2)),
    ]
    monkeypatch.setattr(command, "plan", lambda: checks)
    assert command.main(["--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "one: 2 differ; here" in said.out
    assert "3 checks, 522 states, 2 differ" in said.out
    assert "pairs: 512 states, 0 differ" in said.err
    [record] = read_records(tmp_path / "exhaustion.json")
    assert (record.subject, record.metrics["states"].value) == ("e2m1", 512)
    assert record.provenance.command == "python -m tests.exhaustive"
    assert len(read_records(tmp_path / "twins.json")) == 1
    assert {record.subject for record in read_records(tmp_path / "recorded.json")} == {
        "one",
        "acc=ada",
        "acc=blackwell",
    }


def constant(wrong, folder):
    """A fixed outcome; nothing is checked."""
    return Outcome(
        subject="one",
        counts={"states": (5, "state"), "mismatches": (wrong, "state")},
        conditions={"what": "nothing", "first_mismatch": "here"},
    )


def test_command_lists_checks_and_refuses_unknown_ones(tmp_path, capsys):
    assert command.main(["--list"]) == 0
    names = capsys.readouterr().out.splitlines()
    assert len(names) == len(set(names)) == len(plan())
    assert len(names) > 150
    with pytest.raises(SystemExit) as error:
        command.main(["--only", "no such check", "--out", str(tmp_path)])
    assert error.value.code == 2
    assert capsys.readouterr().err == (
        "python -m tests.exhaustive: error: --only must be part of "
        "a check's name, not 'no such check'\n"
    )
    assert not list(tmp_path.iterdir())
