# SPDX-License-Identifier: Apache-2.0
"""OpenSTA by hand: the shortest period of a netlist by bisection, with constraints on its ports.

Independent of `synth.flow.timing`: no flip-flops around the netlist but `set_driving_cell`,
`set_load` and external delays; no formula for the period but a search for the sign of the slack.
"""

import re
import subprocess
from pathlib import Path

from hw.emit.yosys import run_yosys

#: Flip-flops at ports, by name: their clock-to-output delay without load, and the edge.
REGISTERS = {
    "DFF": (0.5, ""),
    "DFFN": (0.6, "-clock_fall"),
    "DFFR": (0.7, ""),
    "DFFS": (0.7, ""),
    "DFFRN": (0.8, "-clock_fall"),
}
SETUP, HOLD, LOAD = 0.1, 0.05, 0.02
SCRIPT = """
foreach file [lsort [glob library*.lib]] {{ read_liberty $file }}
read_verilog netlist.v
link_design {top}
set_cmd_units -time ns -capacitance pF
set others {{}}
foreach port [all_inputs] {{
  if {{[get_property $port full_name] ne {{clk}}}} {{ lappend others $port }}
}}
proc slack {{period kind group}} {{
  global others
  create_clock -name core -period $period {port}
  if {{[llength $others]}} {{
    set_driving_cell -lib_cell {register} -pin Q $others
    set_input_delay {own} {edge} -clock core $others
  }}
  set_load {load} [all_outputs]
  set_output_delay {setup} {edge} -max -clock core [all_outputs]
  set_output_delay -{hold} {edge} -min -clock core [all_outputs]
  report_checks -path_delay $kind -path_group $group -digits 6 > report.txt
  set file [open report.txt]
  set text [read $file]
  close $file
  if {{![regexp {{Path Group: (\\S+)}} $text all found] || $found ne $group}} {{ return none }}
  regexp {{(-?[0-9.]+) +slack}} $text all value
  return $value
}}
set low 0.0
set high 100.0
while {{$high - $low > 2e-5}} {{
  set middle [expr ($low + $high) / 2]
  set value [slack $middle max core]
  if {{$value ne "none" && $value > -1e-5}} {{ set high $middle }} else {{ set low $middle }}
}}
puts "result period $high"
puts "result hold [slack $high min core]"
puts "result recovery [slack $high max **async_default**]"
puts "result removal [slack $high min **async_default**]"
puts "result gating [slack $high max **clock_gating_default**]"
"""


def _plain(name: str) -> str:
    """An escaped name as a plain one."""
    return "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in name[1:-1]) + " "


def by_hand(
    verilog: str,
    top: str,
    libraries: list[Path],
    folder: Path,
    *,
    clock: str = "clk",
    register: str = "DFF",
) -> dict[str, float]:
    """Shortest period of a mapped netlist and its slacks there, in ns, by name.

    Checks that the netlist lacks are left out. ``register`` is the flip-flop at its ports.
    """
    for number, file in enumerate(libraries):
        (folder / f"library{number}.lib").write_text(file.read_text())
    (folder / "mapped.v").write_text(re.sub(r"\\\S+ ", lambda match: _plain(match[0]), verilog))
    run_yosys(
        "read_verilog mapped.v\nsplitnets -ports -format __\nattrmap -remove *\n"
        f"cd {top}\n{f'rename {clock} clk' if clock not in ('', 'clk') else ''}\ncd ..\n"
        "write_verilog -simple-lhs -noattr -noexpr -nohex -nodec netlist.v",
        cwd=folder,
    )
    own, edge = REGISTERS[register]
    (folder / "run.tcl").write_text(
        SCRIPT.format(
            top=top,
            port="[get_ports clk]" if clock else "",
            register=register,
            own=own,
            edge=edge,
            load=LOAD,
            setup=SETUP,
            hold=HOLD,
        )
    )
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", "run.tcl"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rror" not in done.stdout + done.stderr, done.stdout + done.stderr
    words = [line.split() for line in done.stdout.splitlines() if line.startswith("result ")]
    return {name: float(value) for _, name, value in words if value != "none"}
