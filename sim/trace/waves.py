# SPDX-License-Identifier: Apache-2.0
"""Waveforms of an array: write VCD files with GTKWave savefiles, and read VCD files.

Signals have the same names as in the RTL, in a scope with the name of the array. A cycle takes
10 ns. Registers change at its start; the clock rises in its middle.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from vcd.gtkw import GTKWSave
from vcd.reader import TokenKind, tokenize
from vcd.writer import Variable, VCDWriter

from hw.spec import ArraySpec
from hw.spec.errors import require
from sim.cycle import Inputs, Outputs
from sim.cycle.wires import Wires, packed, wires
from sim.files import whole_file

Ints = npt.NDArray[Any]

#: Largest number of elements times cycles: files of about 200 MB.
MAX_PLACES = 2_000_000
PERIOD = 10
#: Prefixes of the streams.
A, B, C = "s_axis_a", "s_axis_b", "m_axis_c"


def require_traceable(spec: ArraySpec, cycles: int) -> None:
    """Raise SpecError if the waveform would be too large."""
    most = MAX_PLACES // (spec.rows * spec.cols)
    require(cycles <= most, "Trace cycles", f"at most {most} on {spec.size} elements", cycles)


class _Group:
    """Signals of one width. Only changes are written."""

    def __init__(self, writer: VCDWriter, top: str, group: Wires) -> None:
        self.read = group.read
        self._before: Ints | None = None
        self._signals: list[Variable[Any]] = []
        for name in group.names:
            *scope, own = name.split(".")
            self._signals.append(
                writer.register_var(".".join([top, *scope]), own, "reg", size=group.width, init=0)
            )

    def write(self, writer: VCDWriter, time: int, bits: Ints) -> None:
        """Write the bits that changed."""
        changed = np.flatnonzero(bits if self._before is None else bits != self._before)
        for place in changed.tolist():
            writer.change(self._signals[place], time, int(bits[place]))
        self._before = bits.copy()


class Waves:
    """Writes the waveform of a run. Pass `probe` and `watch` to `sim.cycle.matmul`."""

    def __init__(self, file: IO[str], spec: ArraySpec) -> None:
        self._spec, self._cycle = spec, 0
        self._writer = VCDWriter(
            file, timescale="1 ns", date="", version="bytemac", check_values=False
        )
        self._clock = self._writer.register_var(spec.name, "clk", "wire", size=1, init=0)
        self._ports = {
            name: self._writer.register_var(spec.name, name, "wire", size=width, init=0)
            for name, width in _ports(spec).items()
        }
        self._groups = [_Group(self._writer, spec.name, group) for group in wires(spec)]

    def probe(self, array: Any) -> None:
        """Write the registers of a cycle."""
        require_traceable(self._spec, self._cycle + 1)
        time = PERIOD * self._cycle
        self._writer.change(self._clock, time, 0)
        for group in self._groups:
            group.write(self._writer, time, group.read(array))

    def watch(self, inputs: Inputs, outputs: Outputs) -> None:
        """Write the streams of a cycle, and its clock edge."""
        time = PERIOD * self._cycle
        spec, mac = self._spec, self._spec.mac
        values = {
            f"{A}_tvalid": inputs.a_tvalid,
            f"{A}_tready": outputs.a_tready,
            f"{A}_tlast": inputs.a_tlast,
            f"{B}_tvalid": inputs.b_tvalid,
            f"{B}_tready": outputs.b_tready,
            f"{B}_tlast": inputs.b_tlast,
            f"{C}_tvalid": outputs.c_tvalid,
            f"{C}_tready": inputs.c_tready,
            f"{C}_tlast": outputs.c_tlast,
            "error": outputs.error,
            f"{A}_tdata": _bits(inputs.a_tdata, mac.a.width),
            f"{B}_tdata": _bits(inputs.b_tdata, mac.b.width),
            f"{C}_tdata": _bits(outputs.c_tdata.astype(object), spec.slot_width),
        }
        if spec.depth is not None:
            values[f"{A}_tuser"] = inputs.a_tuser
        if spec.flag_bits:
            values[f"{C}_tuser"] = _bits(outputs.c_tuser, spec.flag_bits)
        for name, width in _settings(spec).items():
            values[name] = _bits(np.broadcast_to(getattr(inputs, name), spec.cols), width)
        for name, bits in values.items():
            self._writer.change(self._ports[name], time, int(bits))
        self._writer.change(self._clock, time + PERIOD // 2, 1)
        self._cycle += 1

    def close(self) -> None:
        """Finish the file."""
        self._writer.close(PERIOD * self._cycle)


def _ports(spec: ArraySpec) -> dict[str, int]:
    """Widths of the wires of all streams."""
    mac = spec.mac
    ports = {f"{axis}_{wire}": 1 for axis in (A, B, C) for wire in ("tvalid", "tready", "tlast")}
    ports |= {
        f"{A}_tdata": spec.rows * mac.lanes * mac.a.width,
        f"{B}_tdata": spec.cols * mac.lanes * mac.b.width,
        f"{C}_tdata": spec.cols * spec.slot_width,
        "error": 1,
    }
    if spec.depth is not None:
        ports[f"{A}_tuser"] = 2
    if spec.flag_bits:
        ports[f"{C}_tuser"] = spec.cols * spec.flag_bits
    return ports | {name: spec.cols * width for name, width in _settings(spec).items()}


def _settings(spec: ArraySpec) -> dict[str, int]:
    """Widths, per column, of the output-stage settings."""
    widths = (
        {"c_scale": spec.out.scale_bits, "c_zero_point": spec.out.zero_point_bits}
        if spec.out
        else {}
    )
    return {name: width for name, width in widths.items() if width}


def _bits(codes: Ints, width: int) -> int:
    """Concatenate the low ``width`` bits of codes into one number."""
    return int(packed(codes.reshape(1, -1) & (1 << width) - 1, width)[0])


@contextmanager
def waves(path: Path, spec: ArraySpec) -> Iterator[Waves]:
    """Write a VCD file and its `savefile`. Both appear only if the block succeeds."""
    with whole_file(savefile(path)) as view, whole_file(path) as file:
        text = io.TextIOWrapper(file, encoding="ascii", newline="\n")
        made = Waves(text, spec)
        yield made
        made.close()
        text.detach()
        shown = io.StringIO()
        _show(shown, path.name, spec)
        view.write(shown.getvalue().encode("ascii"))


def savefile(path: Path) -> Path:
    """Name of the GTKWave savefile of a VCD file."""
    return path.with_suffix(".gtkw")


def _show(file: IO[str], dump: str, spec: ArraySpec) -> None:
    """Show the streams, then a collapsed group for each row of elements."""
    save = GTKWSave(file)
    save.dumpfile(dump, abspath=False)
    save.treeopen(f"{spec.name}.")
    save.trace(f"{spec.name}.clk")
    for axis in (A, B, C):
        with save.group(axis):
            for name, width in _ports(spec).items():
                if name.startswith(axis):
                    save.trace(_ranged(spec, name, width))
    for row in range(spec.rows):
        with save.group(f"row {row}", closed=True):
            for group in wires(spec):
                for name in group.names:
                    if name.startswith(f"grid.row_{row}."):
                        save.trace(_ranged(spec, name, group.width))


def _ranged(spec: ArraySpec, name: str, width: int) -> str:
    """Full name of a signal, with the bit range that GTKWave needs."""
    return f"{spec.name}.{name}" + (f"[{width - 1}:0]" if width > 1 else "")


#: Value of each wire by full name, for instance "bench.dut.error"; None if a bit is unknown.
Sample = dict[str, int | None]


def samples(file: str | Path, clock: str) -> Iterator[Sample]:
    """Values of all wires just before each rising edge of ``clock``.

    A wire with several names is listed under each of them.
    """
    names: dict[str, list[str]] = {}
    values: Sample = {}
    changed: Sample = {}
    scope: list[str] = []
    with open(file, "rb") as stream:
        for token in tokenize(stream):
            match token.kind:
                case TokenKind.SCOPE:
                    scope.append(token.scope.ident)
                case TokenKind.UPSCOPE:
                    scope.pop()
                case TokenKind.VAR:
                    full = ".".join([*scope, token.var.reference])
                    names.setdefault(token.var.id_code, []).append(full)
                case TokenKind.CHANGE_SCALAR:
                    bit = token.scalar_change
                    changed |= dict.fromkeys(names[bit.id_code], _number(bit.value))
                case TokenKind.CHANGE_VECTOR:
                    bits = token.vector_change
                    changed |= dict.fromkeys(names[bits.id_code], _number(bits.value))
                case TokenKind.CHANGE_TIME:
                    # Changes at the time of the edge come after it.
                    if changed.get(clock) and values.get(clock) == 0:
                        yield dict(values)
                    values |= changed
                    changed.clear()


def _number(value: int | str) -> int | None:
    """Bits as a number, or None; pyvcd returns bits with x or z as text."""
    return value if isinstance(value, int) else {"0": 0, "1": 1}.get(value)
