# SPDX-License-Identifier: Apache-2.0
"""Streams and cycle numbers of the clock-by-clock model against compiled RTL."""

import pytest

from hw.spec import parse_array
from reports.studies.cycles import measure as command
from reports.studies.cycles.measure import ARRAYS, LARGE, cases, compare
from synth.record import read_records
from tests.support.tiers import tiers

#: Fixed and floating point, each with one dataflow.
OFTEN = ("array_3x2_os_int8_fx28", "array_2x3_ws_e5m2_fp32_d7")


def check(spec):
    """Nothing differs, and an array that can be full is full; gives the cases."""
    found = {name: metric.value for name, metric in command.measure(spec).metrics.items()}
    assert found["differences"] == found["cycles_unlike_closed_form"] == 0
    assert found["full_in_steady_state"] == found["could_be_full"] > 0
    assert found["outputs"] > 4 * found["cycles"] > 8000
    return found["cases"]


@pytest.mark.parametrize("spec", tiers(
    ARRAYS, [spec for spec in ARRAYS if spec.name in OFTEN]), ids=lambda spec: spec.name)
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
        """Answers as if nothing were ever ready."""

        def reset(self):
            """Do nothing."""

        def run(self, rows):
            """Zeros of the right shape."""
            names = ("s_axis_a_tready", "s_axis_b_tready", "m_axis_c_tvalid", "m_axis_c_tlast",
                     "m_axis_c_tdata", "error")
            return dict.fromkeys(names, rows["s_axis_a_tvalid"] & 0)

    spec = parse_array("1x1", "int8")
    found = compare(spec, Other(), (2, 3, 1), {}, 0)
    # 2 tiles of 3 beats are ready for A and for B, and 2 sums are valid, last and not 0.
    assert found.product == found.cycles == spec.cycles(2, 3, 1) == 8
    assert found.outputs == 4 * 8 + 2 * 2
    assert found.differences >= 6 + 6 + 2 + 2
    assert found.steady


def test_record_has_every_array():
    """The record is of what is compared today, and says that all of it is equal."""
    kept = read_records(command.RECORDS)
    assert [record.subject for record in kept] == [spec.name for spec in (*ARRAYS, *LARGE)]
    counts = [record.metrics["cases"].value for record in kept]
    assert counts == [len(list(cases(spec))) for spec in (*ARRAYS, *LARGE)]
    assert sum(counts) == 576
    assert sum(record.metrics["differences"].value for record in kept) == 0


def test_command_lists_and_refuses(capsys):
    assert command.main(["--list"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == ARRAYS[0].name
    with pytest.raises(SystemExit, match=r"^2$"):
        command.main(["--lists"])
    assert capsys.readouterr().err == (
        "python -m synth.cycles: error: unrecognized arguments: --lists\n")
