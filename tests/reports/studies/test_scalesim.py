# SPDX-License-Identifier: Apache-2.0
"""SCALE-Sim beside closed forms: a difference that is not explained is found."""

from dataclasses import replace

import pytest

from hw.spec import Dataflow, parse_array
from reports.studies.bench import scalesim
from reports.studies.bench.measure import MismatchError
from reports.studies.bench.scalesim import LAYERS, Layer, ScaleSimError, compare, model, terms
from synth.record import provenance

ORIGIN = provenance("test")
#: Cycles that SCALE-Sim 3.0.0 told for a product of 256 x 256 x 256 on 16 x 16 elements.
TOLD = {Dataflow.OS: 73215, Dataflow.WS: 77311}


@pytest.mark.parametrize("dataflow", Dataflow)
def test_folds_are_those_of_scalesim(dataflow):
    spec = replace(parse_array("16x16", "int8"), dataflow=dataflow)
    folds, cycles = model(spec, 256, 256, 256)
    assert folds * cycles - 1 == TOLD[dataflow]
    assert TOLD[dataflow] - spec.cycles(256, 256, 256) == sum(
        terms(spec, 256, 256, 256).values())


def test_layers_are_products():
    assert Layer("x", 15, 13, 3, 5, 8, 24, 2).gemm == (7 * 5, 3 * 5 * 8, 24)
    assert next(layer for layer in LAYERS if layer.name == "gemm_7x33x5").gemm == (7, 33, 5)


@pytest.fixture
def told(monkeypatch):
    """SCALE-Sim as its closed form has it, some cycles off."""
    off = []
    monkeypatch.setattr(scalesim, "run_scalesim", lambda spec, layers: [
        (lambda folds, cycles: folds * cycles - 1 + sum(off))(*model(spec, *layer.gemm))
        for layer in layers])
    return off


def test_every_difference_is_explained(told):
    records = compare(ORIGIN, [LAYERS[0], LAYERS[8]], ["4x6"])
    assert len(records) == 4
    for record in records:
        ours, theirs = (record.metrics[name].value for name in ("cycles", "scalesim_cycles"))
        assert theirs - ours == sum(record.conditions["causes"].values())
        assert record.conditions["stepped"]


def test_a_difference_without_cause_is_found(told):
    told.append(1)
    with pytest.raises(MismatchError) as caught:
        compare(ORIGIN, LAYERS[:1], ["4x4"])
    assert str(caught.value) == ("Cycles of SCALE-Sim must be 351, not 352 "
                                 "(gemm_16x16x16 on array_4x4_os_int8_fx28)")


def test_scalesim_that_is_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(scalesim, "ENVIRONMENT", tmp_path / "python")
    with pytest.raises(ScaleSimError) as caught:
        compare(ORIGIN, LAYERS[:1], ["4x4"])
    assert str(caught.value) == (
        "SCALE-Sim must be installed under build/scalesim (make bench), and is not")


@pytest.mark.slow
@pytest.mark.skipif(not scalesim.ENVIRONMENT.exists(), reason="no SCALE-Sim: make build/scalesim")
def test_scalesim_itself_tells_what_its_model_does():
    records = compare(ORIGIN, [LAYERS[0], LAYERS[8], LAYERS[-1]], ["5x3"])
    assert len(records) == 6
