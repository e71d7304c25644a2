# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays and their closed-form cycle counts.

``C[M, N] = A[M, K] @ B[K, N]`` is cut into tiles of ``rows x cols`` results; each tile runs over
the whole of K. Edges are padded with zeros.
"""

from dataclasses import dataclass
from enum import Enum

from hw.spec.accumulators import FixedAccumulator
from hw.spec.errors import require
from hw.spec.macs import MacSpec, _require_range
from hw.spec.outputs import OutputSpec

__all__ = ["ArraySpec", "Dataflow"]

MAX_SIDE = 512


class Dataflow(Enum):
    """Which operand stays in its processing element."""

    OS = "os"  #: Output stationary: the sums stay, both operands travel.


@dataclass(frozen=True, kw_only=True, slots=True)
class ArraySpec:
    """Array of ``rows x cols`` processing elements, each with one MAC.

    Parameters
    ----------
    mac
        The unit in every processing element.
    rows, cols
        Rows and columns of a tile of C, 1 to 512.
    dataflow
        What stays in the processing element.
    out
        Output stage that each column's sums pass on their way out; without it C holds the sums.
    """

    mac: MacSpec
    rows: int
    cols: int
    dataflow: Dataflow = Dataflow.OS
    out: OutputSpec | None = None

    def __post_init__(self) -> None:
        require(isinstance(self.mac, MacSpec), "Array mac", "a MacSpec", self.mac)
        _require_range("Array rows", self.rows, 1, MAX_SIDE)
        _require_range("Array cols", self.cols, 1, MAX_SIDE)
        require(isinstance(self.dataflow, Dataflow), "Array dataflow", "a Dataflow", self.dataflow)
        if self.out is None:
            return
        require(isinstance(self.out, OutputSpec), "Array out", "an OutputSpec or None", self.out)
        behind = (self.mac.acc, self.mac.flag_bits)
        require((self.out.source, self.out.flag_bits) == behind, "Array out",
                f"a stage behind {self.mac}", str(self.out))

    @property
    def size(self) -> str:
        """Spelling of the size, ROWSxCOLS."""
        return f"{self.rows}x{self.cols}"

    @property
    def name(self) -> str:
        """Name of module, file and report row, for instance array_16x16_os_e4m3_fx49m18."""
        out = f"_out_{self.out.identifier}" if self.out else ""
        return f"array_{self.size}_{self.dataflow.value}_{self.mac.name.removeprefix('mac_')}{out}"

    def __str__(self) -> str:
        """Spelling for messages."""
        out = f",out={self.out.spelling}" if self.out else ""
        return f"{self.mac},array={self.size},dataflow={self.dataflow.value}{out}"

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

    def beats(self, k: int) -> int:
        """Beats on each operand stream for one tile: K in steps of the MAC's lanes."""
        _require_range("GEMM k", k, 1, 1 << 48)
        return -(-k // self.mac.lanes)

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles that cover ``m x n`` results."""
        _require_range("GEMM m", m, 1, 1 << 48)
        _require_range("GEMM n", n, 1, 1 << 48)
        return -(-m // self.rows) * -(-n // self.cols)

    def interval(self, k: int) -> int:
        """Cycles from the end of one tile to that of the next, streams never stalling.

        A tile's drain takes ``rows`` cycles, so tiles with at least that many beats follow each
        other without a bubble.
        """
        return max(self.beats(k), self.rows)

    def first_result(self, k: int) -> int:
        """Cycles from the first operand beat to the first beat of C, both on the streams."""
        stage = self.out.latency if self.out else 0
        return self.beats(k) - 1 + self.mac.latency + self.rows + self.cols - 1 + stage

    def cycles(self, m: int, k: int, n: int) -> int:
        """Cycles from the first operand beat to the last beat of C, both counted.

        Streams never stall and the tiles run back to back.
        """
        steady = (self.tiles(m, n) - 1) * self.interval(k)
        return steady + self.first_result(k) + self.rows

    def utilisation(self, m: int, k: int, n: int) -> float:
        """Share of the array's products that are wanted ones, 0 to 1."""
        return m * k * n / (self.cycles(m, k, n) * self.rows * self.cols * self.mac.lanes)
