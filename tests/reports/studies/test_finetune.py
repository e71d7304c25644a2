# SPDX-License-Identifier: Apache-2.0
"""Training on rounded operands: rounding, gradients, and errors."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from reports.study import main
from synth.record import read_records

TORCH = "PyTorch is not installed (locks/training.txt)"


def test_layer_computes_on_rounded_operands() -> None:
    """Steps are sevenths of the largest activation, and of the largest weight of each output."""
    torch = pytest.importorskip("torch", reason=TORCH)
    from reports.studies.finetune.training import Rounded, scheme

    linear = torch.nn.Linear(2, 2, bias=False)
    linear.weight.data = torch.tensor([[7.0, 3.2], [0.7, -0.13]])
    layer = Rounded(linear)
    x = torch.tensor([[1.0, 0.55]])
    assert layer(x).tolist() == linear(x).tolist()
    layer.operands = scheme("int4", "int4")
    layer.largest = torch.tensor(1.0)
    # 0.55 is 3.85 sevenths.
    wanted = [7 * 1 + 3 * 4 / 7, 0.7 - 0.1 * 4 / 7]
    assert layer(x)[0].tolist() == pytest.approx(wanted, rel=1e-6)


def test_gradient_passes_what_does_not_saturate() -> None:
    torch = pytest.importorskip("torch", reason=TORCH)
    from reports.studies.finetune.training import Rounded, scheme

    layer = Rounded(torch.nn.Linear(2, 1, bias=False))
    layer.layer.weight.data = torch.tensor([[1.0, -1.0]])
    layer.operands, layer.largest = scheme("int8", "int8"), torch.tensor(1.0)
    x = torch.tensor([[0.3, 2.0]], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [[1.0, 0.0]]
    assert layer.layer.weight.grad[0].tolist() == pytest.approx([0.3, 1.0], abs=1 / 127)


@pytest.mark.slow
def test_record_of_one_seed(tmp_path: Path) -> None:
    """After brief training both networks classify most digits, except in formats of few bits."""
    pytest.importorskip("torch", reason=TORCH)
    out = tmp_path / "finetune.json"
    assert main(["finetune", "--seeds", "1", "--epochs", "5", "--out", str(out)]) == 0
    records = read_records(out)
    assert [record.subject for record in records] == ["dense 64-32-10", "convolutional 8-16"]
    for record in records:
        assert len(record.metrics) == 1 + 7 + 6 + 1 + 6
        fp32 = record.metrics["fp32"].value
        assert fp32 > 80
        for name in ("ptq_INT8", "ptq_E2M5", "qat_E4M3", "trained_in_fp8_to_INT8"):
            assert abs(record.metrics[name].value - fp32) < 8, name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seeds", "0"], "Seeds must be an integer from 1 to 100, not 0"),
        (["--epochs", "1001"], "Epochs must be an integer from 1 to 1000, not 1001"),
        (["--epochs", "x"], "argument --epochs: invalid int value: 'x'"),
        ([], "Package torch is not installed: run `make study NAME=finetune`"),
    ],
)
def test_wrong(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    out = tmp_path / "finetune.json"
    with pytest.raises(SystemExit) as stop:
        main(["finetune", *arguments, "--out", str(out)])
    assert stop.value.code == 2
    assert re.fullmatch(
        re.escape(f"python -m reports.study finetune: error: {message}\n"), capsys.readouterr().err
    )
    assert not out.exists()


def test_nearest_is_the_quantisers() -> None:
    """Rounding in training equals `sim.quantize`, in every format."""
    torch = pytest.importorskip("torch", reason=TORCH)
    from reports.studies.finetune.training import SCHEMES, _Nearest
    from sim.quantize import calibrate

    x = np.random.default_rng(1).normal(0, 1, 4096).astype(np.float32)
    compared = 0
    for operands in SCHEMES.values():
        if operands.weights:
            wanted = calibrate(x, operands.weights.name)
            scale = torch.tensor(np.float32(wanted.scale[0]))
            got = _Nearest.apply(torch.from_numpy(x), scale, operands.weights).numpy()
            # PyTorch divides in binary32: a number at a tie may go the other way.
            assert (np.abs(got - wanted(x)) > 1e-6).mean() < 1e-3
            compared += 1
    assert compared == 7
