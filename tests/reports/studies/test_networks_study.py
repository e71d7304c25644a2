# SPDX-License-Identifier: Apache-2.0
"""The study of networks: records, cache, and errors."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="onnx is not installed (make setup)")

from hw.spec import parse_mac
from reports.studies.networks import measure as command
from reports.studies.networks import settings, study
from reports.studies.networks.settings import (
    ACCUMULATORS,
    COLUMNS,
    Ranges,
    accumulated,
    choices,
    mac_of,
)
from reports.study import main
from synth.flow import cache
from synth.record import read_records
from tests.reports.studies.test_networks import task


@pytest.fixture(autouse=True)
def _folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    monkeypatch.setattr(command, "MODELS", tmp_path / "models")


def test_records_of_digits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """FP32, two formats with their best ranges, another accumulator; then all from cache."""
    out = tmp_path / "networks.json"
    arguments = [
        "networks",
        "--only",
        "digits",
        "--samples",
        "64",
        "--columns",
        "E4M3,MXFP8",
        "--acc",
        "exact,fp16",
        "--out",
        str(out),
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    fp32, e4m3, mx, fp16, answer = records = read_records(out)
    assert [record.conditions["study"] for record in records] == [
        "fp32",
        "formats",
        "formats",
        "accumulators",
        "answer",
    ]
    assert fp32.conditions["shapes"] == {"layer_0": "64x64x32", "scores": "64x32x10"}
    assert fp32.conditions["macs"] == 64 * (64 * 32 + 32 * 10)
    assert fp32.metrics["relative_error"].value == 0
    assert fp32.provenance.command == (
        "python -m reports.study networks --only digits --samples "
        "64 --columns E4M3,MXFP8 --acc exact,fp16"
    )
    tried = e4m3.conditions["tried"]
    assert set(tried) == {"tensor, minmax", "channel, minmax", "channel, mse"}
    assert tried[e4m3.conditions["ranges"]] == min(tried.values())
    # Ranges are chosen on other images than those of the evaluation, so errors differ.
    error = e4m3.metrics["relative_error"].value
    assert min(tried.values()) / 1.5 < error < 1.5 * min(tried.values())
    assert error not in tried.values()
    for found, beside in ((e4m3, fp32), (mx, fp32), (fp16, e4m3)):
        better, worse = (found.metrics[name].value for name in ("better", "worse"))
        change = found.metrics["change"].value
        assert 100 * (better - worse) / 64 == pytest.approx(change, abs=1e-3)
        assert change == pytest.approx(
            found.metrics["accuracy"].value - beside.metrics["accuracy"].value, abs=1e-3
        )
    assert set(e4m3.conditions["sqnr"]) == {"layer_0", "scores"}
    assert 25 < e4m3.conditions["sqnr"]["layer_0"] < 40
    assert mx.conditions["ranges"] == "block, minmax"
    assert mx.conditions["tried"] == {}
    # Products of the largest codes overflow FP16, and a saturated sum has a large error.
    best = e4m3.conditions["ranges"]
    assert fp16.conditions["ranges"] == f"{best}, headroom"
    errors = fp16.conditions["tried"]
    assert errors[best] > 3 * errors[f"{best}, headroom"]
    assert fp16.metrics["relative_error"].value < 1.2 * error
    # Cost next to accuracy, from the records of the paper's units and of arrays.
    assert e4m3.metrics["cycles_per_sample"].value == round(e4m3.metrics["cycles"].value / 64)
    assert {"area", "energy_per_sample"} <= e4m3.metrics.keys()
    assert answer.conditions["chosen"] in answer.conditions["front"]
    assert answer.conditions["sentence"].startswith("Recommended: ")
    monkeypatch.setattr(study, "simulate", None)
    again = tmp_path / "again.json"
    assert main([*arguments[:-1], str(again)]) == 0
    first, second = (
        [(r.metrics, r.conditions) for r in read_records(path)] for path in (out, again)
    )
    assert first == second


@pytest.mark.parametrize(
    ("name", "column", "samples", "layers"),
    [("direction", "MXFP8", 2, 54), ("sentences", "E4M3", 2, 48)],
)
def test_real_networks(tmp_path: Path, name: str, column: str, samples: int, layers: int) -> None:
    """A small subset of what the study does, from the packages to the records."""
    task(name, tmp_path, samples)  # Skips the test where a package is missing.
    out = tmp_path / "networks.json"
    assert (
        main(
            [
                "networks",
                "--only",
                name,
                "--samples",
                str(samples),
                "--columns",
                column,
                "--acc",
                "exact",
                "--out",
                str(out),
            ]
        )
        == 0
    )
    fp32, found, answer = read_records(out)
    assert answer.conditions["chosen"] == [column, "exact"]
    assert fp32.metrics["relative_error"].value == 0
    assert 0 < found.metrics["relative_error"].value < 40
    tried = found.conditions["tried"]
    assert (tried == {}) == (column == "MXFP8")
    assert tried == {} or tried[found.conditions["ranges"]] == min(tried.values())
    assert len(found.conditions["sqnr"]) == len(fp32.conditions["shapes"]) == layers
    assert 20 < found.metrics["median_sqnr"].value < 40
    assert found.metrics["macs"].value == fp32.conditions["macs"] > 1e7


def test_plans_are_those_of_the_settings() -> None:
    compared = 0
    for column in COLUMNS:
        for accumulator in ACCUMULATORS:
            for ranges in choices(column):
                plan = settings.plan_of(column, accumulator, ranges)
                assert str(plan.array.mac) == str(parse_mac(mac_of(column, accumulator)))
                assert plan.of_activations.zero_point == ranges.zero_point
                assert plan.of_weights.per.value == ranges.weights_per
                compared += 1
    assert compared == 5 * (2 * 4 + 4 * 3 + 1)


def test_headroom_is_tried_where_sums_may_overflow() -> None:
    best = Ranges("channel", "minmax", zero_point=True)
    roomy = Ranges("channel", "minmax", headroom=True)
    for column in ("INT8", "E5M2", "E4M3", "W4A8"):
        for accumulator in ACCUMULATORS:
            wanted = (best, roomy) if accumulator == "fp16" else (best,)
            assert accumulated(column, accumulator, best) == wanted
    block = Ranges("block", "minmax")
    assert accumulated("MXFP8", "fp16", block) == (block,)
    assert str(settings.plan_of("E4M3", "fp16", roomy)).endswith("headroom=True)")


def test_result_is_bit_exact_to_the_product(tmp_path: Path) -> None:
    """First layer of the digits by hand: encoded, multiplied by the golden model, scaled."""
    import sim
    from reports.studies.networks.measure import TASKS
    from sim.digits import load_digits, train

    task = TASKS["digits"](tmp_path, 8)
    plan = settings.plan_of("E4M3", "bf16", Ranges("tensor", "minmax"))
    got = settings.simulate(task, plan).outputs[0]
    mac, x = plan.array.mac, task.feeds[0]["images"]
    calibration = [each["images"] for each in task.calibration]
    for index, layer in enumerate(train(load_digits())):
        scales = [
            np.float64(np.float32(np.abs(side).max() / 240.0))
            for side in (np.concatenate(calibration), layer.weights)
        ]
        codes = sim.encode(x / scales[0], mac.a), sim.encode(layer.weights / scales[1], mac.b)
        sums = sim.decode(sim.matmul(*codes, mac, backend="golden"), mac.acc.fmt)
        x = (sums * (scales[0] * scales[1])).astype(np.float32) + layer.bias
        calibration = [each @ layer.weights + layer.bias for each in calibration]
        if index == 0:
            x, calibration = np.maximum(x, 0), [np.maximum(each, 0) for each in calibration]
    assert got.shape == (8, 10)
    assert np.abs(got - x).max() < 1e-6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--only", "x"],
            (
                "Network must be one of digits, direction, recogniser, sentences, "
                "photographs, not 'x'"
            ),
        ),
        (
            ["--columns", "INT8,"],
            ("Column must be one of INT8, E2M5, E3M4, E4M3, E5M2, W4A8, MXFP8, not ''"),
        ),
        (
            ["--acc", "fp64"],
            "Accumulator must be one of exact, fp32, fp16, bf16, hopper, not 'fp64'",
        ),
        (["--samples", "0"], "Samples must be an integer from 1 to 10000, not 0"),
    ],
)
def test_wrong(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "networks.json"
    with pytest.raises(SystemExit) as stop:
        main(["networks", *arguments, "--out", str(out)])
    assert stop.value.code == 2
    assert re.fullmatch(
        re.escape(f"python -m reports.study networks: error: {message}\n"), capsys.readouterr().err
    )
    assert not out.exists()


def test_help_lists_the_networks(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["networks", "--help"])
    assert "digits, direction, recogniser, sentences, photographs" in " ".join(
        capsys.readouterr().out.split()
    )
