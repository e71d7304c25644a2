# SPDX-License-Identifier: Apache-2.0
"""An array's RTL and its clock-by-clock model on the same inputs, register by register."""

import subprocess

import numpy as np

from hw.generate import generate
from hw.spec import Dataflow
from sim.cycle import Inputs, array
from sim.trace import samples

__all__ = ["CYCLES", "lockstep", "packed", "result", "results_registers", "skews", "stimulus"]

CYCLES = 300
BENCH = """module bench; reg clk = 0, rst, av, al, bv, bl, cr; reg [1:0] au; reg [A-1:0] a;
reg [B-1:0] b; reg [A+B+7:0] rows [0:N-1]; integer i;
TOP dut(.clk(clk), .rst(rst), .s_axis_a_tvalid(av), .s_axis_a_tdata(a), .s_axis_a_tlast(al),
  USER .s_axis_b_tvalid(bv), .s_axis_b_tdata(b), .s_axis_b_tlast(bl), .m_axis_c_tready(cr));
initial begin $readmemh("rows.hex", rows); $dumpfile("x.vcd"); $dumpvars(0, bench); MEMORIES
  for (i = 0; i < N; i = i + 1) begin {au, rst, av, al, bv, bl, cr, a, b} = rows[i];
    #5 clk = 1; #5 clk = 0; end end endmodule
"""
USER = ".s_axis_a_tuser(au),"


def stimulus(spec, seed, b_last=None):
    """Random inputs: every stream stalls, tiles end at random, the array is reset at times.

    ``b_last`` says where a tile of B ends in each cycle; without it tiles end with those of A.
    """
    rng, mac = np.random.default_rng(seed), spec.mac
    rows = []
    for cycle in range(CYCLES):
        calm = cycle % 100 < 60
        last = rng.random() < 0.2
        odd = rng.random() < 0.01
        ends = last if b_last is None else b_last[cycle]
        rows.append(Inputs(
            rng.random() < (0.95 if calm else 0.5),
            rng.integers(0, 1 << mac.a.width, (spec.rows, mac.lanes)), last,
            rng.random() < (0.95 if calm else 0.6),
            rng.integers(0, 1 << mac.b.width, (spec.cols, mac.lanes)), ends ^ odd,
            rng.random() < (0.9 if calm else 0.4), cycle < 2 or rng.random() < 0.01,
            int(rng.integers(0, 4)) if spec.dataflow is Dataflow.WS else 0))
    return rows


def packed(codes, width):
    """Codes side by side, the first one in the low bits."""
    return sum(int(code) << place * width for place, code in enumerate(np.ravel(codes)))


def waveform(spec, rows, folder, memories=()):
    """Wires of the RTL in each cycle, and the words of the memories of these names."""
    generate(spec, folder)
    mac = spec.mac
    a, b = (-(-side * mac.lanes * fmt.width // 8) * 8
            for side, fmt in ((spec.rows, mac.a), (spec.cols, mac.b)))
    bench = BENCH.replace("USER", USER if spec.dataflow is Dataflow.WS else "").replace(
        "MEMORIES", " ".join(f"$dumpvars(0, bench.dut.{word});" for word in memories))
    for name, value in (("[A-1", a), ("[B-1", b)):
        bench = bench.replace(name, f"[{value - 1}")
    bench = bench.replace("A+B+7", str(a + b + 7)).replace("N-1", str(len(rows) - 1))
    bench = bench.replace("< N", f"< {len(rows)}").replace("TOP", spec.name)
    (folder / "bench.v").write_text(bench)
    text = []
    for row in rows:
        bits = [row.c_tready, row.b_tlast, row.b_tvalid, row.a_tlast, row.a_tvalid, row.rst,
                row.a_tuser & 1, row.a_tuser >> 1]
        data = packed(row.b_tdata, mac.b.width) | packed(row.a_tdata, mac.a.width) << b
        text.append(f"{packed(bits, 1) << a + b | data:x}")
    (folder / "rows.hex").write_text("\n".join(text))
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "x", "bench.v", f"{spec.name}.v"],
                   cwd=folder, check=True)
    subprocess.run(["vvp", "x"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return list(samples(folder / "x.vcd", "bench.clk"))


def lockstep(spec, rows, folder, registers, memories=()):
    """Hold every register and handshake of every cycle to the RTL.

    ``registers`` gives what the RTL's registers hold by the model, by name below the top;
    ``memories`` names those that are words of memories. What the RTL never wrote is left out.
    Gives counts: compared, unknown, beats of C taken.
    """
    model, wires = array(spec), waveform(spec, rows, folder, memories)
    compared = unknown = finished = 0
    assert len(wires) == len(rows)
    for cycle, (row, seen) in enumerate(zip(rows, wires, strict=True)):
        for name, value in registers(model).items():
            found = seen[f"bench.dut.{name}"]
            unknown += found is None
            compared += found is not None
            assert found in (None, int(value)), (name, cycle, value)
        outputs = model.step(row)
        for name in ("a_tready", "b_tready", "c_tvalid"):
            axis = "m_axis" if name[0] == "c" else "s_axis"
            assert seen[f"bench.dut.{axis}_{name}"] == getattr(outputs, name), (name, cycle)
        finished += outputs.c_tvalid and row.c_tready
    assert compared == len(rows) * len(registers(model)) - unknown
    return compared, unknown, finished


def result(mac, data, flags):
    """Sum and flags as the RTL holds them."""
    return int(data) % (1 << mac.acc.width) | \
        (int(flags) & (1 << mac.flag_bits) - 1) << mac.acc.width


def results_registers(model):
    """Of the way of results to C, but for what a carry-save sum is resolved in."""
    cols, mac = model.spec.cols, model.spec.mac
    kept = model.results
    found = {f"result_{c}.held": result(mac, *kept.held[:, c]) for c in range(cols)}
    for d in range(1, cols):
        sums = [result(mac, *kept.align[:, d - 1, c]) for c in range(cols - d)]
        found[f"grid.align_c.delay_{d}"] = packed(sums, mac.acc.width + mac.flag_bits)
    return found


def skews(model, *, reverse_a):
    """Of the triangles that skew operands; ``reverse_a`` if the last row comes first."""
    rows, cols, mac = model.spec.rows, model.spec.cols, model.spec.mac
    found = {}
    for d in range(1, rows):
        lanes = slice(0, rows - d) if reverse_a else slice(d, rows)
        found[f"grid.skew_a.delay_{d}"] = packed(model.skew_a[d - 1, lanes], mac.a.width)
        found[f"grid.frame_{d}"] = model.edge_frame[d - 1]
    for d in range(1, cols):
        found[f"grid.skew_b.delay_{d}"] = packed(model.skew_b[d - 1, d:], mac.b.width)
    return found
