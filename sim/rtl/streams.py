# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream beats in and out of a compiled model."""

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require
from sim.rtl.tools import RtlError

if TYPE_CHECKING:
    from sim.rtl.model import Port
    from sim.tiling import Words

__all__ = ["Received", "Streamed", "Wires", "stream"]


@dataclass(frozen=True, slots=True)
class Received:
    """Beats that a sink took: ``data`` and ``user`` as rows of words, ``cycle`` from 0."""

    data: "Words"
    last: npt.NDArray[np.bool_]
    user: "Words | None"
    cycle: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Streamed:
    """What a run of streams left.

    ``sent`` has the cycle in which each beat of each source was taken, ``received`` the beats of
    each sink, ``cycles`` the clock cycles run, ``outputs`` the other outputs after the last one.
    """

    sent: dict[str, npt.NDArray[np.int64]]
    received: dict[str, Received]
    cycles: int
    outputs: dict[str, int]


@dataclass(frozen=True, slots=True)
class Wires:
    """Access to a model's ports."""

    ports: "Mapping[str, Port]"
    index: Mapping[str, int]
    code: ctypes.CDLL
    bench: ctypes.c_void_p


class _Stream(ctypes.Structure):
    """Layout of ``struct Stream`` in harness.cpp."""

    _fields_ = (
        [(name, ctypes.c_int32) for name in ("valid", "ready", "data", "last", "user", "pad")]
        + [("total", ctypes.c_int64)]
        + [(f"{name}_rows", ctypes.c_void_p) for name in ("data", "last", "user", "cycle")]
        + [(name, ctypes.c_uint64) for name in ("stall", "random")]
        + [(name, ctypes.c_int64) for name in ("done", "unstable")]
        + [("offered", ctypes.c_uint64)]
    )


class _Beside(ctypes.Structure):
    """Layout of ``struct Beside`` in harness.cpp."""

    _fields_ = (("port", ctypes.c_int32), ("sink", ctypes.c_int32), ("total", ctypes.c_int64),
                ("rows", ctypes.c_void_p))


class _Lane:
    """One stream: its arrays, and the struct that points at them."""

    def __init__(self, wires: Wires, prefix: str, is_source: bool, total: int, stall: float,
                 random: int) -> None:
        self.prefix, self.total = prefix, total
        ports = {name: wires.ports.get(f"{prefix}_t{name}")
                 for name in ("valid", "ready", "data", "last", "user")}
        for name in ("valid", "ready", "data"):
            port = ports[name]
            way = "input" if is_source == (name != "ready") else "output"
            require(port is not None and port.direction == way, "Stream",
                    f"the prefix of an {way} PREFIX_t{name}", prefix)
        require(0 <= stall < 1, f"Stream {prefix} stall", "from 0 to below 1", stall)
        self.data = _rows(ports["data"], total)
        self.last = np.zeros(total, np.uint64)
        self.user = _rows(ports["user"], total) if ports["user"] else None
        self.cycle = np.zeros(total, np.int64)
        self.struct = _Stream(
            **{name: wires.index[port.name] if port else -1 for name, port in ports.items()},
            total=total, stall=int(stall * 2**32), random=random, unstable=-1,
            data_rows=self.data.ctypes.data, last_rows=self.last.ctypes.data,
            user_rows=None if self.user is None else self.user.ctypes.data,
            cycle_rows=self.cycle.ctypes.data)

    def progress(self, done: int) -> str:
        """For a message."""
        return f"{self.prefix} {done} of {self.total}"


def _rows(port: "Port | None", total: int) -> "Words":
    assert port is not None
    return port.empty(total)


