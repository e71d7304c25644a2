# SPDX-License-Identifier: Apache-2.0
"""Energy on a stimulus: equal to that of our own operands, and what is said of wrong files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from vcd.writer import VCDWriter

from hw.spec import parse_mac
from synth import run
from synth.flow import cache
from synth.flow.design import of_unit
from synth.power.energy import SUMS
from synth.power.streams import DEPTH, make_stream

SMALL = str(Path(__file__).parents[1] / "data" / "small.lib")
SPEC = parse_mac("int4,acc=int12,lanes=2")
COUNTER = """module counter(input clk, input rst, input [1:0] by, output reg [3:0] q);
  always @(posedge clk) if (rst) q <= 0; else q <= q + by;
endmodule
"""

pytestmark = pytest.mark.synth


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "FOLDER", tmp_path_factory.mktemp("cache"))
        yield


def operands() -> dict[str, np.ndarray]:
    """The gaussian stream of `SPEC` as a value a port and cycle, with the cycles that drain it."""
    stream = make_stream("gaussian", SPEC, SUMS)
    place = np.arange(SUMS * DEPTH) % DEPTH

    def joined(codes: np.ndarray, width: int) -> np.ndarray:
        lanes = codes.reshape(-1, SPEC.lanes).astype(int) % (1 << width)
        return sum(lanes[:, lane] << lane * width for lane in range(SPEC.lanes))

    values = {
        "rst": np.zeros(len(place), int),
        "i_valid": np.ones(len(place), int),
        "i_first": (place == 0).astype(int),
        "i_last": (place == DEPTH - 1).astype(int),
        "i_a": joined(stream.a, SPEC.a.width),
        "i_b": joined(stream.b, SPEC.b.width),
    }
    drained = {name: np.append(v, [v[-1]] * SPEC.latency) for name, v in values.items()}
    drained["i_valid"][-SPEC.latency :] = 0
    return drained


def write_vcd(
    file: Path,
    values: dict[str, np.ndarray],
    widths: dict[str, int],
    *,
    clock: str = "clk",
    still: bool = False,
    scope: str = "tb.dut",
) -> None:
    """A VCD in which inputs change a little after the rising edge, as in a simulation."""
    with file.open("w") as stream, VCDWriter(stream, timescale="1 ns") as writer:
        variables = {
            name: writer.register_var(scope, name, "wire", size=widths[name], init="x")
            for name in values
        }
        tick = writer.register_var(scope, clock, "wire", size=1, init=0)
        for cycle in range(len(next(iter(values.values())))):
            for name, variable in variables.items():
                value = values[name][cycle]
                writer.change(
                    variable, 10 * cycle + 1, value if isinstance(value, str) else int(value)
                )
            if not still:
                writer.change(tick, 10 * cycle + 5, 1)
                writer.change(tick, 10 * cycle + 10, 0)


def energies(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    """Energy metrics of a run, and all conditions."""
    liberty = ["--liberty", SMALL, "--metrics", "energy", "--json"]
    assert run.main([*arguments, *liberty]) == 0
    record = json.loads(capsys.readouterr().out)
    return {name: metric["value"] for name, metric in record["metrics"].items()} | {
        "warnings": record["conditions"].get("stimulus_warnings")
    }


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the MAC's Verilog and its operands in both forms."""
    folder = tmp_path_factory.mktemp("stimulus")
    values = operands()
    np.savez(folder / "operands.npz", **values)
    widths = dict.fromkeys(("rst", "i_valid", "i_first", "i_last"), 1)
    widths |= {"i_a": SPEC.lanes * SPEC.a.width, "i_b": SPEC.lanes * SPEC.b.width}
    write_vcd(folder / "operands.vcd", values, widths)
    (text,) = of_unit(SPEC).verilog.values()
    (folder / "mac.v").write_text(text)
    return folder


