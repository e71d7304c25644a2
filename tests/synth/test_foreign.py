# SPDX-License-Identifier: Apache-2.0
"""Designs of other people: what is counted and timed, against OpenSTA by hand, or why it is not."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from synth import run
from synth.flow import cache
from synth.flow.liberty import read
from synth.flow.sources import READERS, Sources, elaborate
from synth.measure import Job
from synth.record import Record
from tests.support.sta import by_hand
from tests.synth.foreign_cases import CASES, Case

DATA = Path(__file__).parents[1] / "data"
LIBRARIES = [DATA / "small.lib", DATA / "registers.lib"]
#: What a slack or period may differ by, in ns: bisection stops at 2e-5, reports at 1e-4.
NEAR = 2e-4

pytestmark = [
    pytest.mark.synth,
    pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed"),
]


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A cache of this file's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "FOLDER", tmp_path_factory.mktemp("cache"))
        yield


def arguments(case: Case, folder: Path) -> list[str]:
    """Options that measure a case, whose files are written to ``folder``."""
    for name, text in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    given = case.given or [name for name in case.files if name.endswith((".v", ".sv"))]
    files = ["--verilog", *given] if "-f" not in case.options else []
    liberty = ["--liberty", *map(str, LIBRARIES)]
    metrics = ["--metrics", "gate_counts", "cells", "clock", "--json"]
    return [*files, "--top", case.name, *case.options, *liberty, *metrics]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_design_is_measured_as_by_hand_or_refused(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    given = arguments(case, tmp_path)
    if case.error:
        with pytest.raises(SystemExit) as ended:
            run.main(given)
        assert ended.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.splitlines()[-1] == f"python -m synth.run: error: {case.error}"
        return
    assert run.main(given) == 0
    record = Record.from_json(json.loads(capsys.readouterr().out))
    found = {name: metric.value for name, metric in record.metrics.items()}
    assert found["flip_flops_keep"] == case.flip_flops
    assert found.get("latches_keep", 0) == case.latches
    refused = [phrase for phrase in record.not_done if phrase.startswith("timing")]
    assert refused == ([f"timing ({case.refused})"] if case.refused else [])
    if case.refused:
        assert "min_period" not in found
        return
    assert tuple(record.conditions.get("timing_warnings", ())) == case.warnings
    mapped = Job(design=run._design(run.parser().parse_args(given)), library=read(LIBRARIES)).mapped
    hand = by_hand(
        mapped.verilog, case.name, LIBRARIES, tmp_path, clock=case.clock, register=case.register
    )
    names = {
        "period": "min_period",
        "hold": "hold_slack",
        "recovery": "recovery_slack",
        "removal": "removal_slack",
        "gating": "clock_gating_slack",
    }
    for name, metric in names.items():
        if name in hand or metric in found:
            assert found[metric] == pytest.approx(hand[name], abs=NEAR), name
    if case.period is not None:
        assert found["min_period"] == pytest.approx(case.period, abs=NEAR)


def test_enough_designs():
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names) >= 55


def test_slack_at_a_clock_is_that_of_the_edges(tmp_path, monkeypatch, capsys):
    """Half a period more for a path from one edge to the other, a whole one for others."""
    monkeypatch.chdir(tmp_path)
    slacks = {}
    for case in CASES:
        if case.name in ("half_cycle", "shift_register"):
            assert run.main([*arguments(case, tmp_path), "--clock", "5"]) == 0
            metrics = json.loads(capsys.readouterr().out)["metrics"]
            slacks[case.name] = metrics["slack"]["value"]
    assert slacks == pytest.approx({"half_cycle": 2.5 - 1.14, "shift_register": 5 - 0.62})


def test_clock_port_that_clocks_nothing_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (case,) = (case for case in CASES if case.name == "gated_by_and")
    with pytest.raises(SystemExit):
        run.main([*arguments(case, tmp_path), "--clock-port", "d"])
    message = "python -m synth.run: error: Clock port must be one of clk, en, not 'd'"
    assert capsys.readouterr().err.splitlines()[-1] == message


def test_design_without_any_metric_is_reported(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (case,) = (case for case in CASES if case.name == "two_clocks")
    given = [word for word in arguments(case, tmp_path) if word not in ("gate_counts", "cells")]
    with pytest.raises(SystemExit):
        run.main(given)
    assert re.fullmatch(
        r"python -m synth\.run: error: Nothing of two_clocks can be measured: "
        r"timing \(several clocks: rclk, wclk\)",
        capsys.readouterr().err.splitlines()[-1],
    )


def ended(given: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Last line on stderr of a run that ends with 2."""
    with pytest.raises(SystemExit) as end:
        run.main(given)
    assert end.value.code == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("python -m synth.run: error: ")


