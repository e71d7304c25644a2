# SPDX-License-Identifier: Apache-2.0
"""Gates over INT8 beside the paper's ratios: its figure read strictly, misses shown."""

from functools import cache

import pytest

from hw.spec import FloatAccumulator, parse_mac
from reports.studies.ratios import measure as ratios
from reports.study import main
from synth.flow import gates
from synth.flow.handcount import figure
from synth.record import read_records


def test_allowed_gates_are_those_of_the_paper():
    int8, *bars = figure()
    allowed = {str(bar.mac): ratios.allowed_gates(bar, int8) for bar in bars
               if isinstance(bar.mac.acc, FloatAccumulator)}
    assert len(allowed) == 10
    # +53 % and +183 %, the paper's headline.
    assert abs(allowed["binary8p4,acc=fp16-sat"] - 1.534 * 472) < 2
    assert abs(allowed["binary8p4,acc=fp32-sat"] - 2.83 * 472) < 2


def test_record_of_a_unit_says_what_was_counted(monkeypatch):
    count_mac = cache(gates.count_mac)
    monkeypatch.setattr(ratios, "count_mac", count_mac)
    bar = next(bar for bar in figure() if str(bar.mac) == "binary8p3,acc=fp16-sat")
    record, = ratios.measure("x", [bar])
    value = {name: metric.value for name, metric in record.metrics.items()}
    assert record.subject == bar.mac.name
    for recipe in ("keep", "default"):
        found = count_mac(bar.mac, recipe).two_input
        int8 = count_mac(parse_mac("int8,acc=int27"), recipe).two_input
        assert value[f"two_input_gates_{recipe}"] == found
        assert value[f"beyond_{recipe}"] == max(found - value["gates_at_paper_ratio"], 0)
        assert value[f"ratio_{recipe}"] == round(found / int8, 3)
        assert value[f"without_subnormal_operands_{recipe}"] == count_mac(
            parse_mac("e5m2:p3109-daz,acc=fp16-sat"), recipe).two_input < found


def test_ratios_are_written(tmp_path, capsys, monkeypatch):
    bar = next(bar for bar in figure() if str(bar.mac) == "int8,acc=fp16-sat")
    monkeypatch.setattr(ratios, "figure", lambda: [figure()[0], bar])
    out = tmp_path / "ratios.json"
    assert main(["ratios", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    record, = read_records(out)
    value = {name: metric.value for name, metric in record.metrics.items()}
    assert value["beyond_keep"] == value["beyond_default"] == 0
    assert value["without_subnormal_operands_keep"] == value["two_input_gates_keep"]


def test_ratios_wrong(tmp_path, capsys):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["ratios", "--out", str(tmp_path / "file" / "x.json"), "more"])
    assert capsys.readouterr().err == (
        "python -m reports.study ratios: error: unrecognized arguments: more\n")
