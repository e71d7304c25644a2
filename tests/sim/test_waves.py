# SPDX-License-Identifier: Apache-2.0
"""Waves of the cycle-accurate model: read back, they equal its registers; the command's files."""

import json
from pathlib import Path

import numpy as np
import pytest

from hw.spec import parse_array
from sim.cycle import matmul
from sim.cycle.wires import wires
from sim.run.__main__ import main
from sim.trace.waves import samples, waves

UNIT = ["--mac", "e4m3", "--acc", "fp16", "--array", "2x3", "--size", "4x5x6"]


@pytest.mark.parametrize(
    ("unit", "flow", "out"),
    [
        ("e4m3", "os", None),
        ("e4m3,acc=fp16,pipeline=1", "ws", None),
        ("e5m2,acc=fp32,lanes=2", "os", None),
        ("int8", "ws", None),
        ("int8", "os", "int4,scale=pow2,zero_point=yes"),
    ],
)
def test_waves_hold_every_register_and_stream(tmp_path, unit, flow, out):
    spec = parse_array("2x3", unit, dataflow=flow, out=out)
    given = {"scale": np.arange(-11, 1).reshape(3, 4), "zero_point": -3} if out else {}
    rng = np.random.default_rng(1)
    a, b = (rng.integers(0, 256, shape, dtype=np.uint64) for shape in ((3, 9), (9, 4)))
    kept, seen = [], []
    with waves(tmp_path / "x.vcd", spec) as made:

        def probe(array):
            kept.append(
                {
                    name: int(bits)
                    for group in wires(spec)
                    for name, bits in zip(group.names, group.read(array), strict=True)
                }
            )
            made.probe(array)

        def watch(inputs, outputs):
            seen.append((inputs, outputs))
            made.watch(inputs, outputs)

        done = matmul(
            a,
            b,
            spec,
            probe=probe,
            watch=watch,
            **given,
            stalls={"a": [0, 0, 1], "c": [0, 1, 0, 0]},
        )
    found = list(samples(tmp_path / "x.vcd", f"{spec.name}.clk"))
    assert len(found) == len(kept) >= done.cycles > spec.cycles(3, 9, 4)
    for cycle, (wanted, (inputs, outputs)) in enumerate(zip(kept, seen, strict=True)):
        row = {name.removeprefix(f"{spec.name}."): bits for name, bits in found[cycle].items()}
        assert {name: row[name] for name in wanted} == wanted, cycle
        assert row["s_axis_a_tvalid"] == inputs.a_tvalid
        assert row["s_axis_b_tready"] == outputs.b_tready
        assert row["m_axis_c_tvalid"] == outputs.c_tvalid
        assert row["s_axis_b_tdata"] == sum(
            int(code) << 8 * place for place, code in enumerate(inputs.b_tdata.ravel())
        )
        if out:
            assert row["c_scale"] == sum(
                int(one) % 256 << 8 * place for place, one in enumerate(inputs.c_scale)
            )
            assert row["c_zero_point"] == sum(
                int(one) % 16 << 4 * place for place, one in enumerate(inputs.c_zero_point)
            )
        slot = (1 << spec.slot_width) - 1
        assert row["m_axis_c_tdata"] == sum(
            (int(c) & slot) << spec.slot_width * i for i, c in enumerate(outputs.c_tdata)
        )
    assert sum(map(len, kept)) > 1000


@pytest.mark.parametrize("flow", ["os", "ws"])
def test_run_writes_waves_again_alike(tmp_path, capsys, flow):
    """The same bytes for the same run; the savefile names existing signals."""
    texts = []
    for name in ("x", "y"):
        file = tmp_path / name / "w.vcd"
        assert main([*UNIT, "--dataflow", flow, "--trace", str(file)]) == 0
        assert capsys.readouterr().out.splitlines()[-2:] == [
            str(file),
            str(file.with_suffix(".gtkw")),
        ]
        texts.append([path.read_text() for path in sorted(file.parent.iterdir())])
    assert texts[0] == texts[1]
    shown, dump = texts[0]
    assert '[dumpfile] "w.vcd"' in shown
    top = f"array_2x3_{flow}_e4m3_fp16"
    signals = [
        line.removeprefix(f"{top}.").split("[")[0]
        for line in shown.splitlines()
        if line.startswith(f"{top}.")
    ]
    assert len(signals) > 6 * 5
    declared = {line.split()[4] for line in dump.splitlines() if line.startswith("$var")}
    assert {signal.rsplit(".", 1)[-1] for signal in signals} <= declared


def test_run_with_waves_and_page_prints_the_same(tmp_path, capsys):
    found = []
    for more in ([], ["--trace", str(tmp_path / "x.vcd"), "--view", str(tmp_path / "x.html")]):
        assert main([*UNIT, *more, "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert [run["backend"] for run in found] == ["fast", "cycle"]
    for name in ("cycles", "checksum", "utilisation", "bytes"):
        assert found[0][name] == found[1][name]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.gtkw", "x.html", "x.vcd"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--trace", "{x}.vcd", "--backend", "fast"],
            "--trace needs the backend cycle: leave out --backend fast",
        ),
        (
            ["--view", "{x}.html", "--backend", "rtl"],
            "--view needs the backend cycle: leave out --backend rtl",
        ),
        (
            ["--trace", "{x}.gtkw"],
            (
                "Trace file '{x}.gtkw' has the name of its GTKWave savefile: "
                "choose another suffix, such as .vcd"
            ),
        ),
        (
            ["--trace", "{x}.vcd", "--size", "2x400000x3"],
            "Trace cycles must be at most 333333 on 2x3 elements, not 400006",
        ),
        (
            ["--view", "{x}.html", "--size", "2x40000x3"],
            "View cycles must be at most 33333 on 2x3 elements, not 40006",
        ),
        (["--trace", "{folder}"], "Output file '{folder}' cannot be written: is a directory"),
    ],
)
def test_run_refuses_in_one_line(tmp_path, capsys, arguments, message):
    names = {"x": str(tmp_path / "x"), "folder": str(tmp_path / "folder.vcd")}
    (tmp_path / "folder.vcd").mkdir()
    with pytest.raises(SystemExit, match=r"^2$"):
        main([*UNIT, *(word.format(**names) for word in arguments)])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == f"python -m sim.run: error: {message.format(**names)}"
    assert [path.name for path in tmp_path.iterdir()] == ["folder.vcd"]


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
    found = read(
        tmp_path / "x.vcd",
        '#0\n0!\nbx "\n0#\n#5\n1!\nb101 "\n#10\n0!\n1#\n#15\nb11 "\n1!\n#20\n0!\n',
    )
    assert found == [
        {"bench.clk": 0, "bench.sum": None, "bench.dut.data": None, "bench.dut.busy": 0},
        {"bench.clk": 0, "bench.sum": 5, "bench.dut.data": 5, "bench.dut.busy": 1},
    ]


def test_samples_need_an_edge(tmp_path: Path) -> None:
    """A clock that starts high, or changes from unknown to high, has no rising edge."""
    assert read(tmp_path / "x.vcd", "#0\n1!\n#5\n0!\n#6\nx!\n#7\n1!\n#9\n0#\n") == []
