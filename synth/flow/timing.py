# SPDX-License-Identifier: Apache-2.0
"""Static timing of a mapped netlist with OpenSTA: critical path, shortest period, slack.

Every input is driven by a flip-flop of the library, and every output drives one. So all paths are
register to register, including clock-to-output and setup times. The clock is ideal, and wires have
no load or delay.

The shortest period is the root of the worst setup slack as a function of the period. A path from
one edge to the other has half a period, so its slack grows half as fast: the root is found by
Newton's method on the worst path, and below that, where latches may borrow time, by bisection.
Recovery of asynchronous resets and clock gating are checks of their own and reported apart.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from hw.spec.errors import SpecError, require
from synth.flow.cells import outputs
from synth.flow.clocks import Clocking, find_clock, shown
from synth.flow.functions import read_function
from synth.flow.liberty import Cell, Library
from synth.flow.mapping import Mapped
from synth.flow.netlists import aliases, instances, plain, ports
from synth.record import NotDone

CONDITIONS = {
    "inputs": "each bit from a flip-flop of the library",
    "outputs": "each bit to a flip-flop of the library",
    "wires": "no load, no delay",
    "clock": "ideal, no skew, no uncertainty",
}
#: First clock period for OpenSTA, in ns. Any would do, because the slack gives the difference.
#: OpenSTA's numbers have 24 bits; a small period leaves them for the decimals.
ANALYSED_NS = 10.0
#: A slack of this many ns is none, and periods that are this close are equal.
EXACT_NS = 5e-5
#: Times the largest load of a cell beyond which its delays are guesses.
FAR = 3.0
#: Worst paths that Newton's method may need, and OpenSTA's names of its groups of paths.
STEPS = 50
CLOCK, RESET, GATING = "clock", "**async_default**", "**clock_gating_default**"

_CLOCK = "timing_clock"
_UNIT = "unit"
#: Reads the design, then answers one command a line.
_SCRIPT = f"""
foreach file [lsort [glob library*.lib]] {{ read_liberty $file }}
read_verilog netlist.v
link_design bench
set_cmd_units -time ns
proc period {{ns}} {{ create_clock -name {CLOCK} -period $ns [get_ports {_CLOCK}] }}
proc paths {{kind}} {{
  report_checks -path_delay $kind -digits 5 -path_group {CLOCK}
  report_checks -path_delay $kind -digits 5
}}
proc setup {{}} {{ check_setup -verbose -no_clock -unconstrained_endpoints -loops }}
puts "#end"
flush stdout
while {{[gets stdin line] >= 0}} {{
  if {{[catch $line message]}} {{ puts "Error: $message" }}
  puts "#end"
  flush stdout
}}
"""
_NUMBER = r"(-?\d+\.\d+)"


@dataclass(frozen=True, slots=True)
class _Path:
    """Path from a report: times in ns, and the cells between start and end.

    ``share`` is the part of a period that it may take, ``delay`` that of its cells.
    """

    start: str
    end: str
    slack: float
    share: float
    library: float
    delay: float
    cells: tuple[str, ...]


class StaError(RuntimeError):
    """OpenSTA failed. The message is its error."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Results of OpenSTA; times in ns.

    ``min_period_ns`` is the shortest period with a setup slack of 0, ``hold_slack_ns`` the worst
    hold slack. ``setup_ns`` is the setup time at the end of the critical path, which runs from
    ``start`` through the cells in ``path`` to ``end``. ``delay_ns`` is that of these cells.
    ``slack_ns`` is the worst setup slack at the period that was asked for.

    ``recovery_slack_ns`` and ``removal_slack_ns`` are the worst slacks of asynchronous resets,
    ``gating_slack_ns`` that of gates in the clock. Like the hold slack, they are those at the
    period that was asked for, or at the shortest, and None without such checks. ``clock`` is the
    port that is the clock, "" without flip-flops. ``warnings`` say what limits the result.
    """

    min_period_ns: float
    hold_slack_ns: float
    setup_ns: float
    delay_ns: float
    start: str
    end: str
    path: tuple[str, ...]
    clock: str
    slack_ns: float | None
    recovery_slack_ns: float | None
    removal_slack_ns: float | None
    gating_slack_ns: float | None
    warnings: tuple[str, ...]
    sta: str

    @property
    def max_clock_mhz(self) -> float:
        """Highest clock in MHz."""
        return 1000 / self.min_period_ns


def sta_version() -> str | None:
    """Version of OpenSTA; None if it is not installed."""
    sta = shutil.which("sta")
    if sta is None:
        return None
    done = subprocess.run([sta, "-version"], capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def time_netlist(
    mapped: Mapped,
    library: Library,
    *,
    clock_ns: float | None = None,
    clock_port: str | None = None,
) -> Timing | None:
    """Timing of a flat netlist; None if OpenSTA is not installed.

    Parameters
    ----------
    mapped, library
        Netlist, and the library that it was mapped to.
    clock_ns
        Period in ns at which the slack is wanted.
    clock_port
        The clock, where the netlist alone does not tell; see `synth.flow.clocks`.

    Raises
    ------
    NotDone
        If the netlist has several clocks or others that one period does not describe, or no path.
    SpecError
        If the period or the port is wrong.
    StaError
        If OpenSTA fails.
    """
    require(clock_ns is None or clock_ns > 0, "Clock", "above 0 ns", clock_ns)
    version = sta_version()
    if version is None:
        return None
    if re.search(r"^  inout ", mapped.verilog, re.MULTILINE):
        raise NotDone("ports that are inputs and outputs at once")
    clocking = find_clock(mapped.verilog, library, clock_port)
    with tempfile.TemporaryDirectory(prefix="timing-") as scratch:
        folder = Path(scratch)
        for number, text in enumerate(library.texts.values()):
            (folder / f"library{number}.lib").write_text(text, encoding="utf-8")
        (folder / "netlist.v").write_text(
            plain(mapped.verilog) + _bench(mapped, library, clocking), encoding="utf-8"
        )
        (folder / "run.tcl").write_text(_SCRIPT, encoding="utf-8")
        with _session(folder) as session:
            return _timing(session, mapped, library, clocking, clock_ns, version)


def _timing(
    session: "_Session",
    mapped: Mapped,
    library: Library,
    clocking: Clocking,
    clock_ns: float | None,
    version: str,
) -> Timing:
    """Timing of the netlist that the session has read."""
    period, critical = session.solve(clocking)
    at = period if clock_ns is None else clock_ns
    # At one edge, the setup slack is the difference, and the hold slack that of any period.
    is_simple = clocking.is_uniform and not session.has_more
    setup = {} if is_simple else session.paths("max", at)
    hold = session.paths("min", ANALYSED_NS if is_simple else at)
    names = _names(mapped)

    def slack(paths: Mapping[str, _Path], group: str) -> float | None:
        return round(paths[group].slack, 4) if group in paths else None

    more = {
        "recovery": slack(setup, RESET),
        "clock gating setup": slack(setup, GATING),
        "clock gating hold": slack(hold, GATING),
    }
    uniform_slack = round(at - period, 4)
    return Timing(
        min_period_ns=round(period, 4),
        hold_slack_ns=round(hold[CLOCK].slack, 4),
        setup_ns=round(critical.library, 4),
        delay_ns=round(critical.delay, 4),
        start=names.get(critical.start, critical.start),
        end=names.get(critical.end, critical.end),
        path=critical.cells,
        clock=shown(clocking.port or ""),
        slack_ns=None
        if clock_ns is None
        else uniform_slack
        if clocking.is_uniform
        else slack(setup, CLOCK),
        recovery_slack_ns=more["recovery"],
        removal_slack_ns=slack(hold, RESET),
        gating_slack_ns=more["clock gating setup"],
        warnings=(
            *_warnings(clocking, critical),
            *_overloaded(mapped, library),
            *(
                f"{name} is violated at {at:.4g} ns: slack {value} ns"
                for name, value in more.items()
                if value is not None and value < 0
            ),
            *session.unconstrained(names, _tied(mapped)),
        ),
        sta=version,
    )


def _warnings(clocking: Clocking, path: _Path) -> Iterator[str]:
    """What a reader of the shortest period should know."""
    if clocking.port is None:
        yield (
            "no flip-flops: the period is from registers before the inputs to registers behind "
            "the outputs"
        )
    elif not path.cells:
        yield "the critical path has no cells: it is clock-to-output and setup time alone"


def _overloaded(mapped: Mapped, library: Library) -> Iterator[str]:
    """Nets whose load is far beyond what their driver is specified for, so that delays are guesses.

    Recipes that only choose gates put no buffers behind wide fan-outs.
    """
    loads: dict[str, float] = {}
    limits: dict[str, float] = {}
    for instance in instances(mapped.verilog):
        cell = library.cells.get(instance.cell)
        for pin in cell.pins if cell else ():
            net = instance.nets.get(pin.name, "").strip()
            if pin.direction == "input":
                loads[net] = loads.get(net, 0.0) + pin.capacitance
            elif pin.max_capacitance:
                limits[net] = pin.max_capacitance
    beyond = {net: loads.get(net, 0.0) / limit for net, limit in limits.items() if net}
    far = {net: times for net, times in beyond.items() if times > FAR}
    if far:
        worst = max(sorted(far), key=lambda net: far[net])
        is_sized = mapped.recipe.endswith("-sized")
        remedy = "" if is_sized else ": --recipe keep-sized --clock NS adds buffers"
        yield (
            f"{len(far)} nets have more than {FAR:g} times the load that their driver may have, "
            f"{shown(worst)} {far[worst]:.0f} times{remedy}"
        )


def _names(mapped: Mapped) -> dict[str, str]:
    """Names of ports and nets, by the instance at the start or end of a path."""
    names = {
        f"p{number}_{bit}": name
        for number, port in enumerate(ports(mapped.verilog))
        for bit, name in enumerate(port.bits())
    }
    for cell in instances(mapped.verilog):
        driven = [net for pin, net in cell.nets.items() if pin.startswith(("Q", "Y", "Z"))]
        names[f"{_UNIT}/{cell.name.strip()}"] = driven[0] if driven else cell.name
    return names


def _tied(mapped: Mapped) -> set[str]:
    """Pins that are tied to a constant."""
    nets = aliases(mapped.verilog)
    return {
        f"{_UNIT}/{cell.name.strip()}/{pin}"
        for cell in instances(mapped.verilog)
        for pin, net in cell.nets.items()
        if nets.get(net.strip(), net).startswith("1'")
    }


@contextmanager
def _session(folder: Path) -> Iterator["_Session"]:
    """OpenSTA with the netlist in ``folder``."""
    with subprocess.Popen(
        ["sta", "-no_splash", "-exit", "run.tcl"],
        cwd=folder,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            session = _Session(process.stdin, process.stdout)
            session.answer()
            yield session
        finally:
            process.kill()


@dataclass
class _Session:
    """Questions to OpenSTA. ``known`` are answers, by kind of path and period."""

    questions: IO[str]
    answers: IO[str]
    period: float = 0.0
    known: dict[tuple[str, float], dict[str, _Path]] = field(default_factory=dict)

    def ask(self, command: str) -> str:
        """What OpenSTA prints for a command of `_SCRIPT`."""
        try:
            self.questions.write(f"{command}\n")
            self.questions.flush()
        except BrokenPipeError:
            raise StaError("OpenSTA ended unexpectedly") from None
        return self.answer()

    def answer(self) -> str:
        """The lines up to the end of an answer. Raises StaError if there is an error in them."""
        lines = []
        for line in self.answers:
            if line == "#end\n":
                break
            lines.append(line)
        else:
            lines.append("Error: OpenSTA ended unexpectedly")
        errors = [line.strip() for line in lines if re.search(r"\b[Ee]rror\b", line)]
        if errors:
            raise StaError(errors[0])
        return "".join(lines)

    def paths(self, kind: str, period: float) -> dict[str, _Path]:
        """Worst path of each group at a period: ``max`` for setup, ``min`` for hold."""
        if (kind, period) in self.known:
            return self.known[kind, period]
        if period != self.period:
            self.ask(f"period {period!r}")
            self.period = period
        found: dict[str, _Path] = {}
        for text in re.split(r"(?=^Startpoint: )", self.ask(f"paths {kind}"), flags=re.MULTILINE):
            group = re.search(r"^Path Group: (\S+)$", text, re.MULTILINE)
            if group:
                found.setdefault(group[1], _path(text, period))
        self.known[kind, period] = found
        return found

    @property
    def has_more(self) -> bool:
        """Whether there are checks of resets or of gates in the clock."""
        return any(paths.keys() - {CLOCK} for paths in self.known.values())

    def solve(self, clocking: Clocking) -> tuple[float, _Path]:
        """Shortest period without a violation, and the worst path at it."""
        period = ANALYSED_NS
        for _ in range(STEPS):
            path = self.paths("max", period).get(CLOCK)
            if path is None:
                raise NotDone("no path from a register or input to a register or output")
            if clocking.is_uniform:
                return period - path.slack, path
            if abs(path.slack) < EXACT_NS:
                return self._borrowed(period) if clocking.latches else (period, path)
            period = max(period - path.slack / (path.share or 1.0), EXACT_NS)
        raise NotDone(f"no period found at which the worst slack is 0 in {STEPS} steps")

    def _borrowed(self, high: float) -> tuple[float, _Path]:
        """The shortest period up to ``high``, where latches borrow time: their slack is 0."""
        low = 0.0
        while high - low > EXACT_NS:
            middle = (low + high) / 2
            met = self.paths("max", middle)[CLOCK].slack > -EXACT_NS
            low, high = (low, middle) if met else (middle, high)
        return high, self.paths("max", high)[CLOCK]

    def unconstrained(self, names: dict[str, str], tied: set[str]) -> Iterator[str]:
        """Endpoints of the netlist that OpenSTA does not check, of pins not ``tied`` to a constant.

        Raises NotDone if there is a loop: the result would depend on where OpenSTA cuts it.
        """
        places: dict[str, list[str]] = {}
        kind = ""
        for line in self.ask("setup").splitlines():
            head = re.match(r"Warning: There (?:is|are) \d+ (.*?)\.?$", line)
            if head:
                kind = head[1]
            elif line.strip().startswith(f"{_UNIT}/") and line.strip() not in tied:
                places.setdefault(kind, []).append(line.strip())
        for kind, pins in places.items():
            first = names.get(pins[0].rpartition("/")[0], pins[0].removeprefix(f"{_UNIT}/"))
            if "loop" in kind:
                raise NotDone(f"combinational loop through {first}")
            yield f"{len(pins)} {kind}, first {first}"


def _path(text: str, period: float) -> _Path:
    """Parse the path of one report."""

    def word(pattern: str) -> str:
        match = re.search(pattern, text)
        if match is None:
            raise StaError(f"OpenSTA reported no path ({' '.join(text.split())[:60]})")
        return match[1]

    arrival, _, required = text.partition("data arrival time")
    start, end = word(r"Startpoint: (\S+)"), word(r"Endpoint: (\S+)")
    rows = re.findall(rf"^ *{_NUMBER} +\S+ [\^v] (\S+)/\S+ \((\S+)\)$", arrival, re.MULTILINE)
    between = [(float(delay), cell) for delay, place, cell in rows if place not in (start, end)]
    launched, captured = (
        [float(time) for time in re.findall(rf"{_NUMBER} +{CLOCK} {CLOCK}'? \(", part)]
        for part in (arrival, required)
    )
    library = re.search(rf"{_NUMBER} +{_NUMBER[1:-1]} +library", text)
    return _Path(
        start=start,
        end=end,
        slack=float(word(rf"{_NUMBER} +slack")),
        share=(captured[0] - launched[0]) / period if launched and captured else 1.0,
        library=abs(float(library[1])) if library else 0.0,
        delay=sum(delay for delay, _ in between),
        cells=tuple(cell for _, cell in between),
    )


def _bench(mapped: Mapped, library: Library, clocking: Clocking) -> str:
    """Verilog of a module that puts the netlist between flip-flops."""
    register = _register(mapped, library, clocking)
    assert register.flip_flop is not None
    (edge,) = read_function(register.flip_flop.clock).variables
    data = min(read_function(register.flip_flop.next_state).variables)
    lines, connections = [], []
    clock = _CLOCK
    if _is_falling(register) != clocking.is_falling:
        inverter, clock = _inverter(library), "inverted_clock"
        (source,), (sink,) = inverter.pins_of("input"), inverter.pins_of("output")
        lines += [
            f"  wire {clock};",
            f"  {inverter.name} inverter (.{source.name}({_CLOCK}), .{sink.name}({clock}));",
        ]
    for number, port in enumerate(ports(mapped.verilog)):
        bits = port.bits()
        is_clock = [bit.strip() == clocking.port for bit in bits]
        if not all(is_clock):
            lines.append(f"  wire [{port.width - 1}:0] p{number};")
        nets = [_CLOCK if own else f"p{number}[{bit}]" for bit, own in enumerate(is_clock)]
        whole = f"p{number}" if not any(is_clock) else f"{{{', '.join(reversed(nets))}}}"
        connections.append(f".{port.name}({_CLOCK if all(is_clock) else whole})")
        # Before an input, after an output.
        pin = register.pins_of("output")[0].name if port.direction == "input" else data
        lines += [
            f"  {register.name} p{number}_{bit} (.{edge}({clock}), .{pin}(p{number}[{bit}]));"
            for bit, own in enumerate(is_clock)
            if not own
        ]
    lines.append(f"  {mapped.top} {_UNIT} ({', '.join(connections)});")
    return "\n".join([f"module bench ({_CLOCK});", f"  input {_CLOCK};", *lines, "endmodule", ""])


def _register(mapped: Mapped, library: Library, clocking: Clocking) -> Cell:
    """The flip-flop at ports: the one of the clock's edge that the netlist uses most.

    Without one, it is the smallest plain flip-flop of the library, if possible of this edge.
    """
    used = {
        name: number
        for name, number in mapped.cells.items()
        if (cell := library.cells[name]).flip_flop and _is_falling(cell) == clocking.is_falling
    }
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
    return min(
        plain,
        key=lambda cell: (_is_falling(cell) != clocking.is_falling, cell.area, cell.name),
    )


def _is_falling(cell: Cell) -> bool:
    """Whether a flip-flop stores at the falling edge."""
    assert cell.flip_flop is not None
    return read_function(cell.flip_flop.clock).operator == "~"


def _inverter(library: Library) -> Cell:
    """The smallest inverter of a library."""
    found = [
        cell
        for cell in library.cells.values()
        if not cell.dont_use
        and len(cell.pins_of("input")) == 1
        and [function.operator for function in outputs(cell).values()] == ["~"]
        and not cell.is_register
    ]
    if not found:
        raise SpecError(f"The Liberty library {library.name!r} has no inverter")
    return min(found, key=lambda cell: (cell.area, cell.name))
