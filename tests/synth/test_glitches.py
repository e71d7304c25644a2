# SPDX-License-Identifier: Apache-2.0
"""Glitches of a whole MAC: as many as an event simulator with inertial delays finds."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from hw.build import verilog
from hw.spec import parse_mac
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.power.activity import read_netlist
from synth.power.energy import run_stream
from synth.power.glitches import Timed, with_glitches
from synth.power.streams import make_stream
from synth.power.tables import Delays, read_tables
from tests.support.cell_libraries import TINY

CYCLES = 120
#: Of the event simulator: units of time in one unit of the library's.
UNITS = 1000


def bench(trace, timed):
    """Verilog that replays registers and inputs and counts changes; a gate is one delayed assign.
    """
    sources = [net for net in timed.launch if net in trace.values]
    nets = [net for net in trace.values if isinstance(net, int)]
    name = {net: f"n{net}" for net in nets} | {"0": "1'b0", "1": "1'b1", "x": "1'b0"}
    lines = [f"{'reg' if net in sources else 'wire'} {name[net]};" for net in nets]
    lines += [f"always @(now) {name[net]} <= #{round(timed.launch[net] * UNITS)} now[{place}];"
              for place, net in enumerate(sources)]
    for gate in trace.netlist.gates:
        for pin, function in gate.outputs.items():
            arcs = timed.arcs[gate.name, pin]
            delay = round(sum(arcs.values()) / len(arcs) * UNITS) if arcs else 0
            text = re.sub(r"PIN_(\w+)", lambda m, pins=gate.pins: name[pins[m[1]]],
                          function.verilog("PIN_"))
            lines.append(f"assign #{delay} {name[gate.pins[pin]]} = {text};")
    lines += [f"always @({name[net]}) if (counting) changes = changes + 1;" for net in nets]
    width, period = len(sources), round(2 * timed.longest * UNITS)
    rows = np.stack([trace.values[net] for net in sources], axis=1)[:CYCLES + 1, ::-1]
    text = "\n".join("".join(map(str, row)) for row in rows.astype(int))
    return text, "\n".join([
        f"module bench; reg [{width - 1}:0] rows [0:{CYCLES}], now; integer i, changes = 0;",
        "reg counting = 0;", *lines, "initial begin", '$readmemb("rows.txt", rows);',
        f"now = rows[0]; #{period} counting = 1;",
        f"for (i = 1; i <= {CYCLES}; i = i + 1) begin now = rows[i]; #{period}; end",
        '$display("changes %0d", changes); $finish; end endmodule', ""])


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
    done = subprocess.run(["vvp", "bench"], cwd=tmp_path, check=True, text=True,
                          stdout=subprocess.PIPE)
    wanted = int(re.search(r"changes (\d+)", done.stdout)[1])
    found = sum(sum(part.toggles.values()) for part in with_glitches(trace, delays, CYCLES))
    calm = sum(int((bits[1:CYCLES + 1] != bits[:CYCLES]).sum()) for bits in trace.values.values())
    assert wanted > 1.2 * calm, (wanted, calm)
    # The event simulator has one delay a gate, ours has one for each input.
    assert found == pytest.approx(wanted, rel=0.12), (found, wanted, calm)
