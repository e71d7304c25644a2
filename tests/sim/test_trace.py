# SPDX-License-Identifier: Apache-2.0
"""Waveforms read cycle by cycle: what registers see at an edge, not what they then show."""

from pathlib import Path

from sim.trace.vcd import samples

HEAD = """$timescale 1ns $end
$scope module bench $end
$var reg 1 ! clk $end
$var wire 4 " sum [3:0] $end
$scope module dut $end
$var wire 1 # busy $end
$var wire 4 " data [3:0] $end
$upscope $end
$upscope $end
$enddefinitions $end
"""


def read(path: Path, changes: str) -> list[dict[str, int | None]]:
    """Samples of a waveform with these changes."""
    path.write_text(HEAD + changes)
    return list(samples(path, "bench.clk"))


def test_samples_are_taken_before_the_edge(tmp_path: Path) -> None:
    """A register that changes with the edge, listed before or after it, shows its old value."""
    found = read(tmp_path / "x.vcd", "#0\n0!\nbx \"\n0#\n#5\n1!\nb101 \"\n#10\n0!\n1#\n"
                                     "#15\nb11 \"\n1!\n#20\n0!\n")
    assert found == [
        {"bench.clk": 0, "bench.sum": None, "bench.dut.data": None, "bench.dut.busy": 0},
        {"bench.clk": 0, "bench.sum": 5, "bench.dut.data": 5, "bench.dut.busy": 1}]


def test_samples_need_an_edge(tmp_path: Path) -> None:
    """A clock that starts high, or only becomes known, has not risen."""
    assert read(tmp_path / "x.vcd", "#0\n1!\n#5\n0!\n#6\nx!\n#7\n1!\n#9\n0#\n") == []