def stream(wires: Wires, sources: Mapping[str, npt.ArrayLike], sinks: Mapping[str, int],
           last: Mapping[str, npt.ArrayLike], user: Mapping[str, npt.ArrayLike],
           stall: Mapping[str, float], seed: int, beside: Mapping[str, Mapping[str, npt.ArrayLike]],
           max_cycles: int) -> Streamed:
    """Run the streams; see `Model.stream`."""
    for name in (*last, *user, *stall):
        require(name in sources or (name in sinks and name not in (*last, *user)), "Stream",
                f"one of {', '.join([*sources, *sinks])}", name)
    lanes = [_source(wires, prefix, beats, last.get(prefix), user.get(prefix),
                     stall.get(prefix, 0), _state(seed, place))
             for place, (prefix, beats) in enumerate(sources.items())]
    for place, (prefix, total) in enumerate(sinks.items(), len(lanes)):
        lanes.append(_Lane(wires, prefix, False, total, stall.get(prefix, 0), _state(seed, place)))
    inputs, outputs = lanes[:len(sources)], lanes[len(sources):]
    into = (_Stream * len(inputs))(*(lane.struct for lane in inputs))
    out = (_Stream * len(outputs))(*(lane.struct for lane in outputs))
    rows = _rows_beside(wires, sinks, beside)
    followers = (_Beside * len(rows))(*(
        _Beside(port=wires.index[port], sink=list(sinks).index(sink), total=len(row),
                rows=row.ctypes.data) for (sink, port), row in rows.items()))
    cycles = wires.code.bench_stream(wires.bench, len(inputs), into, len(outputs), out,
                                     len(followers), followers, ctypes.c_int64(max_cycles))
    _check(lanes, [*into, *out], max_cycles)
    received = {lane.prefix: Received(lane.data, lane.last.astype(bool), lane.user, lane.cycle)
                for lane in outputs}
    return Streamed({lane.prefix: lane.cycle for lane in inputs}, received, int(cycles),
                    _others(wires, lanes))


def _rows_beside(
        wires: Wires, sinks: Mapping[str, int], beside: Mapping[str, Mapping[str, npt.ArrayLike]],
) -> dict[tuple[str, str], "Words"]:
    """Rows of the inputs beside sinks, by sink and port, checked."""
    rows = {}
    for sink, ports in beside.items():
        require(sink in sinks, "Stream", f"one of {', '.join(sinks)}", sink)
        for name, values in ports.items():
            port = wires.ports.get(name)
            require(port is not None and port.direction == "input", "Input port",
                    "one of the design", name)
            assert port is not None
            rows[sink, name] = port.rows(values)
            require(len(rows[sink, name]) == sinks[sink], f"Port {name} values",
                    f"{sinks[sink]} rows", len(rows[sink, name]))
    return rows


def _source(wires: Wires, prefix: str, beats: npt.ArrayLike, last: npt.ArrayLike | None,
            user: npt.ArrayLike | None, stall: float, random: int) -> _Lane:
    """Stream that sends ``beats``."""
    lane = _Lane(wires, prefix, True, len(np.asarray(beats)), stall, random)
    lane.data[...] = wires.ports[f"{prefix}_tdata"].rows(beats)
    if last is not None:
        marks = np.asarray(last)
        require(marks.shape == (lane.total,), f"Stream {prefix} last",
                f"of shape ({lane.total},)", marks.shape)
        lane.last[...] = marks.astype(bool)
    if user is not None:
        require(lane.user is not None, f"Stream {prefix} user", "left out without a tuser", user)
        assert lane.user is not None
        rows = wires.ports[f"{prefix}_tuser"].rows(user)
        require(len(rows) == lane.total, f"Stream {prefix} user", f"{lane.total} rows", len(rows))
        lane.user[...] = rows
    return lane


def _state(seed: int, place: int) -> int:
    """Start of one stream's random numbers."""
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def _check(lanes: list[_Lane], structs: list[Any], max_cycles: int) -> None:
    """Raise for a stream that did not end or broke the protocol."""
    for lane, struct in zip(lanes, structs, strict=True):
        if struct.unstable >= 0:
            raise RtlError(f"Stream {lane.prefix} changed a waiting beat in cycle "
                           f"{struct.unstable}")
    if any(struct.done < lane.total for lane, struct in zip(lanes, structs, strict=True)):
        progress = (lane.progress(s.done) for lane, s in zip(lanes, structs, strict=True))
        raise RtlError(f"Streams did not end in {max_cycles} cycles; beats: {', '.join(progress)}")


def _others(wires: Wires, lanes: list[_Lane]) -> dict[str, int]:
    """Outputs that belong to no stream of the run."""
    own = tuple(f"{lane.prefix}_t" for lane in lanes)
    values = {}
    for port in wires.ports.values():
        if port.direction == "output" and not port.name.startswith(own):
            row = port.empty(1)
            wires.code.bench_read(wires.bench, wires.index[port.name],
                                  ctypes.c_void_p(row.ctypes.data))
            values[port.name] = int.from_bytes(row.tobytes(), "little")
    return values
