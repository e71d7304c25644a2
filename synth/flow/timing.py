# SPDX-License-Identifier: Apache-2.0
"""Static timing of a mapped netlist with OpenSTA: critical path, slack, highest clock.

Every input is driven by a flip-flop of the library, and every output drives one. So all paths are
register to register, including clock-to-output and setup times. The clock is ideal, and wires have
no load or delay.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hw.spec.errors import SpecError, require
from synth.flow.cells import read_function
from synth.flow.liberty import Cell, Library
from synth.flow.mapping import Mapped
from synth.flow.netlists import clock_port, instances, plain, ports

CONDITIONS = {
    "inputs": "each bit from a flip-flop of the library",
    "outputs": "each bit to a flip-flop of the library",
    "wires": "no load, no delay",
    "clock": "ideal, no skew, no uncertainty",
}
#: Clock period for OpenSTA, in ns. Any would do, because the slack gives the difference. OpenSTA's
#: numbers have 24 bits; a small period leaves them for the decimals.
ANALYSED_NS = 10.0

_CLOCK = "timing_clock"
_UNIT = "unit"
_SCRIPT = """
foreach file [lsort [glob library*.lib]] { read_liberty $file }
read_verilog netlist.v
link_design bench
set_cmd_units -time ns
create_clock -name clock -period {period} [get_ports {clock}]
puts "#setup"
report_checks -path_delay max -digits 5
puts "#hold"
report_checks -path_delay min -digits 5
puts "#end"
"""
_NUMBER = r"(-?\d+\.\d+)"


@dataclass(frozen=True, slots=True)
class _Path:
    """Path from a report: times in ns, and the cells between start and end."""

    start: str
    end: str
    slack: float
    library: float
    cells: tuple[str, ...]


class StaError(RuntimeError):
    """OpenSTA failed. The message is its error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Results of OpenSTA; times in ns.

    ``min_period_ns`` is the period with a setup slack of 0, ``hold_slack_ns`` the worst hold slack.
    ``setup_ns`` is the setup time at the end of the critical path, which runs from ``start``
    through the cells in ``path`` to ``end``.
    """

    min_period_ns: float
    hold_slack_ns: float
    setup_ns: float
    start: str
    end: str
    path: tuple[str, ...]
    sta: str

    @property
    def max_clock_mhz(self) -> float:
        """Highest clock in MHz."""
        return 1000 / self.min_period_ns

    def slack_ns(self, clock_ns: float) -> float:
        """Worst setup slack in ns at a clock period in ns, which must be above 0."""
        require(clock_ns > 0, "Clock", "above 0 ns", clock_ns)
        return round(clock_ns - self.min_period_ns, 4)


def sta_version() -> str | None:
    """Version of OpenSTA; None if it is not installed."""
    sta = shutil.which("sta")
    if sta is None:
        return None
    done = subprocess.run([sta, "-version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def time_netlist(mapped: Mapped, library: Library) -> Timing | None:
    """Timing of a flat netlist; None if OpenSTA is not installed.

    Raises
    ------
    SpecError
        If the netlist has several clocks.
    StaError
        If OpenSTA fails.
    """
    version = sta_version()
    if version is None:
        return None
    with tempfile.TemporaryDirectory(prefix="timing-") as scratch:
        folder = Path(scratch)
        for number, text in enumerate(library.texts.values()):
            (folder / f"library{number}.lib").write_text(text, encoding="utf-8")
        (folder / "netlist.v").write_text(
            plain(mapped.verilog) + _bench(mapped, library), encoding="utf-8"
        )
        setup, hold = _report(folder)
    period = ANALYSED_NS - setup.slack
    # Names of ports and nets, by the flip-flop at the start or end of a path.
    places = {
        f"p{number}_{bit}": name
        for number, port in enumerate(ports(mapped.verilog))
        for bit, name in enumerate(port.bits())
    }
    for cell in instances(mapped.verilog):
        outputs = [net for pin, net in cell.nets.items() if pin.startswith("Q")]
        places[f"{_UNIT}/{cell.name.strip()}"] = outputs[0] if outputs else cell.name
    return Timing(
        min_period_ns=round(period, 4),
        hold_slack_ns=round(hold.slack, 4),
        sta=version,
        setup_ns=round(setup.library, 4),
        start=places.get(setup.start, setup.start),
        end=places.get(setup.end, setup.end),
        path=setup.cells,
    )


def _report(folder: Path) -> tuple[_Path, _Path]:
    """Worst setup and hold path of the netlist in ``folder``."""
    script = _SCRIPT.replace("{period}", str(ANALYSED_NS)).replace("{clock}", _CLOCK)
    (folder / "run.tcl").write_text(script, encoding="utf-8")
    done = subprocess.run(
        ["sta", "-no_splash", "-exit", "run.tcl"],
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    sections = re.search(r"#setup\n(.*)#hold\n(.*)#end", done.stdout, re.DOTALL)
    errors = [line for line in done.stdout.splitlines() if re.search(r"\b[Ee]rror\b", line)]
    if errors or sections is None:
        raise StaError((errors or [f"OpenSTA exited with status {done.returncode}"])[0])
    return _path(sections[1]), _path(sections[2])


def _path(text: str) -> _Path:
    """Parse the path of one report."""

    def word(pattern: str) -> str:
        match = re.search(pattern, text)
        if match is None:
            raise StaError(f"OpenSTA reported no path ({' '.join(text.split())[:60]})")
        return match[1]

    arrival = text.partition("data arrival time")[0]
    cells = re.findall(r"[\^v] \S+/\S+ \((\S+)\)", arrival)
    return _Path(
        word(r"Startpoint: (\S+)"),
        word(r"Endpoint: (\S+)"),
        float(word(rf"{_NUMBER} +slack")),
        abs(float(word(rf"{_NUMBER} +{_NUMBER[1:-1]} +library"))),
        tuple(cells[2:-1]),
    )


def _bench(mapped: Mapped, library: Library) -> str:
    """Verilog of a module that puts the netlist between flip-flops."""
    clock = clock_port(mapped.verilog, library)
    register = _register(mapped, library)
    assert register.flip_flop is not None
    (edge,) = read_function(register.flip_flop.clock).variables
    data = min(read_function(register.flip_flop.next_state).variables)
    lines, connections = [], []
    for number, port in enumerate(ports(mapped.verilog)):
        if port.name == clock:
            connections.append(f".{port.name}({_CLOCK})")
            continue
        lines.append(f"  wire [{port.width - 1}:0] p{number};")
        connections.append(f".{port.name}(p{number})")
        # Before an input, after an output.
        pin = register.pins_of("output")[0].name if port.direction == "input" else data
        lines += [
            f"  {register.name} p{number}_{bit} (.{edge}({_CLOCK}), .{pin}(p{number}[{bit}]));"
            for bit in range(port.width)
        ]
    lines.append(f"  {mapped.top} {_UNIT} ({', '.join(connections)});")
    return "\n".join([f"module bench ({_CLOCK});", f"  input {_CLOCK};", *lines, "endmodule", ""])


def _register(mapped: Mapped, library: Library) -> Cell:
    """The flip-flop that the netlist uses most; without flip-flops, the smallest plain one."""
    used = {name: number for name, number in mapped.cells.items() if library.cells[name].flip_flop}
    if used:
        return library.cells[max(sorted(used), key=lambda name: used[name])]
    plain = [
        cell
        for cell in library.cells.values()
        if cell.flip_flop
        and not cell.dont_use
        and cell.flip_flop.clear is None
        and cell.flip_flop.preset is None
        and len(cell.pins_of("input")) == 2
    ]
    if not plain:
        raise SpecError(f"The Liberty library {library.name!r} has no plain flip-flop")
    return min(plain, key=lambda cell: (cell.area, cell.name))
