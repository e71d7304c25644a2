# SPDX-License-Identifier: Apache-2.0
"""Comparison of simulators: all compute the same, and a wrong one is found.

SCALE-Sim against closed forms: an unexplained difference is found. The page shows ratios of
recorded times, and no times.
"""

from argparse import ArgumentParser
from dataclasses import replace

import numpy as np
import pytest

import sim
from hw.progress import Progress
from hw.spec import Dataflow, parse_array
from reports.studies.bench import contest, scalesim
from reports.studies.bench import measure as command
from reports.studies.bench.contest import SIMULATORS, Elements, Part, Ready, Simulator, Site
from reports.studies.bench.measure import MismatchError, measure
from reports.studies.bench.page import ratios, simulators_page
from reports.studies.bench.programs import Ran
from reports.studies.bench.scalesim import LAYERS, Layer, ScaleSimError, compare, model, terms
from reports.study import main
from sim.run.sums import as_bits
from synth.record import provenance, read_records
from tests.support.pages import said

ORIGIN = provenance("test")


def operands(spec, m, k, n):
    rng = np.random.default_rng(3)
    return (
        rng.integers(0, 1 << fmt.width, shape).astype(np.uint8)
        for fmt, shape in ((spec.mac.a, (m, k)), (spec.mac.b, (k, n)))
    )


def simulator(name):
    return next(each for each in SIMULATORS if each.name == name)


@pytest.mark.parametrize("mac", ["int8", "e4m3,lanes=2"])
def test_elements_compute_a_tile_with_flags(mac):
    spec = parse_array("2x3", mac)
    a, b = operands(spec, 2, 6, 3)
    got, (sums, flags) = Elements(spec).run(a, b), sim.matmul_with_flags(a, b, spec.mac)
    width = spec.mac.acc.width
    assert as_bits(got.sums, width).tolist() == as_bits(sums, width).tolist()
    assert got.flags.tolist() == flags.tolist()
    assert got.seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Verilator", "CXXRTL", "sim.rtl"])
def test_compiled_simulators_count_cycles_and_compute_sums(name, tmp_path):
    """More than a tile, with sums and flags."""
    spec = parse_array("2x3", "e4m3")
    a, b = operands(spec, 5, 9, 7)
    got = simulator(name).prepare(Site(spec, tmp_path)).run(a, b)
    sums, flags = sim.matmul_with_flags(a, b, spec.mac)
    width = spec.mac.acc.width
    assert as_bits(got.sums, width).tolist() == as_bits(sums, width).tolist()
    assert got.flags.tolist() == flags.tolist()
    assert got.cycles == spec.cycles(5, 9, 7)


WRONG = "Sums of wrong must be those of sim.fast, and 256 of 256 are not (array_16x16_os_int8_fx28)"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sums": 1}, WRONG),
        ({"flags": 1}, WRONG),
        ({"cycles": 1}, "Cycles of wrong must be 63, not 64 (array_16x16_os_int8_fx28)"),
    ],
)
def test_a_simulator_that_differs_is_found(change, message):
    def prepare(site):
        def run(a, b):
            sums, flags = sim.matmul_with_flags(a, b, site.spec.mac)
            right = Ran(sums, flags, site.spec.cycles(16, 16, 16), 1.0)
            return right._replace(
                **{name: getattr(right, name) + by for name, by in change.items()}
            )

        return Ready(run, 0.0)

    wrong = Simulator("wrong", prepare)
    with pytest.raises(MismatchError) as caught:
        list(measure("int8", Part(16, 16, 16), ORIGIN, Progress(), [wrong]))
    assert str(caught.value) == message


