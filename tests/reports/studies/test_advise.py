# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.advise``: table, JSON and page of a small model, and every wrong input.

The page in a browser: all settings are drawn, labels can be read, nothing loads.
"""

import html
import json
import math
import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from hw.spec import parse_array, parse_mac
from reports.advise import __main__ as command
from reports.advise.page import page
from reports.studies.networks.advice import Costs
from reports.studies.networks.choice import Goal, Point, advise
from reports.studies.networks.models import Graph
from tests.support.pages import visit

pytest.importorskip("onnx", reason="onnx is not installed (make setup)")


RNG = np.random.default_rng(1)
WEIGHTS = RNG.normal(0, 1, (12, 5)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A dense layer, inputs, its classes in FP32, and some wrong classes."""
    graph = Graph("small")
    out = graph.add("MatMul", graph.input("x", ["n", 12]), graph.constant(WEIGHTS), name="y")
    x = RNG.normal(0, 1, (20, 12)).astype(np.float32)
    np.savez(tmp_path / "x.npz", x=x)
    np.save(tmp_path / "labels.npy", (x @ WEIGHTS).argmax(axis=1))
    np.save(tmp_path / "few.npy", np.zeros(3, np.int64))
    np.save(tmp_path / "real.npy", np.zeros(20))
    (tmp_path / "text").write_text("no model")
    graph.save(tmp_path / "m.onnx", {out: ["n", 5]})
    return {path.name: str(path) for path in tmp_path.iterdir()}


