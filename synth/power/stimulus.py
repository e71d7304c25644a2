# SPDX-License-Identifier: Apache-2.0
"""Values of input ports in each clock cycle, from a VCD file or an archive of arrays.

A VCD is sampled at each rising edge of the clock: an input has the value that it had just before
the edge, as a flip-flop sees it. What changes twice in a cycle counts once. Its outputs, where it
has them, are what the netlist must give.

An archive (``.npz``) has an array for each input port but the clock: whole numbers, one a cycle,
or bits of shape (cycles, width), low bit first.
"""

import hashlib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from vcd.common import VarType
from vcd.reader import TokenKind, VarDecl, VCDParseError, tokenize

from hw.spec.errors import SpecError, require
from synth.flow.clocks import shown
from synth.flow.netlists import Port
from synth.power.activity import Bits

#: Characters of a VCD that are values.
_KNOWN = {"0": 0, "1": 1}


@dataclass(frozen=True, kw_only=True)
class StimulusFile:
    """File of a stimulus.

    ``scope`` is the scope of the ports in a VCD, as in ``tb.dut``; None if only one has them.
    ``operations`` is how many operations the stimulus does, None to count cycles.
    """

    path: Path
    scope: str | None = None
    operations: int | None = None

    @property
    def cache_key(self) -> list[Any]:
        """What a result depends on."""
        return [hashlib.sha256(self.path.read_bytes()).hexdigest(), self.scope, self.operations]


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """Bits of ports in each cycle, (cycles, width), low bit first.

    ``inputs`` has every input but the clock, ``outputs`` those that the file has. Where ``known``
    is False, an output had no value.
    """

    inputs: Mapping[str, Bits]
    outputs: Mapping[str, Bits] = field(default_factory=dict)
    known: Mapping[str, Bits] = field(default_factory=dict)

    @property
    def cycles(self) -> int:
        """Clock cycles."""
        return len(next(iter(self.inputs.values())))


def read_stimulus(file: StimulusFile, ports: Sequence[Port], clock: str) -> Stimulus:
    """Read the values of ``ports`` and check that they are all there.

    Parameters
    ----------
    file
        A VCD or an ``.npz``, told apart by the first bytes.
    ports
        Ports of the netlist.
    clock
        Name of the clock port.

    Raises
    ------
    SpecError
        For a file that is neither, a missing port, a wrong width, a value that is unknown, or a
        clock without two rising edges.
    """
    path = file.path
    require(path.is_file(), "Stimulus", "a readable file", str(path))
    with path.open("rb") as stream:
        start = stream.read(2)
    if start == b"PK":
        stimulus = _archive(path, ports, clock)
    else:
        stimulus = _vcd(path, file.scope, ports, clock)
    if stimulus.cycles < 2:
        raise SpecError(f"Stimulus {str(path)!r} must have two cycles or more")
    return stimulus


def _inputs(ports: Iterable[Port], clock: str) -> dict[str, Port]:
    """Input ports but the clock, by name."""
    return {
        shown(port.name): port
        for port in ports
        if port.direction == "input" and shown(port.name) != clock
    }