def test_models_are_timed_and_recorded(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(contest, "SECONDS", 0.1)
    pytest.importorskip("numba", reason="numba is not installed: make fast")
    out = tmp_path / "simulator.json"
    names = ["sim.fast, numpy", "sim.cycle"]
    only = [word for name in names for word in ("--only", name)]
    assert (
        main(
            [
                "bench",
                "int8",
                "--size",
                "20x16x16",
                "--stationary",
                "int8",
                *only,
                "--out",
                str(out),
            ]
        )
        == 0
    )
    assert capsys.readouterr().out == f"{out}\n"
    machine, *records = read_records(out)
    assert [(record.conditions["simulator"], record.conditions["unit"]) for record in records] == [
        *((name, "int8") for name in names),
        ("sim.cycle", "int8, weight stationary"),
    ]
    for record, dataflow in zip(records, ("os", "os", "ws"), strict=True):
        metrics, spec = record.metrics, parse_array("16x16", "int8", dataflow=dataflow)
        assert record.subject == spec.name
        assert metrics["cycles"].value == spec.cycles(20, 16, 16)
        assert metrics["sums_compared"].value == 20 * 16
        assert metrics["mac_per_second"].value == pytest.approx(
            20 * 16 * 16 / metrics["time"].value
        )
    assert len({record.metrics["checksum"].value for record in records}) == 1
    assert machine.metrics["mac_per_second_one_thread"].value > 1e8
    assert machine.provenance.command == (
        "python -m reports.study bench int8 --size 20x16x16 --stationary int8 "
        "--only 'sim.fast, numpy' --only sim.cycle"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["e9m9"], None),
        (["--only", "x"], None),
        (["--size", "3x3"], "Size must be MxKxN, for instance 512x512x512, not '3x3'"),
        (["--size", "4x0x4"], "GEMM k must be an integer from 1 to 281474976710656, not 0"),
    ],
)
def test_bench_wrong(arguments, message, tmp_path, capsys):
    pytest.importorskip("numba", reason="numba is not installed: make fast")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["bench", *arguments, "--out", str(tmp_path / "x.json")])
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert message is None or err == f"python -m reports.study simulator: error: {message}\n"
    assert not list(tmp_path.iterdir())


