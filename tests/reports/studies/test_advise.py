# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.advise``: table, JSON and page of a small model, and every wrong input."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (make setup)")

from hw.spec import parse_array, parse_mac
from reports.advise import __main__ as advise
from reports.studies.networks.costs import Costs
from reports.studies.networks.graph import Graph

RNG = np.random.default_rng(1)
WEIGHTS = RNG.normal(0, 1, (12, 5)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """A dense layer, inputs, the classes that it gives in FP32, and some that are wrong."""
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
    assert advise.main(arguments) == 0
    return capsys.readouterr().out


def test_json_has_metric_cycles_and_costs(files: dict[str, str], capsys: pytest.CaptureFixture
                                          ) -> None:
    """Against the closed form of the cycles, the records' costs, and the noise computed here."""
    found = json.loads(run(capsys, files["m.onnx"], "--data", files["x.npz"], "--columns",
                           "INT8,E5M2", "--acc", "exact,fp32", "--array", "8x8", "--json"))
    assert found["measure"] == {"name": "SQNR", "unit": "dB", "reference": None, "least": 20.0}
    points = {(point["column"], point["accumulator"]): point for point in found["points"]}
    assert list(points) == [("INT8", "exact"), ("INT8", "fp32"), ("E5M2", "exact"),
                            ("E5M2", "fp32")]
    array = parse_array("8x8", parse_mac("int8", acc="int27"))
    point, cost = points["INT8", "exact"], Costs.of_project().of(array)
    assert point["cycles"] == round(array.cycles(20, 12, 5) / 20)
    assert point["area_mm2"] == cost.area_mm2
    assert point["energy_uj"] == pytest.approx(cost.energy_fj * 12 * 5 * 1e-9)
    x = np.load(files["x.npz"])["x"]
    scales = np.abs(WEIGHTS).max(axis=0) / 127
    rounded = np.rint(x / (abs(x).max() / 127)) * abs(x).max() / 127
    got, wanted = rounded @ (np.rint(WEIGHTS / scales) * scales), x @ WEIGHTS
    noise = 10 * math.log10((wanted**2).sum() / ((got - wanted)**2).sum())
    assert point["value"] == pytest.approx(noise, abs=0.2)
    assert point["value"] - points["E5M2", "exact"]["value"] > 6
    assert [point["recommended"] for point in found["points"]].count(True) == 1
    assert cost.measured_as == "array_16x16_os_int8_fx27"
    assert cost.measured_as in found["notes"][-1]
    # Of an array that was measured itself nothing need be said.
    whole = json.loads(run(capsys, files["m.onnx"], "--columns", "INT8", "--json"))
    assert "element" not in whole["notes"][-1]


def test_labels_give_accuracy(files: dict[str, str], capsys: pytest.CaptureFixture) -> None:
    found = json.loads(run(capsys, files["m.onnx"], "--data", files["x.npz"], "--labels",
                           files["labels.npy"], "--columns", "E3M4", "--acc", "exact", "--loss",
                           "2.5", "--samples", "10", "--json"))
    assert found["measure"] == {"name": "accuracy", "unit": "%", "reference": 100.0,
                                "least": 97.5}
    assert found["points"][0]["value"] >= 80


def test_table_and_page(files: dict[str, str], capsys: pytest.CaptureFixture, tmp_path: Path
                        ) -> None:
    page = tmp_path / "advice.html"
    text = run(capsys, files["m.onnx"], "--columns", "INT8", "--acc", "exact", "--out", str(page))
    lines = text.splitlines()
    assert lines[0].split() == ["format", "sums", "SQNR", "[dB]", "cycles", "array", "area",
                                "[mm2]", "energy", "[uJ]", "on", "the", "front"]
    assert re.fullmatch(r"INT8 +exact +\d\d\.\d\d +\d+ +7\.44 +\S+ +recommended", lines[2])
    assert lines[4].startswith("Take INT8 with exact sums: SQNR ")
    assert "4 samples: random inputs. Cycles and energy are those of one." in lines
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
    (["{m.onnx}", "--columns", "FP4"], ("Column must be one of INT8, E2M5, E3M4, E4M3, E5M2, W4A8, "
     "MXFP8, not 'FP4'")),
    (["{m.onnx}", "--acc", "exact,x"], ("Accumulator must be one of exact, fp32, fp16, bf16, "
     "hopper, not 'x'")),
    (["{m.onnx}", "--samples", "0"], "Samples must be an integer from 1 to 1073741824, not 0"),
    (["{m.onnx}", "--data", "{x.npz}", "--labels", "{few.npy}"],
     "Labels must be at least 20, one a sample, not 3"),
    (["{m.onnx}", "--data", "{x.npz}", "--labels", "{real.npy}"],
     "Labels must be whole numbers, one a sample, not dtype('float64')"),
    (["{m.onnx}", "--labels", "{text}"],
     "Labels file must be readable, not '{text}' (no .npy file of numbers)"),
    (["{m.onnx}", "--data", "nowhere.npz"],
     "Data file must be readable, not 'nowhere.npz' (no such file or directory)"),
    (["digits", "--data", "{x.npz}"],
     "--data must be left out for a network of the project, not '{x.npz}'"),
    (["{m.onnx}", "--loss", "x"], "argument --loss: invalid float value: 'x'"),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong(arguments: list[str], message: str, files: dict[str, str], tmp_path: Path,
               capsys: pytest.CaptureFixture) -> None:
    """One line, exit status 2, no page."""
    def filled(text: str) -> str:
        return re.sub(r"\{(\S+?)\}", lambda match: files[match[1]], text)

    page = tmp_path / "out" / "advice.html"
    with pytest.raises(SystemExit) as stop:
        advise.main([*map(filled, arguments), "--out", str(page)])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"python -m reports.advise: error: {filled(message)}\n"
    assert not page.exists()


def test_no_model(files: dict[str, str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        advise.main([files["text"]])
    assert stop.value.code == 2
    assert re.fullmatch(r"python -m synth\.advise: error: Model file must be an ONNX model, not "
                        rf"{re.escape(repr(files['text']))} \(.*\)\n", capsys.readouterr().err)
