# SPDX-License-Identifier: Apache-2.0
"""Switching of nets, per cycle and with delays, compared with an event simulator."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from hw.build import verilog
from hw.spec import SpecError, parse_mac
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.power.activity import read_netlist, simulate
from synth.power.energy import run_stream
from synth.power.glitches import Timed, with_glitches
from synth.power.streams import make_stream
from synth.power.tables import Delays, read_tables
from tests.support.cell_libraries import TINY, rewritten

LIBRARY = read([TINY])

#: A register that takes its input's parity, and its inverse.
PARITY = """
module parity(clk, i_a, o_q);
  input clk; input i_a; output [1:0] o_q; wire d;
  INV n(.A(o_q[0]), .Y(o_q[1]));
  DFF r(.CK(clk), .D(d), .Q(o_q[0]));
  XOR2 x(.A(i_a), .B(o_q[0]), .Y(d));
endmodule
"""


def graph(verilog, library=LIBRARY):
    return read_netlist(verilog, re.search(r"module (\w+)", verilog)[1], library)


def column(*bits):
    return np.array(bits, bool)[:, None]


def delays(netlist):
    return Delays(netlist, read_tables(LIBRARY, {i.cell.name for i in netlist.instances}))


def test_netlist_is_read_as_written():
    netlist = graph(PARITY)
    assert [gate.name for gate in netlist.gates] == ["n", "x"]
    assert [register.name for register in netlist.registers] == ["r"]
    assert netlist.clock == netlist.registers[0].pins["CK"]
    (a,), (q, inverse) = netlist.inputs["i_a"], netlist.outputs["o_q"]
    d = netlist.registers[0].pins["D"]
    loads = {net: pytest.approx(load, abs=0) for net, load in netlist.loads.items()}
    assert loads == {a: 40e-15, q: 50e-15, d: 10e-15, netlist.clock: 20e-15}
    assert inverse not in loads


def test_toggles_are_those_found_by_hand():
    trace = simulate(graph(PARITY), {"i_a": column(1, 0, 1, 1, 0, 0)})
    assert trace.port("o_q").T.astype(int).tolist() == [[0, 1, 1, 0, 1, 1], [1, 0, 0, 1, 0, 0]]
    (a,), (q, inverse) = trace.netlist.inputs["i_a"], trace.netlist.outputs["o_q"]
    d = trace.netlist.registers[0].pins["D"]
    assert trace.cycles == 5
    assert {net: trace.toggles[net] for net in (a, q, inverse, d)} == {a: 3, q: 3, inverse: 3, d: 2}


def random_netlist(rng, gates=40, registers=8):
    """Netlist of random cells; each gate takes nets from before it or from a register."""
    nets = ["i_a[0]", "i_a[1]", "i_a[2]", "1'b1", *(f"q[{n}]" for n in range(registers))]
    kinds = ["INV", "NAND2", "NOR2", "XOR2", "MIX4", "HA", "TIE"]
    lines = []
    for number in range(gates):
        cell = LIBRARY.cells[rng.choice(kinds)]
        wires = [f".{pin.name}({rng.choice(nets)})" for pin in cell.pins_of("input")]
        for pin in cell.pins_of("output"):
            wires.append(f".{pin.name}(w{number}{pin.name})")
            nets.append(f"w{number}{pin.name}")
        lines.append(f"{cell.name} g{number}({', '.join(wires)});")
    for number in range(registers):
        data = rng.choice(nets[-30:])
        lines.append(f"DFF r{number}(.CK(clk), .D({data}), .Q(q[{number}]));")
    wires = "".join(f"wire {net}; " for net in nets if net.startswith("w"))
    ports = f"input clk; input [2:0] i_a; output [{registers - 1}:0] q;"
    return "\n".join(["module random(clk, i_a, q);", ports, wires, *lines, "endmodule"])


def stepped(netlist, a):
    """Values of all nets by stepping one cycle at a time with the other evaluator."""
    state = {register.name: 0 for register in netlist.registers}
    rows = []
    for bits in a:
        values = {"0": 0, "1": 1} | dict(zip(netlist.inputs["i_a"], bits, strict=True))
        for register in netlist.registers:
            values[register.pins["Q"]] = state[register.name]
        waiting = [i for i in netlist.instances if not i.cell.flip_flop]
        while waiting:
            gate = waiting.pop(0)
            pins = {p.name: values.get(gate.pins[p.name]) for p in gate.cell.pins_of("input")}
            if None in pins.values():
                waiting.append(gate)
                continue
            for pin in gate.cell.pins_of("output"):
                values[gate.pins[pin.name]] = int(rewritten(pin.function, pins))
        state = {r.name: values[r.pins["D"]] for r in netlist.registers}
        rows.append(values)
    return {net: [row[net] for row in rows] for net in rows[0]}


@pytest.mark.parametrize("seed", range(4))
def test_simulation_is_that_of_plain_steps(seed):
    rng = np.random.default_rng(seed)
    netlist = graph(random_netlist(rng))
    a = rng.integers(0, 2, (50, 3))
    wanted = stepped(netlist, a)
    compared = 0
    for piece in (1, 7, 64):
        trace = simulate(netlist, {"i_a": a}, piece=piece)
        for net, bits in wanted.items():
            assert trace.values[net].astype(int).tolist() == bits, (seed, piece, net)
            compared += len(bits)
    assert compared >= 3 * 50 * 48, compared


#: A pulse of an inverter's delay, 2, behind every change of the input; XOR2 takes 1.
HAZARD = """
module hazard(clk, i_a, o_y);
  input clk; input i_a; output o_y; wire b;
  INV n(.A(i_a), .Y(b));
  XOR2 x(.A(i_a), .B(b), .Y(o_y));