def run(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    assert command.main(arguments) == 0
    return capsys.readouterr().out


def test_json_has_metric_cycles_and_costs(
    files: dict[str, str], capsys: pytest.CaptureFixture
) -> None:
    """Against the closed form of the cycles, the records' costs, and the noise computed here."""
    found = json.loads(
        run(
            capsys,
            files["m.onnx"],
            "--data",
            files["x.npz"],
            "--columns",
            "INT8,E5M2",
            "--acc",
            "exact,fp32",
            "--array",
            "8x8",
            "--json",
        )
    )
    assert found["measure"] == {"name": "SQNR", "unit": "dB", "reference": None, "least": 20.0}
    points = {(point["column"], point["accumulator"]): point for point in found["points"]}
    assert list(points) == [
        ("INT8", "exact"),
        ("INT8", "fp32"),
        ("E5M2", "exact"),
        ("E5M2", "fp32"),
    ]
    array = parse_array("8x8", parse_mac("int8", acc="int27"))
    point, cost = points["INT8", "exact"], Costs.of_project().of(array)
    assert point["cycles"] == round(array.cycles(20, 12, 5) / 20)
    assert point["area_mm2"] == cost.area_mm2
    assert point["energy_uj"] == pytest.approx(cost.energy_fj * 12 * 5 * 1e-9)
    x = np.load(files["x.npz"])["x"]
    scales = np.abs(WEIGHTS).max(axis=0) / 127
    rounded = np.rint(x / (abs(x).max() / 127)) * abs(x).max() / 127
    got, wanted = rounded @ (np.rint(WEIGHTS / scales) * scales), x @ WEIGHTS
    noise = 10 * math.log10((wanted**2).sum() / ((got - wanted) ** 2).sum())
    assert point["value"] == pytest.approx(noise, abs=0.2)
    assert point["value"] - points["E5M2", "exact"]["value"] > 6
    assert [point["recommended"] for point in found["points"]].count(True) == 1
    assert cost.measured_as == "array_16x16_os_int8_fx27"
    assert cost.measured_as in found["notes"][-1]
    # A measured array needs no note.
    whole = json.loads(run(capsys, files["m.onnx"], "--columns", "INT8", "--json"))
    assert "element" not in whole["notes"][-1]


def test_labels_give_accuracy(files: dict[str, str], capsys: pytest.CaptureFixture) -> None:
    found = json.loads(
        run(
            capsys,
            files["m.onnx"],
            "--data",
            files["x.npz"],
            "--labels",
            files["labels.npy"],
            "--columns",
            "E3M4",
            "--acc",
            "exact",
            "--loss",
            "2.5",
            "--samples",
            "10",
            "--json",
        )
    )
    assert found["measure"] == {"name": "accuracy", "unit": "%", "reference": 100.0, "least": 97.5}
    assert found["points"][0]["value"] >= 80


def test_table_and_page(
    files: dict[str, str], capsys: pytest.CaptureFixture, tmp_path: Path
) -> None:
    page = tmp_path / "advice.html"
    text = run(capsys, files["m.onnx"], "--columns", "INT8", "--acc", "exact", "--out", str(page))
    lines = text.splitlines()
    assert lines[0].split() == [
        "format",
        "sums",
        "SQNR",
        "[dB]",
        "cycles",
        "array",
        "area",
        "[mm2]",
        "energy",
        "[uJ]",
        "Pareto",
        "front",
    ]
    assert re.fullmatch(r"INT8 +exact +\d\d\.\d\d +\d+ +7\.44 +\S+ +recommended", lines[2])
    assert lines[4].startswith("Recommended: INT8 with exact sums; SQNR ")
    assert "4 samples: random inputs. Cycles and energy are per sample." in lines
    assert lines[-1] == str(page)
    assert page.read_text().startswith("<!doctype html>")
    assert lines[4] in page.read_text()


@pytest.mark.slow
def test_every_setting_of_a_network_of_the_project(capsys: pytest.CaptureFixture) -> None:
    """All formats with all sums, on a few digits: 35 settings, one recommendation."""
    found = json.loads(run(capsys, "digits", "--samples", "20", "--json"))
    assert len(found["points"]) == 35
    assert {point["column"] for point in found["points"] if point["front"]}
    assert found["measure"]["name"] == "accuracy"


WRONG = [
    (["{m.onnx}", "--array", "16"], "Array size must be ROWSxCOLS, for instance 16x16, not '16'"),
    (
        ["{m.onnx}", "--columns", "FP4"],
        ("Column must be one of INT8, E2M5, E3M4, E4M3, E5M2, W4A8, MXFP8, not 'FP4'"),
    ),
    (
        ["{m.onnx}", "--acc", "exact,x"],
        ("Accumulator must be one of exact, fp32, fp16, bf16, hopper, not 'x'"),
    ),
    (["{m.onnx}", "--samples", "0"], "Samples must be an integer from 1 to 1073741824, not 0"),
    (
        ["{m.onnx}", "--data", "{x.npz}", "--labels", "{few.npy}"],
        "Labels must be at least 20, one per sample, not 3",
    ),
    (
        ["{m.onnx}", "--data", "{x.npz}", "--labels", "{real.npy}"],
        "Labels must be integers, one per sample, not dtype('float64')",
    ),
    (
        ["{m.onnx}", "--labels", "{text}"],
        "Labels file '{text}' cannot be read: not a .npy file of numbers",
    ),
    (
        ["{m.onnx}", "--data", "nowhere.npz"],
        "Data file 'nowhere.npz' cannot be read: no such file or directory",
    ),
    (
        ["digits", "--data", "{x.npz}"],
        "digits is a network of this project and has its own data: leave out --data",
    ),
    (["{m.onnx}", "--loss", "x"], "argument --loss: invalid float value: 'x'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong(
    arguments: list[str],
    message: str,
    files: dict[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
) -> None:
    """One line, exit status 2, no page."""

    def filled(text: str) -> str:
        return re.sub(r"\{(\S+?)\}", lambda match: files[match[1]], text)

    page = tmp_path / "out" / "advice.html"
    with pytest.raises(SystemExit) as stop:
        command.main([*map(filled, arguments), "--out", str(page)])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"python -m reports.advise: error: {filled(message)}\n"
    assert not page.exists()


def test_no_model(files: dict[str, str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        command.main([files["text"]])
    assert stop.value.code == 2
    assert re.fullmatch(
        r"python -m reports\.advise: error: Model file "
        rf"{re.escape(repr(files['text']))} cannot be read as ONNX: .*\n",
        capsys.readouterr().err,
    )


#: Reads what the page shows; runs after the page's script.
VISIT = """
<script>
const box = node => { const b = node.getBBox(); return [b.x, b.y, b.width, b.height]; };
const svg = document.querySelector("svg");
const said = {
  dots: [...svg.querySelectorAll("circle")].map(node => [node.textContent, ...box(node)]),
  texts: [...svg.querySelectorAll("text")].map(node => [node.textContent, ...box(node)]),
  view: svg.getAttribute("viewBox").split(" ").map(Number),
  rows: [...document.querySelectorAll("tbody tr")].map(row => row.cells[0].textContent),
  wide: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  requests: performance.getEntriesByType("resource").length,
};
const result = document.createElement("pre");
result.id = "said";
result.textContent = JSON.stringify(said);
document.body.append(result);
</script>
"""
#: Four settings on the front that differ in energy by a few percent, as with few samples.
POINTS = [
    Point("INT8", "exact", 66.67, 1_590_612, 7.44, 20_700.0),
    Point("INT8", "fp32", 66.67, 1_590_612, 14.1, 37_600.0),
    Point("E3M4", "exact", 66.67, 1_590_612, 8.65, 19_700.0),
    Point("E4M3", "exact", 66.67, 1_590_612, 10.7, 19_100.0),
    Point("E5M2", "exact", 66.67, 1_590_612, 15.7, 18_000.0),
    Point("E4M3", "fp16", 33.33, 1_590_612, 5.0, 27_000.0),
    Point("MXFP8", "bf16", 66.67, 1_590_612, None, None),
]


def test_page_shows_every_setting(tmp_path: Path) -> None:
    measure = Goal("retrieval_top1", "%", 66.67, 65.67)
    advice = advise(POINTS, measure)
    assert len(advice.front) == 5
    file = tmp_path / "advice.html"
    file.write_text(
        page("net", "16x16", POINTS, measure, advice, ["A note."]).replace(
            "</body>", VISIT + "</body>"
        ),
        encoding="utf-8",
    )
    document, log = visit(file, tmp_path)
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, log
    assert "CONSOLE" not in log, log
    said = json.loads(html.unescape(found[1]))
    assert sorted(dot[0] for dot in said["dots"]) == sorted(
        point.name for point in POINTS if point.energy_uj
    )
    assert said["rows"] == [point.column for point in POINTS]
    assert (said["wide"], said["requests"]) == (True, 0)
    labels = {f"{point.column}, {point.accumulator}" for point in advice.front}
    assert labels < {text[0] for text in said["texts"]}
    _, _, width, height = said["view"]
    for _, x, y, wide, high in [*said["texts"], *said["dots"]]:
        assert x >= 0 <= y
        assert x + wide <= width
        assert y + high <= height
    pairs = [(one, other) for one, other in combinations(said["texts"], 2) if _overlap(one, other)]
    assert not pairs, pairs


def _overlap(one: list, other: list) -> bool:
    """Whether the boxes of two texts share more than a pixel or two of their line spacing."""
    (_, x, y, wide, high), (_, left, top, width, height) = one, other
    return (
        min(x + wide, left + width) - max(x, left) > 0
        and min(y + high, top + height) - max(y, top) > 3
    )
