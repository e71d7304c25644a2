# SPDX-License-Identifier: Apache-2.0
"""Two tiles flow through an array: a testbench feeds them, and Icarus records every wire."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Template

import numpy as np

from hw.build import generate
from hw.spec import ArraySpec, parse_array
from reports.registry import Measure
from reports.studies.wavefront.trace import TILES, Tiles, TraceError, check, grid_text, trace
from sim.trace.waves import Sample, samples
from synth.record import Metric, Record, provenance

MAC, SIZE = "e4m3", "4x4"
#: Instance of the array in the testbench.
DUT = "bench.dut"
#: Limit of cycles; a longer run hangs.
LIMIT = 1000

_BENCH = Template("""\
module bench;
  reg clk = 0, rst = 1;
  integer sent = 0, received = 0;
$memories
$wires
  wire sending = !rst && sent < $beats;
  wire last_beat = sent % $depth == $depth - 1;
  assign s_axis_a_tvalid = sending, s_axis_b_tvalid = sending;
  assign s_axis_a_tlast = sending && last_beat, s_axis_b_tlast = sending && last_beat;
  assign s_axis_a_tdata = sending ? a[sent] : 0, s_axis_b_tdata = sending ? b[sent] : 0;
  assign m_axis_c_tready = 1;
  $top dut ($connections);
  always #5 clk = !clk;
  always @(posedge clk) begin
    if (s_axis_a_tvalid && s_axis_a_tready) sent <= sent + 1;
    if (m_axis_c_tvalid && m_axis_c_tlast) received <= received + 1;
    if (received == $tiles) $$finish;
  end
  initial begin
$contents
    $$dumpfile("trace.vcd");
    $$dumpvars;
    repeat (2) @(posedge clk);
    rst <= 0;
    repeat ($limit) @(posedge clk);
    $$finish;
  end
endmodule
""")


class BenchError(RuntimeError):
    """The array could not be run; the message is one line."""


def record_tiles(spec: ArraySpec, tiles: Tiles, folder: Path) -> list[Sample]:
    """Generate the array into ``folder`` and run ``tiles`` back to back without stalls.

    Returns the values of all wires in each clock cycle, from reset to the last beat of C.

    Raises
    ------
    BenchError
        If Icarus is missing or reports an error.
    """
    manifest = json.loads(generate(spec, folder).read_text(encoding="utf-8"))
    widths = {port["name"]: port["width"] for port in manifest["ports"]}
    a, b = tiles.codes(spec)
    beats = {"a": _beats(np.swapaxes(a, 1, 2), spec.mac.a.width), "b": _beats(b, spec.mac.b.width)}
    bench = _BENCH.substitute(
        top=spec.name,
        beats=len(beats["a"]),
        depth=tiles.depth,
        tiles=tiles.count,
        limit=LIMIT,
        memories="\n".join(
            f"  reg [{widths[f's_axis_{name}_tdata']}-1:0] {name} [0:{len(values) - 1}];"
            for name, values in beats.items()
        ),
        wires="\n".join(
            f"  wire [{width}-1:0] {name};"
            for name, width in widths.items()
            if name not in {"clk", "rst"}
        ),
        connections=", ".join(f".{name}({name})" for name in widths),
        contents="\n".join(
            f"    {name}[{index}] = {widths[f's_axis_{name}_tdata']}'h{value:x};"
            for name, values in beats.items()
            for index, value in enumerate(values)
        ),
    )
    (folder / "bench.v").write_text(bench, encoding="utf-8")
    _tool(["iverilog", "-g2005", "-o", "bench.vvp", "bench.v", f"{spec.name}.v"], folder)
    _tool(["vvp", "-n", "bench.vvp"], folder)
    return list(samples(folder / "trace.vcd", "bench.clk"))


def _beats(vectors: np.ndarray, width: int) -> Sequence[int]:
    """One number per vector of codes (the last axis), with the first code in the low bits."""
    return [
        sum(int(code) << (width * lane) for lane, code in enumerate(vector))
        for vector in vectors.reshape(-1, vectors.shape[-1])
    ]


def icarus_version() -> str:
    """Version of Icarus."""
    return _tool(["iverilog", "-V"], Path()).split()[3]


def _tool(command: list[str], folder: Path) -> str:
    """Output of a tool; BenchError if it is missing or fails."""
    if shutil.which(command[0]) is None:
        raise BenchError(f"Program {command[0]} is not installed: run `make tools`")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{command[0]} failed: {(done.stdout + done.stderr).splitlines()[0]}")
    return done.stdout


def measure(command: str, tiles: Tiles = TILES) -> Record:
    """Record of ``tiles`` on the array, checked against the model and the closed forms.

    Raises
    ------
    BenchError
        If the array cannot be run.
    TraceError
        If it does not do what it must.
    """
    spec = parse_array(SIZE, MAC)
    with tempfile.TemporaryDirectory(prefix="wavefront-") as folder:
        cycles = record_tiles(spec, tiles, Path(folder))
    while cycles and not cycles[0][f"{DUT}.s_axis_a_tvalid"]:  # The reset.
        del cycles[0]
    conditions = {
        "mac": MAC,
        "array": SIZE,
        "k": tiles.depth,
        "tiles": tiles.count,
        "a": [grid_text(tile) for tile in tiles.a],
        "b": [grid_text(tile) for tile in tiles.b],
        "trace": trace(cycles, spec, DUT),
    }
    tools = {**provenance("x", tools=("amaranth", "pyosys")).tools, "iverilog": icarus_version()}
    return Record(
        subject=spec.name,
        conditions=conditions,
        metrics={
            "cycles": Metric(len(cycles), "cycle"),
            "first_beat_of_c": Metric(spec.first_result(tiles.depth), "cycle"),
            "values_equal_to_the_model": Metric(check(conditions)),
        },
        provenance=provenance(command, tools=tools),
    )


MEASURE = Measure(
    run=lambda options: [measure(options.command)], tool_errors=(BenchError, TraceError)
)
