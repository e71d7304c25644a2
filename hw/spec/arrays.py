# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays and their closed-form cycle counts.

``C[M, N] = A[M, K] @ B[K, N]`` is cut into tiles; edges are padded with zeros.
"""

from dataclasses import dataclass
from enum import Enum

from hw.spec.accumulators import FixedAccumulator
from hw.spec.errors import require
from hw.spec.macs import MacSpec, _require_range
from hw.spec.outputs import OutputSpec
from hw.spec.schedules import Beats, OutputStationary, Schedule, WeightStationary

__all__ = ["ArraySpec", "Dataflow"]

MAX_SIDE = 512
MAX_DEPTH = 1 << 16
MAX_GEMM = 1 << 48
#: Sums a column that an accumulator memory holds unless told otherwise, if the rows are no more.
DEFAULT_DEPTH = 256


class Dataflow(Enum):
    """Which operand stays in its processing element."""

    OS = "os"  #: Output stationary: the sums stay, both operands travel.
    WS = "ws"  #: Weight stationary: B stays, A and the sums travel.


_SCHEDULES: dict[Dataflow, type[Schedule]] = {
    Dataflow.OS: OutputStationary,
    Dataflow.WS: WeightStationary,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySpec:
    """Array of ``rows x cols`` processing elements, each with one MAC.

    Parameters
    ----------
    mac
        The unit in every processing element.
    rows, cols
        Rows and columns of processing elements, 1 to 512. Columns are those of C; rows are rows of
        C (output stationary) or steps of K (weight stationary).
    dataflow
        What stays in the processing element.
    out
        Output stage that each column's sums pass on their way out; without it C holds the sums.
    depth
        Weight stationary: sums that the accumulator memory of a column holds, 2 to 65536: the most
        rows of M that one load of weights serves where K takes several. By default 256, or the
        rows, if these are more.
    """

    mac: MacSpec
    rows: int
    cols: int
    dataflow: Dataflow = Dataflow.OS
    out: OutputSpec | None = None
    depth: int | None = None

    def __post_init__(self) -> None:
        require(isinstance(self.mac, MacSpec), "Array mac", "a MacSpec", self.mac)
        _require_range("Array rows", self.rows, 1, MAX_SIDE)
        _require_range("Array cols", self.cols, 1, MAX_SIDE)
        require(isinstance(self.dataflow, Dataflow), "Array dataflow", "a Dataflow", self.dataflow)
        self._check_depth()
        if self.out is None:
            return
        require(isinstance(self.out, OutputSpec), "Array out", "an OutputSpec or None", self.out)
        behind = (self.mac.acc, self.mac.flag_bits)
        require((self.out.source, self.out.flag_bits) == behind, "Array out",
                f"a stage behind {self.mac}", str(self.out))

    def _check_depth(self) -> None:
        """Raise unless the dataflow takes the depth; fill in the default one."""
        if self.dataflow is not Dataflow.WS:
            require(self.depth is None, "Array depth", "left out unless the dataflow is ws",
                    self.depth)
            return
        if self.depth is None:
            object.__setattr__(self, "depth", self._default_depth)
        _require_range("Array depth", self.depth, 2, MAX_DEPTH)

    @property
    def _default_depth(self) -> int:
        return max(DEFAULT_DEPTH, self.rows)

    @property
    def _named_depth(self) -> int | None:
        """Depth, if it is not the default one."""
        return None if self.depth in (None, self._default_depth) else self.depth

    @property
    def size(self) -> str:
        """Spelling of the size, ROWSxCOLS."""
        return f"{self.rows}x{self.cols}"

    @property
    def name(self) -> str:
        """Name of module, file and report row, for instance array_16x16_os_e4m3_fx49m18."""
        out = f"_out_{self.out.identifier}" if self.out else ""
        depth = f"_d{self._named_depth}" if self._named_depth else ""
        mac = self.mac.name.removeprefix("mac_")
        return f"array_{self.size}_{self.dataflow.value}_{mac}{depth}{out}"

    def __str__(self) -> str:
        """Spelling for messages."""
        out = f",out={self.out.spelling}" if self.out else ""
        depth = f",depth={self._named_depth}" if self._named_depth else ""
        return f"{self.mac},array={self.size},dataflow={self.dataflow.value}{depth}{out}"

    @property
    def result_width(self) -> int:
        """Bits of one result: of the output stage's code, or of the accumulator."""
        return self.out.to.width if self.out else self.mac.acc.width

    @property
    def result_signed(self) -> bool:
        """Whether a result is two's complement, and its slot extended with the sign."""
        if self.out:
            return self.out.to.is_integer and self.out.to.signed
        return isinstance(self.mac.acc, FixedAccumulator)

    @property
    def flag_bits(self) -> int:
        """Bits of the flags beside one result; an output stage uses them up."""
        return 0 if self.out else self.mac.flag_bits

    @property
    def slot_width(self) -> int:
        """Bits of one result on the stream of C: its width in whole bytes."""
        return -(-self.result_width // 8) * 8

    @property
    def schedule(self) -> Schedule:
        """Closed forms of the dataflow; they take sizes that are known to be right."""
        return _SCHEDULES[self.dataflow](self)

    @property
    def passage(self) -> int:
        """Cycles that a sum takes through unit, rows, columns and output stage, at the least."""
        stage = self.out.latency if self.out else 0
        down = (self.rows - 1) * self.schedule.row_latency
        return self.mac.latency + down + self.cols - 1 + stage

    def beats(self, k: int) -> int:
        """Steps of the MAC that K takes: output stationary, beats of a tile on each operand."""
        _require_sizes(k=k)
        return -(-k // self.mac.lanes)

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles that cover ``m x n`` results."""
        _require_sizes(m=m, n=n)
        return self.schedule.tiles(m, n)

    def interval(self, k: int, m: int | None = None) -> int:
        """Cycles from one tile of operands to the next, streams never stalling.

        Output stationary, K decides; weight stationary, the rows ``m`` of C that a tile of weights
        serves, by default as many as the array has.
        """
        m = self.rows if m is None else m
        _require_sizes(m=m, k=k)
        return self.schedule.interval(m, k)

    def first_result(self, k: int, m: int | None = None) -> int:
        """Cycles from the first operand beat to the first beat of C; ``m`` as in `interval`."""
        m = self.rows if m is None else m
        _require_sizes(m=m, k=k)
        return self.schedule.first_result(m, k)

    def cycles(self, m: int, k: int, n: int) -> int:
        """Cycles from the first operand beat to the last beat of C, both counted.

        Streams never stall and the tiles run back to back.
        """
        _require_sizes(m=m, k=k, n=n)
        return self.schedule.cycles(m, k, n)

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Beats on the streams for the whole product."""
        _require_sizes(m=m, k=k, n=n)
        return self.schedule.stream_beats(m, k, n)

    def utilisation(self, m: int, k: int, n: int) -> float:
        """Share of the array's products that are wanted ones, 0 to 1."""
        return m * k * n / (self.cycles(m, k, n) * self.rows * self.cols * self.mac.lanes)


def _require_sizes(**sizes: int) -> None:
    """Raise unless all are sides of a product."""
    for side, size in sizes.items():
        _require_range(f"GEMM {side}", size, 1, MAX_GEMM)
