# SPDX-License-Identifier: Apache-2.0
"""A compiled model, driven with rows of port values or with beats over AXI4-Stream ports."""

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require

#: 64-bit words, a row of them for each value that is wider, low word first.
Words = npt.NDArray[np.uint64]

CLOCK = "clk"
RESET = "rst"


class RtlError(RuntimeError):
    """Verilog cannot be compiled, or its simulation failed. The message is one line."""


@dataclass(frozen=True, slots=True)
class ModelPort:
    """One port of the top module."""

    name: str
    direction: str
    width: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "ModelPort":
        """Port from a row of a manifest. Other keys of the row are ignored."""
        for key in ("name", "direction", "width"):
            require(key in row, "Port", f"a row with the key {key}", dict(row))
        require(
            row["direction"] in ("input", "output"),
            f"Port {row['name']} direction",
            "input or output",
            row["direction"],
        )
        require(
            isinstance(row["width"], int) and row["width"] >= 1,
            f"Port {row['name']} width",
            "an integer from 1",
            row["width"],
        )
        return cls(str(row["name"]), str(row["direction"]), row["width"])

    @property
    def is_clock(self) -> bool:
        """Whether this port is the clock, which the harness toggles."""
        return self.name == CLOCK

    @property
    def words(self) -> int:
        """Number of 64-bit words per value."""
        return -(-self.width // 64)

    def rows(self, values: npt.ArrayLike) -> Words:
        """Check values and convert them to words: (n,), or (n, words) beyond 64 bits.

        Ports of up to 64 bits also accept (n, 1).
        """
        array = np.asarray(values)
        if self.words == 1 and array.shape[1:] == (1,):
            array = array[:, 0]
        shape = "1-D" if self.words == 1 else f"of shape (n, {self.words})"
        good_shape = array.ndim == 1 if self.words == 1 else array.shape[1:] == (self.words,)
        require(good_shape, f"Port {self.name} values", shape, array.shape)
        require(
            array.dtype.kind in "bui",
            f"Port {self.name} values",
            "unsigned integers",
            str(array.dtype),
        )
        require(
            array.dtype.kind != "i" or not (array < 0).any(),
            f"Port {self.name} values",
            "unsigned integers",
            int(array.min(initial=0)),
        )
        words: Words = np.ascontiguousarray(array, dtype=np.uint64)
        top = words if self.words == 1 else words[:, -1]
        spare = 64 * self.words - self.width
        require(
            not spare or not (top >> np.uint64(64 - spare)).any(),
            f"Port {self.name} values",
            f"below 2**{self.width}",
            hex(int(top.max(initial=0))),
        )
        return words

    def empty(self, n: int) -> Words:
        """Empty array for ``n`` values."""
        return np.zeros(n if self.words == 1 else (n, self.words), np.uint64)


@dataclass(frozen=True, slots=True)
class Received:
    """Beats received by a sink: ``data`` and ``user`` as rows of words; ``cycle`` counts from 0."""

    data: Words
    last: npt.NDArray[np.bool_]
    user: Words | None
    cycle: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Streamed:
    """Result of `Model.stream`.

    ``sent`` has, for each source, the cycle in which each beat was taken, ``received`` the beats of
    each sink, ``cycles`` the number of cycles, ``outputs`` the other outputs after the last cycle.
    """

    sent: dict[str, npt.NDArray[np.int64]]
    received: dict[str, Received]
    cycles: int
    outputs: dict[str, int]


class Model:
    """A compiled design and its state. The state is kept between calls until `reset`.

    Parameters
    ----------
    library
        Shared library that `sim.rtl.compile` made.
    ports
        Ports of the design.
    """

    def __init__(self, library: Path, ports: Iterable[ModelPort]) -> None:
        self.library = library
        self.ports = {port.name: port for port in ports}
        self._driven = [port for port in self.ports.values() if not port.is_clock]
        #: For drivers of other protocols: the port numbers, the harness functions, and the design.
        self.index = {port.name: index for index, port in enumerate(self._driven)}
        self.code = _load(library)
        self.bench = ctypes.c_void_p(self.code.bench_open())

    def __del__(self) -> None:
        if hasattr(self, "bench"):
            self.code.bench_close(self.bench)

    def reset(self, cycles: int = 1) -> None:
        """Hold ``rst`` high for some clock cycles, with all other inputs low."""
        require(RESET in self.ports, "Reset", f"a port {RESET} of the design", None)
        self.run({RESET: np.ones(cycles, np.uint64)}, outputs=())
        self._zero_inputs()

    def run(
        self,
        inputs: Mapping[str, npt.ArrayLike],
        *,
        cycles: int | None = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, Words]:
        """Run one clock cycle for each row of ``inputs``.

        Outputs are sampled just before the rising edge that ends a cycle. A combinational output
        for row ``t`` is in row ``t``; after ``latency`` registers it is in row ``t + latency``.

        Parameters
        ----------
        inputs
            Rows of uint64 by port: (cycles,), or (cycles, ceil(width / 64)) past 64 bits, low word
            first. Omitted inputs are 0.
        cycles
            Number of cycles; needed only without inputs.
        outputs
            Outputs to return; by default all.

        Returns
        -------
        dict
            Rows of uint64 by output, shaped like inputs.
        """
        rows = {name: self._port(name, "input").rows(values) for name, values in inputs.items()}
        counts = {len(row) for row in rows.values()} | ({cycles} if cycles is not None else set())
        require(len(counts) == 1, "Inputs", "arrays with the same number of rows", sorted(counts))
        n = counts.pop()
        wanted = self._names("output") if outputs is None else outputs
        sampled = {name: self._port(name, "output").empty(n) for name in wanted}
        self._zero_inputs()
        self.code.bench_run(
            self.bench, ctypes.c_int64(n), *self._columns(rows), *self._columns(sampled)
        )
        return sampled

    def read(self, name: str) -> int:
        """Current value of an output, with the clock low and the inputs unchanged."""
        row = self._port(name, "output").empty(1)
        self.code.bench_read(self.bench, self.index[name], ctypes.c_void_p(row.ctypes.data))
        return int.from_bytes(row.tobytes(), "little")

    def stream(
        self,
        sources: Mapping[str, npt.ArrayLike],
        sinks: Mapping[str, int],
        *,
        last: Mapping[str, npt.ArrayLike] | None = None,
        user: Mapping[str, npt.ArrayLike] | None = None,
        stall: Mapping[str, float] | None = None,
        seed: int = 0,
        beside: Mapping[str, Mapping[str, npt.ArrayLike]] | None = None,
        max_cycles: int = 1_000_000,
    ) -> Streamed:
        """Move beats over AXI4-Stream ports until every beat has been sent and received.

        A stream ``x`` has the ports ``x_tvalid``, ``x_tready``, ``x_tdata`` and may have
        ``x_tlast`` and ``x_tuser``. ``tvalid`` of a source, once high, stays until ``tready``.
        All other inputs are 0.

        Parameters
        ----------
        sources
            Beats of ``tdata`` by stream, as rows of words.
        sinks
            Number of beats to receive by stream. After that, ``tready`` is low.
        last
            ``tlast`` of each beat by source, by default low.
        user
            ``tuser`` of each beat by source, as rows of words, by default 0.
        stall
            By stream, the probability of a stall in a cycle: nothing new is offered or taken.
        seed
            Seed of the stalls.
        beside
            Rows of other inputs by sink and port, one per beat. Row i is applied from the cycle in
            which beat i - 1 is first offered until beat i is first offered. The ``tvalid`` of such
            a sink must be a register.
        max_cycles
            Cycles until the run times out.

        Raises
        ------
        RtlError
            If it does not end, or a beat of a sink changes before it is taken.
        """
        last, user, stall = last or {}, user or {}, stall or {}
        for name in (*last, *user, *stall):
            require(
                name in sources or (name in sinks and name not in (*last, *user)),
                "Stream",
                f"one of {', '.join([*sources, *sinks])}",
                name,
            )
        self._zero_inputs()
        inputs = [
            _source(
                self,
                prefix,
                beats,
                last.get(prefix),
                user.get(prefix),
                stall.get(prefix, 0),
                _state(seed, place),
            )
            for place, (prefix, beats) in enumerate(sources.items())
        ]
        outputs = [
            _Lane(self, prefix, False, total, stall.get(prefix, 0), _state(seed, place))
            for place, (prefix, total) in enumerate(sinks.items(), len(inputs))
        ]
        lanes = inputs + outputs
        into = (_Stream * len(inputs))(*(lane.struct for lane in inputs))
        out = (_Stream * len(outputs))(*(lane.struct for lane in outputs))
        rows = _rows_beside(self, sinks, beside or {})
        followers = (_Beside * len(rows))(
            *(
                _Beside(
                    port=self.index[port],
                    sink=list(sinks).index(sink),
                    total=len(row),
                    rows=row.ctypes.data,
                )
                for (sink, port), row in rows.items()
            )
        )
        cycles = self.code.bench_stream(
            self.bench,
            len(inputs),
            into,
            len(outputs),
            out,
            len(followers),
            followers,
            ctypes.c_int64(max_cycles),
        )
        states = list(zip(lanes, [*into, *out], strict=True))
        for lane, struct in states:
            if struct.unstable >= 0:
                raise RtlError(
                    f"Stream {lane.prefix} changed a waiting beat in cycle {struct.unstable}"
                )
        if any(struct.done < lane.total for lane, struct in states):
            beats = ", ".join(
                f"{lane.prefix} {struct.done} of {lane.total}" for lane, struct in states
            )
            raise RtlError(f"Streams did not end in {max_cycles} cycles; beats: {beats}")
        own = tuple(f"{lane.prefix}_t" for lane in lanes)
        return Streamed(
            {lane.prefix: lane.cycle for lane in inputs},
            {
                lane.prefix: Received(lane.data, lane.last.astype(bool), lane.user, lane.cycle)
                for lane in outputs
            },
            int(cycles),
            {name: self.read(name) for name in self._names("output") if not name.startswith(own)},
        )

    def _port(self, name: str, direction: str) -> ModelPort:
        names = self._names(direction)
        require(name in names, f"{direction.capitalize()} port", f"one of {', '.join(names)}", name)
        return self.ports[name]

    def _names(self, direction: str) -> list[str]:
        return [port.name for port in self._driven if port.direction == direction]

    def _zero_inputs(self) -> None:
        for name in self._names("input"):
            zero = self.ports[name].empty(1)
            self.code.bench_write(self.bench, self.index[name], ctypes.c_void_p(zero.ctypes.data))

    def _columns(self, rows: Mapping[str, Words]) -> tuple[int, Any, Any]:
        """Number of ports, their indices and their arrays, as arguments of the harness."""
        indices = (ctypes.c_int * len(rows))(*(self.index[name] for name in rows))
        arrays = (ctypes.c_void_p * len(rows))(*(row.ctypes.data for row in rows.values()))
        return len(rows), indices, arrays


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

    _fields_ = (
        ("port", ctypes.c_int32),
        ("sink", ctypes.c_int32),
        ("total", ctypes.c_int64),
        ("rows", ctypes.c_void_p),
    )


class _Lane:
    """One stream: its arrays, and the C struct that points to them."""

    def __init__(
        self, model: Model, prefix: str, is_source: bool, total: int, stall: float, random: int
    ) -> None:
        self.prefix, self.total = prefix, total
        ports = {
            name: model.ports.get(f"{prefix}_t{name}")
            for name in ("valid", "ready", "data", "last", "user")
        }
        for name in ("valid", "ready", "data"):
            port = ports[name]
            way = "input" if is_source == (name != "ready") else "output"
            require(
                port is not None and port.direction == way,
                "Stream",
                f"the prefix of an {way} PREFIX_t{name}",
                prefix,
            )
        require(0 <= stall < 1, f"Stream {prefix} stall", "from 0 to below 1", stall)
        assert ports["data"] is not None
        self.data = ports["data"].empty(total)
        self.last = np.zeros(total, np.uint64)
        self.user = ports["user"].empty(total) if ports["user"] else None
        self.cycle = np.zeros(total, np.int64)
        self.struct = _Stream(
            **{name: model.index[port.name] if port else -1 for name, port in ports.items()},
            total=total,
            stall=int(stall * 2**32),
            random=random,
            unstable=-1,
            data_rows=self.data.ctypes.data,
            last_rows=self.last.ctypes.data,
            user_rows=None if self.user is None else self.user.ctypes.data,
            cycle_rows=self.cycle.ctypes.data,
        )


def _rows_beside(
    model: Model,
    sinks: Mapping[str, int],
    beside: Mapping[str, Mapping[str, npt.ArrayLike]],
) -> dict[tuple[str, str], Words]:
    """Check the rows of inputs that accompany sinks, by sink and port."""
    rows = {}
    for sink, ports in beside.items():
        require(sink in sinks, "Stream", f"one of {', '.join(sinks)}", sink)
        for name, values in ports.items():
            port = model.ports.get(name)
            require(
                port is not None and port.direction == "input",
                "Input port",
                "an input of the design",
                name,
            )
            assert port is not None
            rows[sink, name] = port.rows(values)
            require(
                len(rows[sink, name]) == sinks[sink],
                f"Port {name} values",
                f"{sinks[sink]} rows",
                len(rows[sink, name]),
            )
    return rows


def _source(
    model: Model,
    prefix: str,
    beats: npt.ArrayLike,
    last: npt.ArrayLike | None,
    user: npt.ArrayLike | None,
    stall: float,
    random: int,
) -> _Lane:
    """Source stream that sends ``beats``."""
    lane = _Lane(model, prefix, True, len(np.asarray(beats)), stall, random)
    lane.data[...] = model.ports[f"{prefix}_tdata"].rows(beats)
    if last is not None:
        marks = np.asarray(last)
        require(
            marks.shape == (lane.total,),
            f"Stream {prefix} last",
            f"of shape ({lane.total},)",
            marks.shape,
        )
        lane.last[...] = marks.astype(bool)
    if user is not None:
        require(
            lane.user is not None,
            f"Stream {prefix} user",
            "omitted for a stream without tuser",
            user,
        )
        assert lane.user is not None
        rows = model.ports[f"{prefix}_tuser"].rows(user)
        require(len(rows) == lane.total, f"Stream {prefix} user", f"{lane.total} rows", len(rows))
        lane.user[...] = rows
    return lane


def _state(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1, np.uint64)[0])


def _load(library: Path) -> ctypes.CDLL:
    """Load the library and declare the types of its functions."""
    code = ctypes.CDLL(str(library.resolve()))
    code.bench_open.restype = ctypes.c_void_p
    code.bench_stream.restype = code.bench_line.restype = ctypes.c_int64
    code.bench_close.restype = code.bench_write.restype = code.bench_read.restype = None
    code.bench_run.restype = None
    return code
