# SPDX-License-Identifier: Apache-2.0
"""The record of the clock-by-clock model's speed."""

import pytest

from hw.spec import parse_array
from reports.studies.cycles import speed


@pytest.mark.parametrize("flow", ["os", "ws"])
def test_record_tells_the_rate(flow):
    spec = parse_array("2x2", "int8", dataflow=flow)
    record = speed.measure(spec, runs=2)
    found = {name: metric.value for name, metric in record.metrics.items()}
    assert found["cycles"] == spec.cycles(4, 250, 4)
    assert 100 < found["slowest_run"] <= found["cycles_per_second"]
    assert record.conditions["product"] == "4x250x4"


def test_command_refuses_in_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        speed.main(["--runs", "0", "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr().err == (
        "python -m reports.studies.cycles.speed: error: Runs must be a positive number, not 0\n")
    assert not list(tmp_path.iterdir())
