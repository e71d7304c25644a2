# SPDX-License-Identifier: Apache-2.0
"""Streams and cycle numbers of the cycle-accurate model against compiled RTL, and its speed."""

import pytest

from hw.spec import parse_array
from hw.spec.folders import ROOT
from reports.studies.cycles import measure as command
from reports.studies.cycles import speed
from reports.studies.cycles.measure import ARRAYS, LARGE, SHAPES, cases, compare
from reports.study import main
from synth.record import Metric, read_records
from tests.support.tiers import tiers

__all__ = []

#: Fixed and floating point, each with one dataflow.
OFTEN = ("array_3x2_os_int8_fx28", "array_2x3_ws_e5m2_fp32_d7")


def check(spec):
    """Nothing differs, and arrays that can be full are full; returns the number of cases."""
    found = {name: metric.value for name, metric in command.measure(spec).metrics.items()}
    assert found["differences"] == found["cycles_unlike_closed_form"] == 0
    assert found["full_in_steady_state"] == found["could_be_full"] > 0
    assert found["outputs"] > 4 * found["cycles"] > 8000
    return found["cases"]


@pytest.mark.parametrize(
    "spec",
    tiers(ARRAYS, [spec for spec in ARRAYS if spec.name in OFTEN]),
    ids=lambda spec: spec.name,
)
def test_streams_equal_the_rtl_in_every_cycle(spec):
    """Shapes by stalls, 42 an array and 504 in all, half of them of each dataflow."""
    assert check(spec) == 42


@pytest.mark.slow
@pytest.mark.parametrize("spec", LARGE, ids=lambda spec: spec.name)
def test_streams_of_a_large_array_equal_the_rtl(spec):
    assert check(spec) == 18


def test_a_difference_is_found(monkeypatch):
    """The RTL of another array is not equal."""

    class Other:
        """A model in which nothing is ever ready."""

        def reset(self):
            """Do nothing."""

        def run(self, rows):
            """Zeros of the right shape."""
            names = (
                "s_axis_a_tready",
                "s_axis_b_tready",
                "m_axis_c_tvalid",
                "m_axis_c_tlast",
                "m_axis_c_tdata",
                "error",
            )
            return dict.fromkeys(names, rows["s_axis_a_tvalid"] & 0)

    spec = parse_array("1x1", "int8")
    found = compare(spec, Other(), (2, 3, 1), {}, 0)
    # 2 tiles of 3 beats are ready for A and for B, and 2 sums are valid, last and not 0.
    assert found.product == found.cycles == spec.cycles(2, 3, 1) == 8
    assert found.outputs == 4 * 8 + 2 * 2
    assert found.differences >= 6 + 6 + 2 + 2
    assert found.steady


def test_record_has_every_array():
    """The record has all present cases, and no differences."""
    kept = read_records(ROOT / "reports" / "data" / "cycles.json")
    assert [record.subject for record in kept] == [spec.name for spec in (*ARRAYS, *LARGE)]
    counts = [record.metrics["cases"].value for record in kept]
    assert counts == [len(list(cases(spec))) for spec in (*ARRAYS, *LARGE)]
    assert sum(counts) == 576
    assert sum(record.metrics["differences"].value for record in kept) == 0


def test_command_measures_an_array_and_refuses_others(tmp_path, capsys, monkeypatch):
    out, name = tmp_path / "cycles.json", "array_3x2_os_int8_fx28"
    monkeypatch.setattr(command, "SHAPES", SHAPES[:2])
    assert main(["cycles", "--only", name, "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    (record,) = read_records(out)
    assert (record.subject, record.metrics["cases"].value) == (name, 12)
    assert command.faults([record]) == ""
    record.metrics["differences"] = Metric(1, "value")
    assert command.faults([record]) == f"RTL, model and closed form differ: {name}"
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["cycles", "--only", "array", "--out", str(out)])
    names = ", ".join(spec.name for spec in (*ARRAYS, *LARGE))
    assert capsys.readouterr().err.splitlines()[-1] == (
        f"python -m reports.study cycles: error: Array must be one of {names}, not 'array'"
    )


@pytest.mark.parametrize("flow", ["os", "ws"])
def test_record_shows_the_rate(flow):
    spec = parse_array("2x2", "int8", dataflow=flow)
    record = speed.measure(spec, runs=2)
    found = {name: metric.value for name, metric in record.metrics.items()}
    assert found["cycles"] == spec.cycles(4, 250, 4)
    assert 100 < found["slowest_run"] <= found["cycles_per_second"]
    assert record.conditions["product"] == "4x250x4"


def test_speed_refuses_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["sim_cycle", "--runs", "0", "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr().err == (
        "python -m reports.study sim_cycle: error: Runs must be a positive number, not 0\n"
    )
    assert not list(tmp_path.iterdir())
