# SPDX-License-Identifier: Apache-2.0
"""Proofs of whole units, and that wrong ones are refuted: wrong gates, wrong specifications."""

from dataclasses import replace

import numpy as np
import pytest
import z3

from hw.spec import Overflow, Rounding, parse_format, parse_mac
from synth.record import read_records
from tests.formal import __main__ as formal
from tests.formal.floating import theory_cases
from tests.formal.floating_step import add, decode, round_to
from tests.formal.flow import Flow
from tests.formal.meaning import meaning
from tests.formal.netlist import Circuit
from tests.formal.rewriting import Ring
from tests.formal.solving import Outcome, Verdict
from tests.formal.units import UNITS, cases, prove
from tests.support.tiers import tiers


def settle(spec, circuit=None):
    """Outcomes of a unit, or of another circuit with the unit's specification."""
    flow = Flow(spec, circuit) if circuit else Flow.of(spec)
    return [case.settle(60) for case in cases(flow)]


def refuted(outcomes: list[Outcome]) -> list[str]:
    return [outcome.detail for outcome in outcomes if outcome.verdict is Verdict.REFUTED]


#: Units, and the cases that each proof has.
PROVEN = (
    ("e4m3", 5),
    ("e5m2xe4m3,pipeline=2", 9),
    ("int8", 4),
    ("int8,acc=int20-sat", 5),
    ("e4m3,acc=fx32m10", 5),
    ("int4,acc=int9,adder=carry-save", 6),
    ("e2m1,acc=e5m2", 9),
    ("e2m3,acc=e3m4-sat", 9),
    ("e2m1,acc=e5m2,lanes=2", 5),
)
#: Units that take seconds; `make test` proves a smaller unit of each kind.
SLOW_PROOFS = ("e4m3", "int8", "e2m3,acc=e3m4-sat")


@pytest.mark.parametrize(
    ("unit", "count"), tiers(PROVEN, [case for case in PROVEN if case[0] not in SLOW_PROOFS])
)
def test_unit_is_proven(unit, count):
    outcomes = settle(parse_mac(unit))
    assert [outcome for outcome in outcomes if outcome.verdict is not Verdict.PROVEN] == []
    assert len(outcomes) == count


@pytest.mark.slow
def test_every_fixed_point_unit_is_proven():
    units = [name for name, unit in UNITS.items() if unit.kind == "fixed"]
    open_units = {unit for unit in units if not prove(unit, 60).proven}
    assert open_units <= {"int8,adder=inferred,multiplier=inferred"}
    assert len(units) >= 40


#: Units of the same ports that differ in one thing.
UNLIKE = (
    ("e2m1", "e2m1:none-daz"),
    ("int8,acc=int20", "int8,acc=int20-sat"),
    ("int8xuint8,acc=int32", "uint8xint8,acc=int32"),
    ("e2m1,acc=fx12m0", "e2m1,acc=fx12m0t"),
    ("e2m1,acc=e5m2", "e2m1,acc=e5m2-rtz"),
    ("e2m3,acc=e3m4", "e2m3,acc=e3m4-ftz"),
    ("e2m3,acc=e3m4", "e2m3,acc=e3m4-sat"),
    ("e2m1,acc=e5m2,lanes=2", "e2m1,acc=e5m2-rtz,lanes=2"),
    ("int8,acc=int32,lanes=2", "int8xuint8,acc=int32,lanes=2"),
)
#: As the first and the fourth of these, of eight bits.
WIDE = (("e4m3", "e4m3:fn-daz"), ("e4m3,acc=fx32m10", "e4m3,acc=fx32m10t"))


@pytest.mark.parametrize(("built", "meant"), tiers((*UNLIKE, *WIDE), UNLIKE))
def test_wrong_specification_is_refuted(built, meant):
    spec = parse_mac(meant)
    circuit = Flow.of(parse_mac(built)).circuit
    width = len(circuit.outputs["o_data"])
    assert width == spec.acc.width, "the units must differ in what they do, not in their ports"
    assert refuted(settle(spec, circuit))


def test_theory_refutes_another_rounding():
    spec = parse_mac("e5m2,acc=e5m2")
    truncating = Flow.of(replace(spec, acc=replace(spec.acc, rounding=Rounding.RTZ)))
    _, one, *_ = theory_cases(Flow(spec, truncating.circuit))
    outcome = one.settle(60)
    assert outcome.verdict is Verdict.REFUTED
    assert outcome.detail.startswith("old=0x")


def with_gate(circuit: Circuit, index: int) -> Circuit:
    """The circuit with one gate of another kind."""
    other = {"$_AND_": "$_OR_", "$_OR_": "$_AND_", "$_XOR_": "$_OR_", "$_NOT_": "$_NOT_"}
    gate = circuit.gates[index]
    inputs = gate.inputs
    if gate.kind == "$_MUX_":
        inputs = inputs[0], inputs[2], inputs[1]
    changed = gate._replace(kind=other.get(gate.kind, gate.kind), inputs=inputs)
    return replace(circuit, gates=(*circuit.gates[:index], changed, *circuit.gates[index + 1 :]))


