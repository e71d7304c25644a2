# SPDX-License-Identifier: Apache-2.0
"""Pictures of the wavefront: well-formed, and they show what the record says."""

import copy
import json
import re
import shutil
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports.render import main
from reports.studies.wavefront.figure import wavefront
from reports.studies.wavefront.streams import streams

ROOT = Path(__file__).resolve().parents[3]
DATA = ROOT / "reports" / "data" / "wavefront.json"
RECORD = json.loads(DATA.read_text())["records"][0]
TRACE = RECORD["conditions"]["trace"]
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root with the record and a page that shows it, rendered."""
    (tmp_path / "reports/data").mkdir(parents=True)
    shutil.copy(DATA, tmp_path / "reports/data")
    (tmp_path / "README.md").write_text("<!-- begin:wavefront -->\n<!-- end:wavefront -->\n")
    assert main([], root=tmp_path) == 0
    return tmp_path


def test_panels_hold_the_record() -> None:
    """Every sum of every cycle is in its cell, and nothing else."""
    panels = wavefront(RECORD)["panels"]
    assert [panel.cycle for panel in panels] == list(range(len(TRACE["acc"])))
    compared = 0
    for panel in panels:
        for name, get in (("acc", lambda cell: cell.acc or "-"),
                          ("tile", lambda cell: str(cell.tile or "-")),
                          ("result_tile", lambda cell: str(cell.result or "-"))):
            wanted = TRACE[name][panel.cycle].replace(";", "").split()
            assert [get(cell) for cell in panel.cells] == wanted, (name, panel.cycle)
            compared += len(wanted)
        beat = TRACE["m_axis_c_tdata"][panel.cycle]
        assert (panel.beat.text if panel.beat else "- - - -") == beat
    assert compared == 19 * 16 * 3


def test_panels_know_the_tile_of_what_enters_and_leaves() -> None:
    """Four operands a tile at each edge, and each row of C in the north."""
    panels = wavefront(RECORD)["panels"]
    for edge in ("west", "south", "north"):
        labels = [label for panel in panels for label in getattr(panel, edge)]
        assert [sum(label.tile == tile for label in labels) for tile in (1, 2)] == [16, 16], edge


def test_streams_name_every_beat_once() -> None:
    boxes = [box.text for box in streams(RECORD)["boxes"]]
    assert sorted(boxes) == sorted(
        [f"A{tile}[:,{k}]" for tile in (1, 2) for k in range(4)]
        + [f"{name}{tile}[{row},:]" for name in "BC" for tile in (1, 2) for row in range(4)])


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
    changed = copy.deepcopy(RECORD)
    changed["conditions"]["trace"]["acc"][4] = TRACE["acc"][4].replace("13", "77")
    (root / "reports/data/wavefront.json").write_text(json.dumps({"records": [changed]}))
    assert main(["--check"], root=root) == 1
    assert main([], root=root) == 0
    after = re.findall(r">(\d+)</text>", path.read_text())
    assert [pair for pair in zip(before, after, strict=True) if len(set(pair)) > 1] == [
        ("13", "77")]


def test_pages_show_the_figures(root: Path) -> None:
    """The README names the files; the page holds them and needs no other."""
    text = (root / "README.md").read_text()
    files = re.findall(r"^!\[.+\]\((.+)\)$", text, re.MULTILINE)
    assert files == ["reports/figures/wavefront.svg", "reports/figures/streams.svg"]
    assert all((root / file).exists() for file in files)
    page = (root / "reports/index.html").read_text()
    assert page.count("<figure>") == 2
    assert not re.search(r"https?:|src=|url\(|@import", page)
