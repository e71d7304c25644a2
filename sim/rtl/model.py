# SPDX-License-Identifier: Apache-2.0
"""A compiled model: rows of port values in, rows of port values out."""

import ctypes
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require
from sim.rtl.streams import Streamed, Wires, stream
from sim.tiling import Words

__all__ = ["Model", "Port"]

CLOCK = "clk"
RESET = "rst"


@dataclass(frozen=True, slots=True)
class Port:
    """One port of the top module."""

    name: str
    direction: str
    width: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Port":
        """Port of a manifest's row; other keys of the row are ignored."""
        for key in ("name", "direction", "width"):
            require(key in row, "Port", f"a row with the key {key}", dict(row))
        require(row["direction"] in ("input", "output"), f"Port {row['name']} direction",
                "input or output", row["direction"])
        require(isinstance(row["width"], int) and row["width"] >= 1, f"Port {row['name']} width",
                "an integer from 1", row["width"])
        return cls(str(row["name"]), str(row["direction"]), row["width"])

    @property
    def is_clock(self) -> bool:
        """Whether the harness toggles this port."""
        return self.name == CLOCK

    @property
    def words(self) -> int:
        """64-bit words of one value."""
        return -(-self.width // 64)

    def rows(self, values: npt.ArrayLike) -> Words:
        """Values checked and as words, one row a value: (n,) or, past 64 bits, (n, words).

        A narrow port takes (n, 1) as well.
        """
        array = np.asarray(values)
        if self.words == 1 and array.shape[1:] == (1,):
            array = array[:, 0]
        shape = "1-D" if self.words == 1 else f"of shape (n, {self.words})"
        good_shape = array.ndim == 1 if self.words == 1 else array.shape[1:] == (self.words,)
        require(good_shape, f"Port {self.name} values", shape, array.shape)
        require(array.dtype.kind in "bui", f"Port {self.name} values", "unsigned integers",
                str(array.dtype))
        require(array.dtype.kind != "i" or not (array < 0).any(), f"Port {self.name} values",
                "unsigned integers", int(array.min(initial=0)))
        words: Words = np.ascontiguousarray(array, dtype=np.uint64)
        top = words if self.words == 1 else words[:, -1]
        spare = 64 * self.words - self.width
        require(not spare or not (top >> np.uint64(64 - spare)).any(), f"Port {self.name} values",
                f"below 2**{self.width}", hex(int(top.max(initial=0))))
        return words

    def empty(self, n: int) -> Words:
        """Room for ``n`` values."""
        return np.zeros(n if self.words == 1 else (n, self.words), np.uint64)


class Model:
    """A compiled design and its state. The state lasts from call to call until `reset`.

    Parameters
    ----------
    library
        Shared library that `sim.rtl.compile` made.
    ports
        Ports of the design.
    """

    def __init__(self, library: Path, ports: Iterable[Port]) -> None:
        self.library = library
        self.ports = {port.name: port for port in ports}
        self._driven = [port for port in self.ports.values() if not port.is_clock]
        self._index = {port.name: index for index, port in enumerate(self._driven)}
        self._code = _load(library)
        self._bench = ctypes.c_void_p(self._code.bench_open())

    def __del__(self) -> None:
        if hasattr(self, "_bench"):
            self._code.bench_close(self._bench)

    def reset(self, cycles: int = 1) -> None:
        """Hold ``rst`` high for some clock cycles, all other inputs low."""
        require(RESET in self.ports, "Reset", f"a port {RESET} of the design", None)
        self.run({RESET: np.ones(cycles, np.uint64)}, outputs=())
        self._zero_inputs()

    def run(self, inputs: Mapping[str, npt.ArrayLike], *, cycles: int | None = None,
            outputs: Sequence[str] | None = None) -> dict[str, Words]:
        """Run one clock cycle for each row of ``inputs``.

        Outputs are sampled just before the rising edge that ends a cycle: what depends on the
        inputs without a register stands in the same row, what a pipeline of ``latency`` registers
        makes of row ``t`` stands in row ``t + latency``.

        Parameters
        ----------
        inputs
            Rows of uint64 by port: (cycles,), or (cycles, ceil(width / 64)) past 64 bits, low word
            first. An input that is left out is 0.
        cycles
            Number of cycles, needed only where no input is given.
        outputs
            Outputs wanted, by default all.

        Returns
        -------
        dict
            Rows of uint64 by output, shaped as the inputs are.
        """
        rows = {name: self._port(name, "input").rows(values) for name, values in inputs.items()}
        counts = {len(row) for row in rows.values()} | ({cycles} if cycles is not None else set())
        require(len(counts) == 1, "Inputs", "of one number of rows", sorted(counts))
        n = counts.pop()
        wanted = self._names("output") if outputs is None else outputs
        found = {name: self._port(name, "output").empty(n) for name in wanted}
        self._zero_inputs()
        self._code.bench_run(self._bench, ctypes.c_int64(n), *self._columns(rows),
                             *self._columns(found))
        return found

    def read(self, name: str) -> int:
        """Value of an output now, the clock low and the inputs as they were left."""
        row = self._port(name, "output").empty(1)
        self._code.bench_read(self._bench, self._index[name], ctypes.c_void_p(row.ctypes.data))
        return int.from_bytes(row.tobytes(), "little")

    def stream(self, sources: Mapping[str, npt.ArrayLike], sinks: Mapping[str, int], *,
               last: Mapping[str, npt.ArrayLike] | None = None,
               user: Mapping[str, npt.ArrayLike] | None = None,
               stall: Mapping[str, float] | None = None, seed: int = 0,
               beside: Mapping[str, Mapping[str, npt.ArrayLike]] | None = None,
               max_cycles: int = 1_000_000) -> Streamed:
        """Move beats over AXI4-Stream ports until every beat has been sent and received.

        A stream ``x`` has the ports ``x_tvalid``, ``x_tready``, ``x_tdata`` and may have
        ``x_tlast`` and ``x_tuser``. ``tvalid`` of a source, once high, stays until ``tready``.
        All other inputs are 0.

        Parameters
        ----------
        sources
            Beats of ``tdata`` by stream, as rows of words.
        sinks
            Number of beats to receive by stream; behind that ``tready`` is low.
        last
            ``tlast`` of each beat by source, by default low.
        user
            ``tuser`` of each beat by source, as rows of words, by default 0.
        stall
            Probability by stream that a cycle is one in which it offers or takes nothing new.
        seed
            Decides in which cycles that is.
        beside
            Rows of other inputs by sink and port, one a beat: row i is on the port from the cycle
            in which beat i - 1 is first offered until that of beat i. The ``tvalid`` of such a sink
            must be a register.
        max_cycles
            Cycles after which the run has failed.

        Raises
        ------
        RtlError
            If it does not end, or a sink's beat changes before it was taken.
        """
        self._zero_inputs()
        return stream(self.wires, sources, sinks, last or {}, user or {}, stall or {}, seed,
                      beside or {}, max_cycles)

    @property
    def wires(self) -> Wires:
        """Access to the ports, for what drives them in a protocol of its own."""
        return Wires(self.ports, self._index, self._code, self._bench)

    def _port(self, name: str, direction: str) -> Port:
        names = self._names(direction)
        require(name in names, f"{direction.capitalize()} port", f"one of {', '.join(names)}", name)
        return self.ports[name]

    def _names(self, direction: str) -> list[str]:
        return [port.name for port in self._driven if port.direction == direction]

    def _zero_inputs(self) -> None:
        for name in self._names("input"):
            zero = self.ports[name].empty(1)
            self._code.bench_write(self._bench, self._index[name],
                                   ctypes.c_void_p(zero.ctypes.data))

    def _columns(self, rows: Mapping[str, Words]) -> tuple[int, Any, Any]:
        """Number of ports, their indices and their arrays, as the harness takes them."""
        indices = (ctypes.c_int * len(rows))(*(self._index[name] for name in rows))
        arrays = (ctypes.c_void_p * len(rows))(*(row.ctypes.data for row in rows.values()))
        return len(rows), indices, arrays


def _load(library: Path) -> ctypes.CDLL:
    """The harness's functions, typed."""
    code = ctypes.CDLL(str(library.resolve()))
    code.bench_open.restype = ctypes.c_void_p
    code.bench_stream.restype = code.bench_line.restype = ctypes.c_int64
    code.bench_close.restype = code.bench_write.restype = code.bench_read.restype = None
    code.bench_run.restype = None
    return code