def _archive(path: Path, ports: Sequence[Port], clock: str) -> Stimulus:
    """Stimulus from arrays."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, SyntaxError) as error:
        raise SpecError(f"Stimulus must be an archive of arrays, not {str(path)!r}") from error
    wanted = _inputs(ports, clock)
    for name in arrays:
        if name not in wanted:
            raise SpecError(
                f"Stimulus {str(path)!r} has {name!r}, which is no input but the clock: it must "
                f"have {', '.join(wanted) or 'nothing'}"
            )
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise SpecError(f"Stimulus {str(path)!r} has no values of {', '.join(missing)}")
    lengths = {name: len(np.atleast_1d(array)) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{number} of {name}" for name, number in lengths.items())
        raise SpecError(f"Stimulus {str(path)!r} must have as many values of each port: {counts}")
    if not wanted:
        raise SpecError("A design without inputs needs no stimulus of arrays: give a VCD")
    return Stimulus(
        inputs={name: _bits(name, arrays[name], port.width) for name, port in wanted.items()}
    )


def _bits(name: str, values: npt.NDArray[Any], width: int) -> Bits:
    """Bits of the values of a port."""
    if values.ndim == 2:
        fits = values.shape[1] == width and values.dtype.kind in "bui"
        require(fits, f"Values of {name}", f"bits of shape (cycles, {width})", values.shape)
        require(bool(np.isin(values, (0, 1)).all()), f"Bits of {name}", "0 or 1", values.max())
        return values.astype(bool)
    fits = values.ndim == 1 and values.dtype.kind in "bui"
    require(fits, f"Values of {name}", "one whole number a cycle", f"{values.dtype} {values.shape}")
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    span = f"from {-(1 << width - 1)} to {(1 << width) - 1} ({width} bits)"
    require(-(1 << width - 1) <= low, f"Values of {name}", span, low)
    require(high < 1 << width, f"Values of {name}", span, high)
    wide = values.astype(np.uint64 if values.dtype.kind in "bu" else np.int64)
    # A shift by 64 places or more has no meaning for numpy; the sign fills what is above.
    places = np.minimum(np.arange(width), 63).astype(wide.dtype)
    bits: Bits = (wide[:, None] >> places & wide.dtype.type(1)).astype(bool)
    if wide.dtype.kind == "u":
        bits[:, 64:] = False
    return bits


@dataclass
class _Signal:
    """A variable of a VCD: the port it belongs to and the bits it holds, highest first."""

    port: str
    places: tuple[int, ...]


def _vcd(path: Path, scope: str | None, ports: Sequence[Port], clock: str) -> Stimulus:
    """Stimulus from a VCD."""
    by_name = {shown(port.name): port for port in ports}
    try:
        with path.open("rb") as stream:
            tokens = tokenize(stream)
            scopes = _scopes(tokens)
            chosen = _scope(scopes, scope, by_name, clock)
            signals = _signals(scopes[chosen], by_name, path, chosen)
            for name in (clock, *_inputs(ports, clock)):
                found = {
                    p for s in signals.values() for own in s if own.port == name for p in own.places
                }
                if len(found) < by_name[name].width:
                    raise SpecError(
                        f"Scope {chosen} of {str(path)!r} must have {by_name[name].width} bits of "
                        f"port {name}, not {len(found)}"
                    )
            times, samples = _samples(tokens, signals, by_name, clock)
    except (VCDParseError, UnicodeDecodeError, ValueError) as error:
        if isinstance(error, SpecError):
            raise
        raise SpecError(f"Stimulus must be a VCD or an archive of arrays, not {str(path)!r}") from (
            error
        )
    if len(times) < 2:
        raise SpecError(
            f"Clock {clock} of scope {chosen} in {str(path)!r} must rise twice or more, not "
            f"{len(times)} times"
        )
    values = {name: np.array(rows, np.int8) for name, rows in samples.items()}
    for name in _inputs(ports, clock):
        unknown = np.flatnonzero((values[name] < 0).any(axis=1))
        if len(unknown):
            raise SpecError(
                f"Port {name} of scope {chosen} in {str(path)!r} has no known value at time "
                f"{times[unknown[0]]}: start the VCD later, or set every input"
            )
    return Stimulus(
        inputs={name: values[name].astype(bool) for name in _inputs(ports, clock)},
        outputs={
            name: values[name] > 0
            for name, port in by_name.items()
            if port.direction == "output" and name in values
        },
        known={
            name: values[name] >= 0
            for name, port in by_name.items()
            if port.direction == "output" and name in values
        },
    )


def _scopes(tokens: Iterable[Any]) -> dict[str, list[VarDecl]]:
    """Variables of each scope, up to the end of the header."""
    scopes: dict[str, list[VarDecl]] = {}
    inside: list[str] = []
    for token in tokens:
        if token.kind is TokenKind.SCOPE:
            inside.append(token.scope.ident)
        elif token.kind is TokenKind.UPSCOPE:
            inside.pop()
        elif token.kind is TokenKind.VAR and token.var.type_ not in (VarType.real, VarType.string):
            scopes.setdefault(".".join(inside), []).append(token.var)
        elif token.kind is TokenKind.ENDDEFINITIONS:
            break
    return scopes


def _scope(
    scopes: Mapping[str, list[VarDecl]], wanted: str | None, ports: Mapping[str, Port], clock: str
) -> str:
    """The scope of the ports."""
    known = ", ".join(scopes) or "none"
    if wanted is not None:
        require(wanted in scopes, "Scope", f"one of {known}", wanted)
        return wanted
    names = {clock, *_inputs(ports.values(), clock)}
    found = [
        scope for scope, variables in scopes.items() if names <= {v.reference for v in variables}
    ]
    if len(found) != 1:
        raise SpecError(
            f"{len(found) or 'No'} scopes of the VCD have all inputs: give --scope, one of {known}"
        )
    return found[0]


def _signals(
    variables: Sequence[VarDecl], ports: Mapping[str, Port], path: Path, scope: str
) -> dict[str, list[_Signal]]:
    """Ports and bits that each code of a VCD stands for."""
    signals: dict[str, list[_Signal]] = {}
    for variable in variables:
        name = variable.reference.removeprefix("\\")
        if name not in ports:
            continue
        port, index = ports[name], variable.bit_index
        if isinstance(index, int):
            places: tuple[int, ...] = (index - port.lsb,)
        else:
            places = tuple(range(variable.size - 1, -1, -1))
        if not all(0 <= place < port.width for place in places):
            raise SpecError(
                f"Port {name} of scope {scope} in {str(path)!r} must have {port.width} bits, not "
                f"{variable.size}"
            )
        signals.setdefault(variable.id_code, []).append(_Signal(name, places))
    return signals


def _samples(
    tokens: Iterable[Any],
    signals: Mapping[str, list[_Signal]],
    ports: Mapping[str, Port],
    clock: str,
) -> tuple[list[int], dict[str, list[list[int]]]]:
    """Times of rising edges of the clock, and the values just before, -1 for unknown ones."""
    there = {signal.port for own in signals.values() for signal in own}
    now = {name: [-1] * ports[name].width for name in there}
    samples: dict[str, list[list[int]]] = {name: [] for name in there if name != clock}
    times: list[int] = []
    time, before, rises = 0, {name: list(bits) for name, bits in now.items()}, False

    def close() -> None:
        """End a time: keep the values before it if the clock rose."""
        if rises:
            times.append(time)
            for name, rows in samples.items():
                rows.append(before[name])

    for token in tokens:
        if token.kind is TokenKind.CHANGE_TIME:
            close()
            time, rises = token.time_change, False
            before = {name: list(bits) for name, bits in now.items()}
        elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR):
            change = (
                token.scalar_change
                if token.kind is TokenKind.CHANGE_SCALAR
                else token.vector_change
            )
            for signal in signals.get(change.id_code, ()):
                for place, value in zip(
                    signal.places, _digits(change.value, len(signal.places)), strict=True
                ):
                    now[signal.port][place] = value
                if signal.port == clock:
                    rises = rises or (before[clock] == [0] and now[clock] == [1])
    close()
    return times, samples


def _digits(value: int | str, width: int) -> list[int]:
    """Digits of a value, highest first: 0, 1, or -1 for one that is not known."""
    text = f"{value:b}" if isinstance(value, int) else value
    fill = text[0] if text[:1] in ("x", "z", "X", "Z") else "0"
    return [_KNOWN.get(digit, -1) for digit in text.rjust(width, fill)[-width:]]
