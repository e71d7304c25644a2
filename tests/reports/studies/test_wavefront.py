# SPDX-License-Identifier: Apache-2.0
"""The recorded wavefront: equal to the model, a wrong value anywhere in it is found; its pictures
are well-formed and show the record.
"""

import copy
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from hw.spec import SpecError, parse_array
from hw.spec.folders import ROOT
from reports.render import main as render
from reports.report import site
from reports.studies.wavefront import measure
from reports.studies.wavefront.page import streams, wavefront
from reports.studies.wavefront.trace import TILES, Tiles, TraceError, check
from reports.study import main
from synth.record import read_records

DATA = ROOT / "reports" / "data" / "wavefront.json"
[KEPT] = read_records(DATA)
PLAIN = KEPT.to_json()
TRACE = PLAIN["conditions"]["trace"]
SVG = "{http://www.w3.org/2000/svg}"

#: Injected fault: name in the trace, cycle, wrong value, and the check that must find it.
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


def test_tiles_have_different_sums() -> None:
    """All sums of a column differ and none is zero, so a value identifies its sum."""
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
    """The present RTL equals the stored record in every cycle."""
    out = tmp_path / "wavefront.json"
    assert main(["wavefront", "--out", str(out)]) == 0
    assert capsys.readouterr() == (f"{out}\n", "")
    [found] = read_records(out)
    assert (found.subject, found.conditions, found.metrics) == (
        KEPT.subject,
        KEPT.conditions,
        KEPT.metrics,
    )
    assert found.provenance.tools["iverilog"] == measure.icarus_version()


def test_command_without_icarus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(measure.shutil, "which", lambda name: None)
    assert main(["wavefront", "--out", str(tmp_path / "x.json")]) == 1
    assert capsys.readouterr() == (
        "",
        (
            "python -m reports.study wavefront: error: Program iverilog is not installed: run "
            "`make tools`\n"
        ),
    )
    assert not list(tmp_path.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root with the record and a page that shows it, rendered."""
    (tmp_path / "reports/data").mkdir(parents=True)
    shutil.copy(DATA, tmp_path / "reports/data")
    (tmp_path / "README.md").write_text("<!-- begin:wavefront -->\n<!-- end:wavefront -->\n")
    assert render([], root=tmp_path) == 0
    return tmp_path


def test_panels_hold_the_record() -> None:
    """Every sum of every cycle is in its cell, and nothing else."""
    panels = wavefront(PLAIN)["panels"]
    assert [panel.cycle for panel in panels] == list(range(len(TRACE["acc"])))
    compared = 0
    for panel in panels:
        for name, get in (
            ("acc", lambda cell: cell.acc or "-"),
            ("tile", lambda cell: str(cell.tile or "-")),
            ("result_tile", lambda cell: str(cell.result or "-")),
        ):
            wanted = TRACE[name][panel.cycle].replace(";", "").split()
            assert [get(cell) for cell in panel.cells] == wanted, (name, panel.cycle)
            compared += len(wanted)
        beat = TRACE["m_axis_c_tdata"][panel.cycle]
        assert (panel.beat.text if panel.beat else "- - - -") == beat
    assert compared == 19 * 16 * 3


def test_panels_know_the_tile_of_what_enters_and_leaves() -> None:
    """Four operands a tile at each edge, and each row of C in the north."""
    panels = wavefront(PLAIN)["panels"]
    for edge in ("west", "south", "north"):
        labels = [label for panel in panels for label in getattr(panel, edge)]
        assert [sum(label.tile == tile for label in labels) for tile in (1, 2)] == [16, 16], edge


def test_streams_name_every_beat_once() -> None:
    boxes = [box.text for box in streams(PLAIN)["boxes"]]
    assert sorted(boxes) == sorted(
        [f"A{tile}[:,{k}]" for tile in (1, 2) for k in range(4)]
        + [f"{name}{tile}[{row},:]" for name in "BC" for tile in (1, 2) for row in range(4)]
    )


@pytest.mark.parametrize("name", ["wavefront", "streams"])
def test_figure_is_well_formed_and_within_its_card(root: Path, name: str) -> None:
    tree = ElementTree.parse(root / f"reports/figures/{name}.svg").getroot()
    assert tree.tag == f"{SVG}svg"
    assert tree.get("aria-label")
    width, height = (float(size) for size in tree.get("viewBox").split()[2:])
    seen = 0
    for group in [tree, *tree.iter(f"{SVG}g")]:
        shift = re.findall(r"[\d.]+", group.get("transform", "")) or [0, 0]
        for item in [*group.findall(f"{SVG}rect"), *group.findall(f"{SVG}text")]:
            x, y = (float(item.get(axis)) + float(by) for axis, by in zip("xy", shift, strict=True))
            assert 0 <= x + float(item.get("width", 0)) <= width
            assert 0 <= y + float(item.get("height", 0)) <= height
            seen += 1
    assert seen > 50


def test_figure_shows_a_changed_record(root: Path) -> None:
    path = root / "reports/figures/wavefront.svg"
    before = re.findall(r">(\d+)</text>", path.read_text())
    changed = copy.deepcopy(PLAIN)
    changed["conditions"]["trace"]["acc"][4] = TRACE["acc"][4].replace("13", "77")
    (root / "reports/data/wavefront.json").write_text(json.dumps({"records": [changed]}))
    assert render(["--check"], root=root) == 1
    assert render([], root=root) == 0
    after = re.findall(r">(\d+)</text>", path.read_text())
    assert [pair for pair in zip(before, after, strict=True) if len(set(pair)) > 1] == [
        ("13", "77")
    ]


def test_pages_show_the_figures(root: Path) -> None:
    """README and report name the files."""
    text = (root / "README.md").read_text()
    files = re.findall(r"^!\[.+\]\((.+)\)$", text, re.MULTILINE)
    assert files == ["reports/figures/wavefront.svg", "reports/figures/streams.svg"]
    assert all((root / file).exists() for file in files)
    pages = site(root)
    shown = re.findall(r'src="(figures/.+?)"', pages["wavefront.html"])
    assert shown == [file.removeprefix("reports/") for file in files]
    assert all(pages[file].startswith("<svg xmlns=") for file in shown)