LISTS = {
    "itself.f": ("-f itself.f\n", "File list 'itself.f' contains itself"),
    "unknown.f": (
        "a.v\n// none\n-y lib\n",
        (
            "unknown.f:3: '-y' is not supported in a file list: leave it out, or give files, "
            "+incdir+, +define+, -I, -D, -G, -f and -F"
        ),
    ),
    "open.f": ("a.v -I\n", "open.f:1: -I needs a value"),
    "lacking.f": ("none.v\n", "Verilog file must be a readable file, not 'none.v'"),
    "twice.f": ("a.v ./a.v\n", "Verilog file './a.v' is given twice; name it once"),
    "empty.f": ("# nothing\n", "There is no Verilog file: give --verilog FILE or -f FILE"),
    "folder.f": ("a.v +incdir+none\n", "Include folder must be a folder, not 'none'"),
    "macro.f": ("a.v +define+1=2\n", "Macro must be NAME or NAME=TEXT, not '1=2'"),
    "value.f": ("a.v -G W\n", "Parameter must be NAME=VALUE, not 'W'"),
}


@pytest.mark.parametrize("name", LISTS)
def test_file_list_wrong(name, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.v").write_text("module a(input x, output y); assign y = x; endmodule\n")
    text, message = LISTS[name]
    Path(name).write_text(text)
    assert ended(["-f", name, "--top", "a", "--liberty", str(LIBRARIES[0])], capsys) == message


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--verilog", "/dev/zero", "--top", "a"],
            "Verilog file must be a readable file, not '/dev/zero'",
        ),
        (["-f", "/dev/zero", "--top", "a"], "File list must be a readable file, not '/dev/zero'"),
        (
            ["--verilog", "a.v", "--top", "a", "--reader", "vcs"],
            "Reader must be one of auto, slang, yosys, not 'vcs'",
        ),
        (
            ["--mac", "int4", "-I", "."],
            "--include-dir is for --verilog: leave it out for a generated unit",
        ),
    ],
)
def test_source_options_wrong(options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.v").write_text("module a(input x, output y); assign y = x; endmodule\n")
    assert ended([*options, "--liberty", str(LIBRARIES[0])], capsys) == message


def test_result_does_not_depend_on_where_files_are(tmp_path):
    """Names of files and folders stay out of what is synthesised, with either reader."""
    (case,) = (case for case in CASES if case.name == "sync_mac")
    for reader in READERS:
        texts = set()
        for folder in ("a", "long name/of a folder"):
            file = tmp_path / folder / "sync_mac.v"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(case.files["sync_mac.sv"])
            sources = Sources(files=(str(file),), reader=reader)
            texts.add(elaborate(sources, "sync_mac").text)
        assert len(texts) == 1, reader


def test_second_reader_is_tried_and_the_first_ones_message_kept(tmp_path, monkeypatch, capsys):
    """Yosys accepts a register with two assignments of an initial value, which slang refuses."""
    monkeypatch.chdir(tmp_path)
    Path("m.v").write_text(
        "module m(input clk, input d, output reg q);\n"
        "  always @(posedge clk) q <= d ^ q;\n"
        "  always @(posedge clk) if (undeclared_wire) ;\n"
        "endmodule\n"
    )
    options = ["--verilog", "m.v", "--top", "m", "--liberty", str(LIBRARIES[0])]
    assert run.main([*options, "--metrics", "gate_counts", "--json"]) == 0
    conditions = json.loads(capsys.readouterr().out)["conditions"]
    assert conditions["reader"] == "Yosys"
    assert conditions["reader_messages"] == [
        "slang: m.v:3: ERROR: use of undeclared identifier 'undeclared_wire'"
    ]
    assert run.main([*options, "--metrics", "gate_counts"]) == 0
    assert "\nwarning   slang: m.v:3: ERROR: use of" in capsys.readouterr().out
    message = "m.v:3: ERROR: use of undeclared identifier 'undeclared_wire'"
    assert ended([*options, "--reader", "slang"], capsys) == message
