# SPDX-License-Identifier: Apache-2.0
"""Generation time: measured on a real command, whose files are checked."""

from pathlib import Path

import pytest

from hw.spec import Dataflow, parse_array
from reports.studies.generate.measure import measure
from reports.study import main
from synth.record import read_records


def test_time_is_of_a_whole_command() -> None:
    """A 2x2 array: named by its spec, timed from outside, its files read."""
    record = measure("2x2", "x", mac="int8", runs=1)
    assert record.subject == parse_array("2x2", "int8").name
    assert 0.1 < record.metrics["wall_time"].value < 60
    assert record.metrics["verilog_size"].value > 1000
    assert record.metrics["modules"].value >= 2  # At least a top and its processing element.


def test_times_writes_a_record_for_each_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "generate.json"
    main(["generate", "1x1", "1x2", "--runs", "1", "--out", str(out)])
    assert capsys.readouterr().out == f"{out}\n"
    names = [
        parse_array(size, "e4m3", dataflow=dataflow.value).name
        for dataflow in Dataflow
        for size in ("1x1", "1x2")
    ]
    assert [record.subject for record in read_records(out)] == names


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0x16"], "Array rows must be an integer from 1 to 512, not 0"),
        (["16"], "Array size must be ROWSxCOLS, for instance 16x16, not '16'"),
        (["--runs", "0"], "Runs must be a positive number, not 0"),
    ],
)
def test_times_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["generate", *arguments, "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr() == ("", f"python -m reports.study generate: error: {message}\n")
    assert not list(tmp_path.iterdir())


def test_times_into_a_folder_that_is_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["generate", "1x1", "--runs", "1", "--out", str(tmp_path / "file/x.json")])
    assert capsys.readouterr().err.splitlines()[-1:] == [
        (
            f"python -m reports.study generate: error: Output folder must be writable, not "
            f"{str(tmp_path / 'file')!r} (file exists)"
        )
    ]