def test_own_operands_as_a_stimulus_give_the_energy_of_the_record(files, capsys):
    spec = ["--spec", str(SPEC)]
    usual = energies(spec, capsys)
    operations = ["--operations", str(SUMS * DEPTH * SPEC.lanes)]
    for given in (
        [*spec, "--stimulus", str(files / "operands.npz")],
        [*spec, "--vcd", str(files / "operands.vcd"), "--scope", "tb.dut"],
    ):
        found = energies([*given, *operations], capsys)
        names = ["", "_internal", "_switching", "_inputs", "_clock", "_registers", "_glitches"]
        assert [found[f"energy_stimulus{name}"] for name in names] == [
            usual[f"energy_gaussian{name}"] for name in names
        ]
        assert found["toggles_stimulus"] == usual["toggles_gaussian"]
        assert found["stimulus_cycles"] == SUMS * DEPTH + SPEC.latency


@pytest.mark.parametrize("kind", ["--stimulus", "--vcd"])
def test_own_mac_read_as_foreign_gives_the_energy_of_the_record(kind, files, capsys):
    usual = energies(["--spec", str(SPEC)], capsys)
    file = files / ("operands.npz" if kind == "--stimulus" else "operands.vcd")
    verilog = ["--verilog", str(files / "mac.v"), "--top", SPEC.name, "--reader", "yosys"]
    operations = ["--operations", str(SUMS * DEPTH * SPEC.lanes)]
    found = energies([*verilog, kind, str(file), *operations], capsys)
    assert found["energy_stimulus"] == usual["energy_gaussian"]
    assert found["energy_area"] == usual["energy_area"]


def counted(folder: Path, values: dict[str, np.ndarray], **settings: object) -> list[str]:
    """Options for the counter on a VCD of ``values``."""
    (folder / "counter.v").write_text(COUNTER)
    write_vcd(folder / "s.vcd", values, {"rst": 1, "by": 2, "q": 4, "wide": 3}, **settings)
    return ["--verilog", str(folder / "counter.v"), "--top", "counter", "--vcd", "s.vcd"]


