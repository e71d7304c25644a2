# SPDX-License-Identifier: Apache-2.0
"""The clock-by-clock model in lockstep with the RTL: every register of every element."""

import subprocess

import numpy as np
import pytest

import sim
from hw.generate import generate
from hw.spec import SpecError, parse_array
from sim.cycle import Array, Inputs, matmul
from sim.trace import samples

CYCLES = 300
BENCH = """module bench; reg clk = 0, rst, av, al, bv, bl, cr; reg [A-1:0] a; reg [B-1:0] b;
reg [A+B+5:0] rows [0:N-1]; integer i;
TOP dut(.clk(clk), .rst(rst), .s_axis_a_tvalid(av), .s_axis_a_tdata(a), .s_axis_a_tlast(al),
  .s_axis_b_tvalid(bv), .s_axis_b_tdata(b), .s_axis_b_tlast(bl), .m_axis_c_tready(cr));
initial begin $readmemh("rows.hex", rows); $dumpfile("x.vcd"); $dumpvars(0, bench);
  for (i = 0; i < N; i = i + 1) begin {rst, av, al, bv, bl, cr, a, b} = rows[i];
    #5 clk = 1; #5 clk = 0; end end endmodule
"""
UNITS = [("e4m3", "2x3"), ("int8", "3x2"), ("e4m3,acc=fp16,pipeline=2", "4x4"),
         ("e5m2,acc=fp32", "2x3"), ("e4m3,acc=aligned:13,lanes=2", "3x2")]


def stimulus(spec, seed):
    """Random inputs: every stream stalls, tiles end at random, the array is reset at times."""
    rng, mac = np.random.default_rng(seed), spec.mac
    rows = []
    for cycle in range(CYCLES):
        calm = cycle % 100 < 60
        last = rng.random() < 0.2
        odd = rng.random() < 0.01
        rows.append(Inputs(
            rng.random() < (0.95 if calm else 0.5),
            rng.integers(0, 1 << mac.a.width, (spec.rows, mac.lanes)), last,
            rng.random() < (0.95 if calm else 0.6),
            rng.integers(0, 1 << mac.b.width, (spec.cols, mac.lanes)), last ^ odd,
            rng.random() < (0.9 if calm else 0.4), cycle < 2 or rng.random() < 0.01))
    return rows


def packed(codes, width):
    return sum(int(code) << place * width for place, code in enumerate(np.ravel(codes)))


