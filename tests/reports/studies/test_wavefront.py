# SPDX-License-Identifier: Apache-2.0
"""The recorded wavefront: equal to the model, and a wrong value anywhere in it is found."""

import copy
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from hw.spec import SpecError, parse_array
from reports.studies.wavefront import bench
from reports.studies.wavefront.check import TraceError, check
from reports.studies.wavefront.measure import main
from reports.studies.wavefront.tiles import TILES, Tiles
from synth.record import ROOT, read_records

RECORD = ROOT / "reports" / "data" / "wavefront.json"
[KEPT] = read_records(RECORD)

#: Planted fault: name in the trace, cycle, what it becomes, and who must find it.
FAULTS = [
    ("a", 3, "1 - - -; 1 3 - -; 1 1 1 -; 2 3 1 2", "a in cycle 3"),
    ("b", 0, "- - - -; - - - -; - - - -; - - - -", "b in cycle 0"),
    ("acc", 4, "1 - - -; 4 6 - -; 5 4 3 -; 13 11 6 3", "acc in cycle 4"),
    ("products", 1, "- - - -; - - - -; - - - -; 2 - - -", "products in cycle 1"),
    ("tile", 1, "- - - -; - - - -; - - - -; 2 - - -", "tile in cycle 1"),
    ("result", 5, "- - - -; - - - -; - - - -; 12 - - -", "result in cycle 5"),
    ("result_tile", 5, "- - - -; - - - -; - - - -; 2 - - -", "result_tile in cycle 5"),
    ("drain", 8, "0 0 0 0", "results of column 0"),
    ("m_axis_c_tdata", 11, "7 10 9 8", "beats of C"),
    ("m_axis_c", 11, "0 1 0", "beats of C"),
    ("m_axis_c", 14, "1 1 0", "handshakes of C"),
]


def test_kept_record_is_what_the_model_computes() -> None:
    """Operands, sums and results of 16 elements in 19 cycles, and what leaves the array."""
    compared = check(KEPT.conditions)
    assert compared == KEPT.metrics["values_equal_to_the_model"].value
    # 7 grids a cycle; 8 rows of 4 results leave a column, the stream, and end or not; 2 times.
    assert compared == 19 * 16 * 7 + 8 * 4 + 8 * 4 + 8 + 2
    spec = parse_array(KEPT.conditions["array"], KEPT.conditions["mac"])
    assert KEPT.subject == spec.name
    assert KEPT.metrics["cycles"].value == spec.cycles(8, 4, 4) == 19


@pytest.mark.parametrize(("name", "cycle", "text", "place"), FAULTS)
def test_check_finds_planted_value(name: str, cycle: int, text: str, place: str) -> None:
    conditions = copy.deepcopy(dict(KEPT.conditions))
    assert conditions["trace"][name][cycle] != text
    conditions["trace"][name][cycle] = text
    with pytest.raises(TraceError, match=f"^Trace of {place} must be .*, not .*$"):
        check(conditions)


def test_check_finds_operand_that_was_not_sent() -> None:
    conditions = copy.deepcopy(dict(KEPT.conditions))
    conditions["a"][1] = conditions["a"][1].replace("2 1 3 2", "2 1 3 3")
    with pytest.raises(TraceError, match=r"^Trace of a in cycle \d+ must be "):
        check(conditions)


@pytest.mark.parametrize("change", [(0, 18), (1, 19)])
def test_check_finds_cycle_too_few(change: tuple[int, int]) -> None:
    conditions = copy.deepcopy(dict(KEPT.conditions))
    for texts in conditions["trace"].values():
        texts[:] = texts[slice(*change)]
    with pytest.raises(TraceError, match=r"^Trace of "):
        check(conditions)


def test_tiles_tell_their_sums_apart() -> None:
    """All sums of a column differ and none is zero: a register's value says whose it is."""
    last = TILES.sums(parse_array("4x4", "e4m3"))[-1]
    assert (last == TILES.a @ TILES.b).all()
    for col in range(last.shape[2]):
        assert len({0, *last[:, :, col].ravel()}) == 1 + last[:, :, col].size == 9


def test_tiles_wrong() -> None:
    tiles = Tiles(a=np.full((1, 1, 1), 1.03), b=np.ones((1, 1, 1)))
    message = "Wavefront operand a must be values of e4m3, not [[[1.03]]]"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        tiles.codes(parse_array("1x1", "e4m3"))
    message = "Wavefront accumulator must be fixed point, not 'fp32'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        TILES.sums(parse_array("4x4", "e4m3,acc=fp32"))


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not installed")
def test_command_records_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Today's RTL does in every cycle what the kept record says."""
    out = tmp_path / "wavefront.json"
    assert main(["--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    [found] = read_records(out)
    assert (found.subject, found.conditions, found.metrics) == (
        KEPT.subject, KEPT.conditions, KEPT.metrics)
    assert found.provenance.tools["iverilog"] == bench.icarus_version()


def test_command_without_icarus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(bench.shutil, "which", lambda name: None)
    assert main(["--out", str(tmp_path / "x.json")]) == 1
    assert capsys.readouterr() == (
        "", ("python -m synth.wavefront: error: Program iverilog must be installed (make tools), "
        "and is not\n"))
    assert not list(tmp_path.iterdir())


def test_command_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["8x8"])
    assert capsys.readouterr() == (
        "", "python -m synth.wavefront: error: unrecognized arguments: 8x8\n")