def test_outputs_of_a_vcd_are_compared(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rst, by = np.array([1, 0, 0, 0, 0, 0]), np.array([0, 1, 2, 3, 1, 0])
    q = ["x", 0, 1, 3, 6, 7]
    right = energies(counted(tmp_path, {"rst": rst, "by": by, "q": q}), capsys)
    assert (right["stimulus_outputs_checked"], right["stimulus_outputs_differing"]) == (5, 0)
    assert right["warnings"] is None
    assert right["energy_stimulus"] > right["energy_stimulus_clock"] > 0
    q[4] = 5
    wrong = energies(counted(tmp_path, {"rst": rst, "by": by, "q": q}), capsys)
    assert wrong["warnings"] == [
        "1 of 5 values of outputs differ from those in s.vcd, first q in cycle 4"
    ]
    assert wrong["energy_stimulus"] == right["energy_stimulus"]


GOOD = {"rst": np.array([1, 0, 0]), "by": np.array([0, 1, 2])}
WRONG_VCDS = {
    "unknown value": (
        {"rst": GOOD["rst"], "by": np.array(["0", "x", "1"])},
        {},
        [],
        (
            "Port by of scope tb.dut in 's.vcd' has no known value at time 15: start the VCD "
            "later, or set every input"
        ),
    ),
    "missing port": (
        {"rst": GOOD["rst"]},
        {},
        ["--scope", "tb.dut"],
        "Scope tb.dut of 's.vcd' must have 2 bits of port by, not 0",
    ),
    "no scope with all": (
        {"rst": GOOD["rst"]},
        {},
        [],
        "No scopes of the VCD have all inputs: give --scope, one of tb.dut",
    ),
    "other scope": (
        GOOD,
        {},
        ["--scope", "tb"],
        "Scope must be one of tb.dut, not 'tb'",
    ),
    "no clock": (
        GOOD,
        {"clock": "ck"},
        ["--scope", "tb.dut"],
        "Scope tb.dut of 's.vcd' must have 1 bits of port clk, not 0",
    ),
    "clock that never rises": (
        GOOD,
        {"still": True},
        [],
        "Clock clk of scope tb.dut in 's.vcd' must rise twice or more, not 0 times",
    ),
}


@pytest.mark.parametrize("name", WRONG_VCDS)
def test_vcd_wrong(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    values, settings, options, message = WRONG_VCDS[name]
    given = counted(tmp_path, values, **settings)
    assert refused([*given, *options], capsys) == message


def refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The error line of a run."""
    with pytest.raises(SystemExit) as ended:
        run.main([*given, "--liberty", SMALL, "--metrics", "energy"])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("python -m synth.run: error: ")


WRONG_ARCHIVES = {
    "missing": ({"rst": [0, 1]}, "Stimulus 's.npz' has no values of by"),
    "unknown": (
        {"rst": [0, 1], "by": [0, 1], "clk": [0, 1]},
        "Stimulus 's.npz' has 'clk', which is no input but the clock: it must have rst, by",
    ),
    "lengths": (
        {"rst": [0, 1], "by": [0, 1, 2]},
        "Stimulus 's.npz' must have as many values of each port: 2 of rst, 3 of by",
    ),
    "width": (
        {"rst": [0, 1], "by": [0, 4]},
        "Values of by must be from -2 to 3 (2 bits), not 4",
    ),
    "bits": (
        {"rst": [0, 1], "by": [[0, 1, 1], [0, 0, 0]]},
        "Values of by must be bits of shape (cycles, 2), not (2, 3)",
    ),
    "numbers": (
        {"rst": [0, 1], "by": [0.5, 1.0]},
        "Values of by must be one whole number a cycle, not 'float64 (2,)'",
    ),
    "short": ({"rst": [0], "by": [1]}, "Stimulus 's.npz' must have two cycles or more"),
}


@pytest.mark.parametrize("name", WRONG_ARCHIVES)
def test_archive_wrong(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("counter.v").write_text(COUNTER)
    values, message = WRONG_ARCHIVES[name]
    np.savez("s.npz", **{key: np.array(value) for key, value in values.items()})
    given = ["--verilog", "counter.v", "--top", "counter", "--stimulus", "s.npz"]
    assert refused(given, capsys) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vcd", "bad.vcd"], "Stimulus must be a VCD or an archive of arrays, not 'bad.vcd'"),
        (["--stimulus", "bad.npz"], "Stimulus must be an archive of arrays, not 'bad.npz'"),
        (["--vcd", "none.vcd"], "Stimulus must be a readable file, not 'none.vcd'"),
        (["--vcd", "/dev/zero"], "Stimulus must be a readable file, not '/dev/zero'"),
        (
            ["--vcd", "bad.vcd", "--stimulus", "bad.npz"],
            "--vcd and --stimulus cannot be combined: give only one of them",
        ),
        (["--scope", "tb"], "--scope needs a stimulus: give --vcd or --stimulus"),
        (
            ["--stimulus", "bad.npz", "--scope", "tb"],
            "--scope is for --vcd: leave it out with --stimulus",
        ),
        (["--vcd", "bad.vcd", "--operations", "0"], "Operations must be 1 or more, not 0"),
    ],
)
def test_stimulus_options_wrong(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("counter.v").write_text(COUNTER)
    Path("bad.vcd").write_text("this is no VCD $end\n")
    Path("bad.npz").write_bytes(b"PK damaged")
    assert refused(["--verilog", "counter.v", "--top", "counter", *options], capsys) == message


def test_both_edges_have_no_energy(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("gated.v").write_text(
        "module gated(input clk, en, d, output reg q);\n"
        "  wire g = clk & en; always @(posedge g) q <= q ^ d;\nendmodule\n"
    )
    np.savez("s.npz", en=np.array([0, 1]), d=np.array([0, 1]))
    given = ["--verilog", "gated.v", "--top", "gated", "--clock-port", "clk"]
    assert refused([*given, "--stimulus", "s.npz"], capsys) == (
        "Nothing of gated can be measured: energy (a stimulus needs flip-flops at the rising edge "
        "of one port and no others)"
    )