def waveform(spec, rows, folder):
    """Wires of the RTL in each cycle."""
    generate(spec, folder)
    mac = spec.mac
    a, b = (-(-side * mac.lanes * fmt.width // 8) * 8
            for side, fmt in ((spec.rows, mac.a), (spec.cols, mac.b)))
    bench = BENCH
    for name, value in (("[A-1", a), ("[B-1", b)):
        bench = bench.replace(name, f"[{value - 1}")
    bench = bench.replace("A+B+5", str(a + b + 5)).replace("N-1", str(len(rows) - 1))
    bench = bench.replace("< N", f"< {len(rows)}").replace("TOP", spec.name)
    (folder / "bench.v").write_text(bench)
    text = []
    for row in rows:
        bits = [row.c_tready, row.b_tlast, row.b_tvalid, row.a_tlast, row.a_tvalid, row.rst]
        data = packed(row.b_tdata, mac.b.width) | packed(row.a_tdata, mac.a.width) << b
        text.append(f"{packed(bits, 1) << a + b | data:x}")
    (folder / "rows.hex").write_text("\n".join(text))
    subprocess.run(["iverilog", "-g2012", "-s", "bench", "-o", "x", "bench.v", f"{spec.name}.v"],
                   cwd=folder, check=True)
    subprocess.run(["vvp", "x"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return list(samples(folder / "x.vcd", "bench.clk"))


def registers(array):
    """What the RTL's registers hold by the model, by name below the top."""
    return sequencer_registers(array) | grid_registers(array) | {
        f"grid.row_{r}.pe_{c}.{name}": value
        for r in range(array.spec.rows) for c in range(array.spec.cols)
        for name, value in element_registers(array, r, c).items()}


def element_registers(array, r, c):
    """Of one element and its MAC."""
    mac, at = array.spec.mac, (r, c)
    found = {"a_q": packed(array.a_q[r, :, c], mac.a.width),
             "north_b": packed(array.b_q[r, :, c], mac.b.width),
             "frame_q": array.frame_q[at], "fresh": array.fresh[at],
             "north_c": result(mac, array.result_q[at], array.result_flags[at]),
             "mac.o_data": result(mac, array.acc[at], 0), "mac.o_valid": array.o_valid[at]}
    if mac.flag_bits:
        found["mac.o_flags"] = array.flags[at] & (1 << mac.flag_bits) - 1
    for stage, (_, _, frame) in enumerate(array.flight, 1):
        found |= {f"mac.{name}_q{stage}": frame[at] >> place & 1
                  for place, name in enumerate(("valid", "first", "last"))}
    return found


def result(mac, data, flags):
    """Sum and flags as the RTL holds them."""
    return int(data) % (1 << mac.acc.width) | \
        (int(flags) & (1 << mac.flag_bits) - 1) << mac.acc.width


def sequencer_registers(array):
    """Of the sequencer, and of what the array has outside of its grid."""
    held, mac = array.sequencer, array.spec.mac
    found = {"sequencer.first": held.opening, "sequencer.wait": held.wait,
             "sequencer.left": held.left, "sequencer.pending": held.pending,
             "sequencer.error": held.error, "sequencer.kept": held.kept,
             "sequencer.kept_last": held.kept_last}
    for name in ("start_q", "shift_q", "finals_q"):
        found[f"sequencer.{name}"] = packed(getattr(held, name), 1)
    return found | {f"result_{c}.held": result(mac, *array.held[:, c])
                    for c in range(array.spec.cols)}


def grid_registers(array):
    """Of the triangles that skew and align."""
    rows, cols, mac = array.spec.rows, array.spec.cols, array.spec.mac
    found = {f"grid.frame_{r}": array.edge_frame[r - 1] for r in range(1, rows)}
    for d in range(1, rows):
        found[f"grid.skew_a.delay_{d}"] = packed(array.skew_a[d - 1, :rows - d], mac.a.width)
    for d in range(1, cols):
        found[f"grid.skew_b.delay_{d}"] = packed(array.skew_b[d - 1, d:], mac.b.width)
        sums = [result(mac, *array.align[:, d - 1, c]) for c in range(cols - d)]
        found[f"grid.align_c.delay_{d}"] = packed(sums, mac.acc.width + mac.flag_bits)
    return found


@pytest.mark.parametrize(("mac", "size"), UNITS)
def test_every_register_equals_the_rtl_at_every_cycle(tmp_path, mac, size):
    """With stalls, resets and tiles of any length; only what the RTL never wrote is left out."""
    spec = parse_array(size, mac)
    array, rows = Array(spec), stimulus(spec, 11)
    compared = unknown = finished = 0
    wires = waveform(spec, rows, tmp_path)
    assert len(wires) == CYCLES
    for cycle, (row, seen) in enumerate(zip(rows, wires, strict=True)):
        for name, value in registers(array).items():
            found = seen[f"bench.dut.{name}"]
            unknown += found is None
            compared += found is not None
            assert found in (None, int(value)), (name, cycle, value)
        outputs = array.step(row)
        for name in ("a_tready", "b_tready", "c_tvalid"):
            axis = "m_axis" if name[0] == "c" else "s_axis"
            assert seen[f"bench.dut.{axis}_{name}"] == getattr(outputs, name), (name, cycle)
        finished += outputs.c_tvalid and row.c_tready
    # Registers without reset are unknown for as many cycles as operands need to pass them.
    assert unknown < 30 * (spec.rows + spec.cols)
    assert compared == CYCLES * len(registers(array)) - unknown
    assert finished > 20


@pytest.mark.parametrize(("mac", "size"), UNITS)
def test_matmul_equals_the_model(mac, size):
    """Sums, flags and cycles, edges padded; stalls only cost cycles."""
    spec = parse_array(size, mac)
    rng = np.random.default_rng(3)
    a, b = (sim_codes(rng, fmt, shape) for fmt, shape in
            ((spec.mac.a, (5, 7)), (spec.mac.b, (7, 8))))
    sums, flags = sim.matmul(a, b, spec.mac, flags=True)
    for stalls in ({}, {"a": rng.random(17) < 0.4, "c": rng.random(11) < 0.5}):
        got = matmul(a, b, spec, stalls=stalls)
        assert (got.codes == sums).all()
        assert (got.flags == flags).all()
        assert got.cycles > spec.cycles(5, 7, 8) if stalls else \
            got.cycles == spec.cycles(5, 7, 8)


def sim_codes(rng, fmt, shape):
    """Operands: codes, or values of an integer format."""
    codes = rng.integers(0, 1 << fmt.width, shape)
    return codes - (codes >> fmt.width - 1 << fmt.width) if fmt.is_integer else codes


@pytest.mark.parametrize(("changes", "message"), [
    ({"a": [[999]]}, "Operand a must be codes of e4m3 from 0 to 255, not 999"),
    ({"a": [[1, 2]]}, "Operand shapes must be (M, K) and (K, N), not ((1, 2), (1, 1))"),
    ({"a": np.zeros((0, 1), int)}, "GEMM m must be an integer from 1 to 281474976710656, not 0"),
    ({"stalls": {"d": [0]}}, "Stalls must be of a, b or c, not ['d']"),
    ({"stalls": {"a": [1]}}, "Stalls a must be false in a cycle at least, not [True]"),
    ({"spec": parse_array("2x2", "e4m3", dataflow="ws")}, "Array dataflow must be os, not 'ws'"),
    ({"spec": parse_array("2x2", "e5m2")},
     "Array mac must be a unit whose steps fit int64, not 'e5m2,acc=fx77m32'"),
])
def test_wrong_arguments_are_named(changes, message):
    given = {"a": [[1]], "b": [[1]], "spec": parse_array("2x2", "e4m3")} | changes
    with pytest.raises(SpecError) as caught:
        matmul(**given)
    assert str(caught.value) == message