@pytest.mark.parametrize("unit", ["e2m1", "int4", "e2m1,acc=e5m2"])
def test_wrong_gate_is_refuted(unit):
    spec = parse_mac(unit)
    circuit = Flow.of(spec).circuit
    rng = np.random.default_rng(71)
    swapped = [index for index, gate in enumerate(circuit.gates) if gate.kind != "$_NOT_"]
    chosen = rng.choice(swapped, 6, replace=False)
    verdicts = [bool(refuted(settle(spec, with_gate(circuit, index)))) for index in chosen]
    # A gate whose inputs are never both set is the same as the other kind.
    assert sum(verdicts) >= 4, f"seed 71: {dict(zip(chosen.tolist(), verdicts, strict=True))}"


def test_counterexample_names_the_codes():
    spec = parse_mac("e2m1,acc=e5m2-rtz")
    (detail, *_) = refuted(settle(spec, Flow.of(parse_mac("e2m1,acc=e5m2")).circuit))
    words = dict(part.split("=") for part in detail.partition(":")[0].split())
    assert set(words) == {"old", "first", "a", "b"}
    assert detail.partition(":")[2].split()[0] == "RTL"


@pytest.mark.parametrize(
    "name", ["e4m3", "e5m2", "e4m3fnuz", "binary8p3e", "int8", "uint8", "e3m2", "e4m3:fn-daz"]
)
def test_meaning_of_a_code_is_that_of_the_catalogue(name):
    fmt = parse_format(name)
    for code in range(1 << fmt.width):
        kind, negative, sig, exp = fmt.unpack(code)
        found = meaning(fmt, code)
        assert (found.nan, found.inf) == (kind.value == "nan", kind.value == "inf"), code
        if kind.value != "nan":
            assert found.negative == negative, code
        assert found.units == abs(sig) << exp, code


@pytest.mark.parametrize("rounding", list(Rounding))
def test_specification_of_a_sum_is_that_of_the_host(rounding):
    fmt = parse_format("fp16")
    rng = np.random.default_rng(72)
    x, y = rng.integers(0, 1 << 16, (2, 300)).astype(np.uint16)
    y[::3] = x[::3] ^ 0x8000 ^ rng.integers(0, 4, 100).astype(np.uint16)
    with np.errstate(all="ignore"):
        exact = x.view(np.float16).astype(np.float64) + y.view(np.float16)
        nearest = exact.astype(np.float16)
        beyond = abs(nearest.astype(np.float64)) > abs(exact)
        toward_zero = np.where(
            beyond & np.isfinite(exact), np.nextafter(nearest, np.float16(0)), nearest
        )
    wanted = (nearest if rounding is Rounding.RNE else toward_zero).view(np.uint16)
    wanted = np.where(np.isnan(exact), fmt.nan_code, wanted)
    left, right = z3.BitVec("x", 16), z3.BitVec("y", 16)
    total = add(*(decode(fmt, code, unit=fmt.lsb_exp, width=40) for code in (left, right)))
    code = round_to(fmt, total, rounding=rounding, overflow=Overflow.INF)
    for one, other, want in zip(x.tolist(), y.tolist(), wanted.tolist(), strict=True):
        got = z3.simplify(
            z3.substitute(code, (left, z3.BitVecVal(one, 16)), (right, z3.BitVecVal(other, 16)))
        ).as_long()
        assert got == want, f"seed 72: {one:#x} + {other:#x}"


def test_polynomials_are_multilinear_and_wrap_around():
    ring = Ring(3)
    x, y = ring.bit("x"), ring.bit("y")
    assert ring.product(x, x) == x
    assert ring.sum((1, x), (7, x)) == {}
    both = ring.product(x, y)
    assert ring.smallest(ring.sum((2, both), (4, y))) == {"x": False, "y": True}


def test_main_records_what_is_proven(tmp_path, capsys):
    out = tmp_path / "formal.json"
    assert formal.main(["--only", "e2m1,acc=e5m2", "--out", str(out)]) == 0
    (record,) = read_records(out)
    assert record.subject == "e2m1,acc=e5m2"
    assert record.conditions["tier"] == "proven"
    assert record.metrics["proven"] == record.metrics["cases"]
    assert "9 of 9 cases proven" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "no such unit"],
            "--only must be part of a unit's spelling, not 'no such unit'",
        ),
        (["--timeout", "0"], "argument --timeout: invalid _seconds value: '0'"),
    ],
)
def test_main_wrong(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        formal.main(arguments)
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"python -m tests.formal: error: {message}\n"
