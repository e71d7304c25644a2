# SPDX-License-Identifier: Apache-2.0
"""Whether any sequence of inputs tells a netlist with a fault from one without, shown by ABC.

Registers that are equal in both, or follow from others, are merged by induction; for what is left
an invariant is searched by property directed reachability. Yosys brings ABC with it.
"""

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pyosys

from hw.emit.netlist import Port
from hw.emit.yosys import run_yosys
from tests.mutation.netlist import SELECT, FaultyNetlist

__all__ = ["equal_in_sequences"]

ABC = Path(pyosys.__file__).with_name("yosys-abc")
SECONDS = 60
#: Ends of the names of outputs that count only while another one is high, and that one's.
COUNTS_WHILE = {"tdata": "tvalid", "tlast": "tvalid", "tuser": "tvalid", "data": "valid",
                "flags": "valid"}
_SCRIPT = """read_verilog faults.v pair.v
hierarchy -check -top pair
proc
flatten
opt
techmap
opt
setundef -init -zero
dfflegalize -cell $_DFF_P_ 01 -mince 1000000 -minsrst 1000000
techmap
opt_clean
aigmap
write_aiger -zinit pair.aig"""


def equal_in_sequences(netlist: FaultyNetlist, place: int) -> bool:
    """Whether outputs are equal, while they count, in all sequences of inputs from power-up."""
    (netlist.folder / "pair.v").write_text(_pair(netlist, place))
    run_yosys(_SCRIPT, cwd=netlist.folder)
    done = subprocess.run([ABC, "-c", f"read pair.aig; scorr; pdr -T {SECONDS}; print_stats"],
                          cwd=netlist.folder, capture_output=True, text=True, check=True)
    # Where the induction merges all, nothing is left to prove or to be asserted.
    merged = "lat =    0  and =      0" in done.stdout and "asserted" not in done.stdout
    return merged or "Property proved" in done.stdout


def _pair(netlist: FaultyNetlist, place: int) -> str:
    """Verilog of both side by side; ``bad`` is high where an output differs that counts."""
    inputs = [port for port in netlist.ports if port.direction == "input" and port.name != SELECT]
    outputs = [port for port in netlist.ports if port.direction == "output"]
    lines = [f"module pair({', '.join(port.name for port in inputs)}, bad);",
             *(f"input {_range(port)} {port.name};" for port in inputs), "output bad;"]
    for name, selected in (("sound", 0), ("faulty", place)):
        lines += [f"wire {_range(port)} {name}_{port.name};" for port in outputs]
        wires = [*(f".{port.name}({port.name})" for port in inputs), f".{SELECT}({selected})",
                 *(f".{port.name}({name}_{port.name})" for port in outputs)]
        lines.append(f"{netlist.top} {name}({', '.join(wires)});")
    differ = [_differs(port.name, outputs) for port in outputs]
    return "\n".join([*lines, f"assign bad = {' | '.join(differ)};", "endmodule", ""])


def _range(port: Port) -> str:
    return f"[{port.width - 1}:0]"


def _differs(name: str, outputs: Sequence[Port]) -> str:
    """Condition under which an output differs and counts."""
    start, _, end = name.rpartition("_")
    counts = f"{start}_{COUNTS_WHILE.get(end)}"
    known = f"sound_{counts} & " if counts in {port.name for port in outputs} else ""
    return f"({known}(sound_{name} != faulty_{name}))"
