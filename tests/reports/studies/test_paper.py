# SPDX-License-Identifier: Apache-2.0
"""The paper's units: mapped netlists against the model, records against the figure; gates over INT8
against the paper's ratios.
"""

import json
import re
from dataclasses import replace
from functools import cache as cached
from pathlib import Path

import pytest

from hw.spec import FixedAccumulator, FloatAccumulator, SpecError, parse_mac
from reports.studies.paper import measure as paper
from reports.studies.paper.figure import figure
from reports.studies.ratios import measure as ratios
from reports.study import main
from synth.flow import cache, design
from synth.flow.design import of_unit
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.flow.verify import LENGTH, verify
from synth.record import Metric, read_records
from tests.support.tiers import tiers

SMALL = Path(__file__).parents[2] / "data" / "small.lib"

pytestmark = pytest.mark.synth


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")


def mapped(spec):
    design = of_unit(spec)
    return map_to_cells(design.verilog, design.top, read([SMALL]))


SMALL_UNITS = ("e2m1,acc=e5m2-sat,pipeline=1", "int4,acc=int9", "e2m1")


@pytest.mark.parametrize("spelling", tiers(SMALL_UNITS, SMALL_UNITS[:-1]))
def test_netlist_equals_the_model(spelling):
    spec = parse_mac(spelling)
    found = verify(mapped(spec), read([SMALL]), spec, states=2000)
    assert found.pairs == 256
    assert found.states >= 2000
    assert found.states % LENGTH == 0
    assert found.mismatches == 0


def test_netlist_with_a_fault_differs():
    spec = parse_mac("e2m1,acc=e5m2-sat")
    sound = mapped(spec)
    places = [match.start() for match in re.finditer(r"\bXOR2 ", sound.verilog)]
    noticed = 0
    for place in places[:2]:
        text = sound.verilog[:place] + "NAND2" + sound.verilog[place + 4 :]
        cells = dict(sound.cells) | {"NAND2": sound.cells.get("NAND2", 0) + 1}
        wrong = replace(sound, verilog=text, cells=cells)
        noticed += verify(wrong, read([SMALL]), spec, states=2000).mismatches > 0
    assert noticed == 2


def test_verify_wrong():
    spec = parse_mac("e4m3,lanes=2")
    with pytest.raises(
        SpecError,
        match=r"^Netlist unit must be one lane of operands with at most 16 bits "
        r"in total, not 'e4m3,acc=fx49m18,lanes=2'$",
    ):
        verify(None, read([SMALL]), spec)


def test_record_is_shown_with_figure_and_hand_count():
    bar = next(bar for bar in figure() if isinstance(bar.mac.acc, FixedAccumulator))
    record = paper.paper_record(bar, read([SMALL]), "x", states=500)
    values = {name: metric.value for name, metric in record.metrics.items()}
    assert (values["hand_total"], values["figure_low"], values["figure_high"]) == (727, 718, 721)
    assert (values["netlist_pairs"], values["netlist_mismatches"]) == (65536, 0)
    assert values["two_input_gates_keep"] > 300
    assert record.conditions["pair"] == "int8"
    again = paper.paper_record(bar, read([SMALL]), "x", states=500)
    assert again.metrics == record.metrics


def test_record_without_library_names_what_is_missing():
    record = paper.paper_record(figure()[0], None, "x")
    assert "netlist_pairs" not in record.metrics
    assert "comparison of the mapped netlist with the model (no library)" in record.not_done


def test_command_fails_where_a_netlist_differs(tmp_path, monkeypatch, capsys):
    record = paper.paper_record(figure()[0], None, "x")
    metrics = dict(record.metrics) | {"netlist_mismatches": Metric(1, "state")}
    monkeypatch.setattr(
        paper, "paper_record", lambda *args, **kwargs: replace(record, metrics=metrics)
    )
    out = tmp_path / "paper.json"
    assert main(["paper", "--liberty", str(SMALL), "--out", str(out)]) == 1
    assert "netlists differ from the model: mac_int8_fx27" in capsys.readouterr().err
    assert len(json.loads(out.read_text())["records"]) == 15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--states", "0"], "States must be a whole number from 1, not '0'"),
        (["--liberty", "none.lib"], "Liberty file must be a readable file, not 'none.lib'"),
    ],
)
def test_command_wrong(arguments, message, tmp_path, capsys):
    out = tmp_path / "paper.json"
    with pytest.raises(SystemExit) as ended:
        main(["paper", *arguments, "--out", str(out)])
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"python -m reports.study paper: error: {message}\n"
    assert not out.exists()


def test_allowed_gates_are_those_of_the_paper():
    int8, *bars = figure()
    allowed = {
        str(bar.mac): ratios.allowed_gates(bar, int8)
        for bar in bars
        if isinstance(bar.mac.acc, FloatAccumulator)
    }
    assert len(allowed) == 10
    # +53 % and +183 %, the paper's headline.
    assert abs(allowed["binary8p4,acc=fp16-sat"] - 1.534 * 472) < 2
    assert abs(allowed["binary8p4,acc=fp32-sat"] - 2.83 * 472) < 2


def test_record_of_a_unit_names_what_was_counted(monkeypatch):
    count_mac = cached(design.count_mac)
    monkeypatch.setattr(ratios, "count_mac", count_mac)
    bar = next(bar for bar in figure() if str(bar.mac) == "binary8p3,acc=fp16-sat")
    (record,) = ratios.measure("x", [bar])
    value = {name: metric.value for name, metric in record.metrics.items()}
    assert record.subject == bar.mac.name
    for recipe in ("keep", "default"):
        found = count_mac(bar.mac, recipe).two_input
        int8 = count_mac(parse_mac("int8,acc=int27"), recipe).two_input
        assert value[f"two_input_gates_{recipe}"] == found
        assert value[f"beyond_{recipe}"] == max(found - value["gates_at_paper_ratio"], 0)
        assert value[f"ratio_{recipe}"] == round(found / int8, 3)
        assert (
            value[f"without_subnormal_operands_{recipe}"]
            == count_mac(parse_mac("e5m2:p3109-daz,acc=fp16-sat"), recipe).two_input
            < found
        )


def test_ratios_are_written(tmp_path, capsys, monkeypatch):
    bar = next(bar for bar in figure() if str(bar.mac) == "int8,acc=fp16-sat")
    monkeypatch.setattr(ratios, "figure", lambda: [figure()[0], bar])
    out = tmp_path / "ratios.json"
    assert main(["ratios", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    (record,) = read_records(out)
    value = {name: metric.value for name, metric in record.metrics.items()}
    assert value["beyond_keep"] == value["beyond_default"] == 0
    assert value["without_subnormal_operands_keep"] == value["two_input_gates_keep"]