endmodule
"""
#: Through NAND2's A a change takes 2 at the load of HA, through INV and B it takes 3: a pulse of 1
#: behind each rise, shorter than NAND2's mean delay. At the load of INV it is one of 1.8, longer
#: than NAND2's mean delay and shorter than INV's.
FILTERED = """
module filtered(clk, i_a, o_y);
  input clk; input i_a; output o_y; wire b, y;
  INV n(.A(i_a), .Y(b));
  NAND2 g(.A(i_a), .B(b), .Y(y));
  HA x(.A(y), .B(1'b1), .S(o_y));
endmodule
"""
PASSED = FILTERED.replace("HA x(.A(y), .B(1'b1), .S(o_y))", "INV x(.A(y), .Y(o_y))")


@pytest.mark.parametrize(
    ("verilog", "inside", "outside"), [(HAZARD, 3, 3), (FILTERED, 0, 0), (PASSED, 2, 0)]
)
def test_glitches_pass_only_if_they_last(verilog, inside, outside):
    calm = simulate(graph(verilog), {"i_a": column(0, 1, 1, 0, 1)})
    nets = {gate.name: gate.pins.get("Y", gate.pins.get("S")) for gate in calm.netlist.gates}
    first, last = nets.get("g", nets["x"]), nets["x"]
    assert calm.toggles[first] == calm.toggles[last] == 0
    (trace,) = with_glitches(calm, delays(calm.netlist), 4)
    assert (trace.toggles[first], trace.toggles[last]) == (2 * inside, 2 * outside)
    assert trace.toggles[calm.netlist.inputs["i_a"][0]] == trace.toggles[nets["n"]] == 3
    assert trace.cycles == 4


def test_glitch_free_values_are_kept_at_the_ends_of_cycles():
    rng = np.random.default_rng(5)
    netlist = graph(random_netlist(rng))
    calm = simulate(netlist, {"i_a": rng.integers(0, 2, (200, 3))})
    parts = list(with_glitches(calm, delays(netlist), 150))
    assert [part.cycles for part in parts] == [32, 32, 32, 32, 22]
    for net, bits in calm.values.items():
        ends = [
            part.values[net][
                (len(part.values[net]) - 1) // part.cycles :: (len(part.values[net]) - 1)
                // part.cycles
            ]
            for part in parts
        ]
        assert (np.concatenate(ends) == bits[1:151]).all(), net
    toggles = sum(sum(part.toggles.values()) for part in parts)
    assert toggles > sum((bits[1:151] != bits[:150]).sum() for bits in calm.values.values())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("INV n", "LATCH n"),
            ("Netlist cell must be one with a model in the library tiny, not 'LATCH'"),
        ),
        (
            ("INV n", "AND9 n"),
            ("Netlist cell must be one with a model in the library tiny, not 'AND9'"),
        ),
        (
            (".CK(clk)", ".CK(i_a)"),
            ("Flip-flop 'r' of netlist parity must be clocked by the rising edge of clk"),
        ),
        (
            ("DFF r(.CK(clk), .D(d), .Q(", "INV r(.A(d), .Y("),
            ("Netlist parity has a combinational loop through 'x'"),
        ),
    ],
)
def test_netlist_wrong(change, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        assert graph(PARITY.replace(*change)).gates is None


def test_inputs_wrong():
    netlist = graph(PARITY)
    for inputs, message in [
        ({"i_a": np.zeros((4, 2))}, "Input i_a must be bits of shape (cycles, 1), not (4, 2)"),
        ({"i_a": np.zeros((1, 1))}, "Inputs must be arrays of two or more cycles, not 1"),
        ({}, "Inputs must be arrays of equal length, not []"),
    ]:
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            simulate(netlist, inputs)
    trace = simulate(netlist, {"i_a": np.zeros((4, 1))})
    with pytest.raises(SpecError, match=r"^Cycles must be from 1 to 3, not 4$"):
        list(with_glitches(trace, delays(netlist), 4))


CYCLES = 120
#: Of the event simulator: units of time in one unit of the library's.
UNITS = 1000


def bench(trace, timed):
    """Verilog that replays registers and inputs; a gate is one delayed assignment."""
    sources = [net for net in timed.launch if net in trace.values]
    nets = [net for net in trace.values if isinstance(net, int)]
    name = {net: f"n{net}" for net in nets} | {"0": "1'b0", "1": "1'b1", "x": "1'b0"}
    lines = [f"{'reg' if net in sources else 'wire'} {name[net]};" for net in nets]
    lines += [
        f"always @(now) {name[net]} <= #{round(timed.launch[net] * UNITS)} now[{place}];"
        for place, net in enumerate(sources)
    ]
    for gate in trace.netlist.gates:
        for pin, function in gate.outputs.items():
            arcs = timed.arcs[gate.name, pin]
            delay = round(sum(arcs.values()) / len(arcs) * UNITS) if arcs else 0
            text = re.sub(
                r"PIN_(\w+)", lambda m, pins=gate.pins: name[pins[m[1]]], function.verilog("PIN_")
            )
            lines.append(f"assign #{delay} {name[gate.pins[pin]]} = {text};")
    lines += [f"always @({name[net]}) if (counting) changes = changes + 1;" for net in nets]
    width, period = len(sources), round(2 * timed.longest * UNITS)
    rows = np.stack([trace.values[net] for net in sources], axis=1)[: CYCLES + 1, ::-1]
    text = "\n".join("".join(map(str, row)) for row in rows.astype(int))
    return text, "\n".join(
        [
            f"module bench; reg [{width - 1}:0] rows [0:{CYCLES}], now; integer i, changes = 0;",
            "reg counting = 0;",
            *lines,
            "initial begin",
            '$readmemb("rows.txt", rows);',
            f"now = rows[0]; #{period} counting = 1;",
            f"for (i = 1; i <= {CYCLES}; i = i + 1) begin now = rows[i]; #{period}; end",
            '$display("changes %0d", changes); $finish; end endmodule',
            "",
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", ["int4,acc=int12", "e2m3", "e2m3,acc=fp16"])
def test_glitches_are_those_of_an_event_simulator(text, tmp_path):
    if shutil.which("iverilog") is None:
        pytest.skip("Icarus Verilog is not installed")
    spec, library = parse_mac(text), read([TINY])
    mapped = map_to_cells({"unit.v": verilog(spec)}, spec.name, library)
    netlist = read_netlist(mapped.verilog, mapped.top, library)
    trace = run_stream(netlist, spec, make_stream("gaussian", spec, 4))
    delays = Delays(netlist, read_tables(library, mapped.cells))
    rows, source = bench(trace, Timed(netlist, delays))
    (tmp_path / "rows.txt").write_text(rows)
    (tmp_path / "bench.v").write_text(source)
    subprocess.run(["iverilog", "-o", "bench", "bench.v"], cwd=tmp_path, check=True)
    done = subprocess.run(
        ["vvp", "bench"], cwd=tmp_path, check=True, text=True, stdout=subprocess.PIPE
    )
    wanted = int(re.search(r"changes (\d+)", done.stdout)[1])
    found = sum(sum(part.toggles.values()) for part in with_glitches(trace, delays, CYCLES))
    calm = sum(int((bits[1 : CYCLES + 1] != bits[:CYCLES]).sum()) for bits in trace.values.values())
    assert wanted > 1.2 * calm, (wanted, calm)
    # The event simulator has one delay a gate, ours has one for each input.
    assert found == pytest.approx(wanted, rel=0.12), (found, wanted, calm)