def test_bench_without_numba(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(command, "has_numba", lambda: False)
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["bench", "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr().err == (
        "python -m reports.study simulator: error: Numba is not installed: run `make fast`\n"
    )


@pytest.mark.parametrize(
    ("arguments", "simulator", "taken"),
    [
        ([], "Verilator", ["e4m3,acc=fp32", "int8,acc=int32"]),
        (["--whole", "e4m3,acc=bf16"], "Verilator", ["e4m3,acc=bf16"]),
        ([], "CXXRTL", [unit for unit in command.UNITS if "hopper" not in unit]),
        (["--only", "CXXRTL"], "CXXRTL", list(command.UNITS)),
        ([], "sim.cycle", list(command.UNITS)),
    ],
)
def test_slow_parts_are_skipped_by_default(arguments, simulator, taken):
    parser = ArgumentParser()
    command.add_options(parser)
    options = parser.parse_args(arguments)
    assert [unit for unit in command.UNITS if command._takes(simulator, unit, options)] == taken


#: Cycles that SCALE-Sim 3.0.0 reported for a product of 256 x 256 x 256 on 16 x 16 elements.
TOLD = {Dataflow.OS: 73215, Dataflow.WS: 77311}


@pytest.mark.parametrize("dataflow", Dataflow)
def test_folds_are_those_of_scalesim(dataflow):
    spec = replace(parse_array("16x16", "int8"), dataflow=dataflow)
    folds, cycles = model(spec, 256, 256, 256)
    assert folds * cycles - 1 == TOLD[dataflow]
    assert TOLD[dataflow] - spec.cycles(256, 256, 256) == sum(terms(spec, 256, 256, 256).values())


def test_layers_are_products():
    assert Layer("x", 15, 13, 3, 5, 8, 24, 2).gemm == (7 * 5, 3 * 5 * 8, 24)
    assert next(layer for layer in LAYERS if layer.name == "gemm_7x33x5").gemm == (7, 33, 5)


@pytest.fixture
def told(monkeypatch):
    """Cycles of SCALE-Sim by its closed form, wrong by some cycles."""
    off = []
    monkeypatch.setattr(
        scalesim,
        "run_scalesim",
        lambda spec, layers: [
            (lambda folds, cycles: folds * cycles - 1 + sum(off))(*model(spec, *layer.gemm))
            for layer in layers
        ],
    )
    return off


def test_every_difference_is_explained(told):
    records = compare(ORIGIN, [LAYERS[0], LAYERS[8]], ["4x6"])
    assert len(records) == 4
    for record in records:
        ours, theirs = (record.metrics[name].value for name in ("cycles", "scalesim_cycles"))
        assert theirs - ours == sum(record.conditions["causes"].values())
        assert record.conditions["stepped"]


def test_a_difference_without_cause_is_found(told):
    told.append(1)
    with pytest.raises(MismatchError) as caught:
        compare(ORIGIN, LAYERS[:1], ["4x4"])
    assert str(caught.value) == (
        "Cycles of SCALE-Sim must be 351, not 352 (gemm_16x16x16 on array_4x4_os_int8_fx28)"
    )


def test_scalesim_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(scalesim, "ENVIRONMENT", tmp_path / "python")
    with pytest.raises(ScaleSimError) as caught:
        compare(ORIGIN, LAYERS[:1], ["4x4"])
    assert str(caught.value) == "SCALE-Sim is not installed: run `make build/scalesim`"


@pytest.mark.slow
@pytest.mark.skipif(not scalesim.ENVIRONMENT.exists(), reason="no SCALE-Sim: make build/scalesim")
def test_scalesim_itself_shows_what_its_model_does():
    records = compare(ORIGIN, [LAYERS[0], LAYERS[8], LAYERS[-1]], ["5x3"])
    assert len(records) == 6


def record(unit, simulator, speed, *, compiled=0.0, array="16x16"):
    return {
        "subject": f"array_{unit}",
        "conditions": {
            "simulator": simulator,
            "unit": unit,
            "array": array,
            "time": "wall",
            "gemm": "64x64x64",
            "part": "64x64x64",
        },
        "metrics": {
            "mac_per_second": {"value": speed},
            "cycles": {"value": 1071},
            "time_to_compile": {"value": compiled},
            "sums_compared": {"value": 4096},
            "checksum": {"value": "ab12"},
        },
    }


PEAK = {
    "subject": "machine",
    "metrics": {"mac_per_second": {"value": 2e11}},
    "conditions": {"simulator": "peak of binary32 multiply-adds"},
}
RECORDS = {
    "simulator": [
        PEAK,
        record("e4m3 fp32", "sim.fast", 1.5e11, compiled=2.0),
        record("e4m3 fp32", "sim.fast, numpy", 3e9),
        record("e4m3 fp32", "Verilator", 1e7, compiled=90),
        record("e4m3 fp32", "Verilator, small array", 2e7, compiled=9, array="4x4"),
        record("int8 int32", "sim.fast", 1e11, compiled=2.0),
        record("int8 int32", "Verilator, small array", 5e7, compiled=3, array="4x4"),
        record("int8 int32", "Amaranth", 100.0),
    ]
}


def test_ratios_are_over_verilator_on_the_whole_array_if_it_was_compiled():
    table = ratios(RECORDS)
    assert table.headings[1:] == ["e4m3 fp32", "int8 int32"]
    assert table.rows == [
        ["sim.fast (numba)", "15,000", "2,000"],
        ["sim.fast, numpy", "300", "-"],
        ["Verilator", "1", "-"],
        ["Verilator, small array", "2", "1"],
        ["Amaranth", "-", "2e-06"],
        ["array of the reference", "16x16", "4x4"],
    ]


def test_answer_has_share_of_the_peak_and_sums():
    told = said("simulator", RECORDS)
    assert (
        "15,000 times as fast as a plain Verilator model for e4m3 fp32; 2,000 times for int8 int32."
        in told
    )
    assert "75 % of the machine's peak rate of multiply-adds" in told
    assert f"All {7 * 4096:,} sums" in told


def test_compilation_time_is_shown_as_a_ratio():
    rows = simulators_page(RECORDS)["compiling"].rows
    assert rows[2:5] == [
        ["Verilator", "45", "-"],
        ["Verilator, small array", "4.5", "1.5"],
        ["Amaranth", "-", "-"],
    ]
