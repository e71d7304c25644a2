# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays and their closed-form cycle counts.

``C[M, N] = A[M, K] @ B[K, N]`` is cut into tiles, padded with zeros at the edges. The counts assume
that the streams never stall and that tiles run back to back where the schedule allows it. Cycles
are counted at the streams. Each dataflow has one schedule.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import NamedTuple, Protocol

from hw.spec.blocks import EDGE_PIPELINE
from hw.spec.errors import SpecError, require, require_int
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec
from hw.spec.settings import Described, Setting


class Beats(NamedTuple):
    """Beats on the streams of A, B and C."""

    a: int
    b: int
    c: int


class Schedule(Protocol):
    """Cycle counts of a dataflow. `ArraySpec` has methods of the same names that check sizes."""

    def __init__(self, spec: "ArraySpec") -> None:
        """Schedule of one array."""

    @property
    def row_latency(self) -> int:
        """Cycles from one row of elements to the next."""

    @property
    def height(self) -> int:
        """Largest number of rows of C in a tile."""

    @property
    def a_block(self) -> tuple[int, int]:
        """Rows and columns of A in one beat."""

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""

    def interval(self, m: int, k: int) -> int:
        """Cycles from the end of one tile of operands to the end of the next."""

    def first_result(self, m: int, k: int) -> int:
        """Cycles from the first operand beat to the first beat of C."""

    def cycles(self, m: int, k: int, n: int) -> int:
        """Cycles from the first operand beat to the last beat of C, counting both."""

    def held(self, m: int, k: int) -> int:
        """Cycles from the first operand beat until the array holds the sums of one tile."""

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Beats of the whole product."""


class OutputStationary:
    """A tile of C is ``rows x cols`` sums over all of K.

    Draining a tile takes ``rows`` cycles, so tiles of at least ``rows`` beats run without a bubble.
    With sums in blocks, every block drains, and ends at least `ArraySpec.edge_step` cycles after
    the one before.
    """

    #: One register between rows for the operands.
    row_latency = 1

    def __init__(self, spec: "ArraySpec") -> None:
        self._spec = spec

    @property
    def height(self) -> int:
        """One row of C per row of elements."""
        return self._spec.rows

    @property
    def a_block(self) -> tuple[int, int]:
        """One step of K for each row."""
        return self._spec.rows, self._spec.mac.lanes

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""
        return -(-m // self.height) * -(-n // self._spec.cols)

    def interval(self, m: int, k: int) -> int:
        """Cycles from the last operand beat of one tile to that of the next; M does not matter."""
        step = self._spec.edge_step
        return sum(count * max(beats, step) for beats, count in self._drains(k))

    def _drains(self, k: int) -> list[tuple[int, int]]:
        """Beats between the drains of a tile, and how many drains there are with these."""
        beats, block = self._spec.beats(k), self._spec.block_beats
        if not block:
            return [(beats, 1)]
        whole, rest = divmod(beats, block)
        return [(block, whole)] * (whole > 0) + [(rest, 1)] * (rest > 0)

    def _filled(self, k: int) -> int:
        """Cycles from the first operand beat of the first tile to its last, counting both."""
        first = self._drains(k)[0][0]
        return self.interval(1, k) - max(first, self._spec.edge_step) + first

    def first_result(self, m: int, k: int) -> int:
        """Beats of a tile plus the delay through the array; M does not matter."""
        return self._filled(k) + self._spec.passage

    def cycles(self, m: int, k: int, n: int) -> int:
        """All tiles but the last, then the last one and its drain."""
        steady = (self.tiles(m, n) - 1) * self.interval(m, k)
        return steady + self.first_result(m, k) + self._spec.rows

    def held(self, m: int, k: int) -> int:
        """All beats of the tile: the sums do not move."""
        return self._filled(k)

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Each tile reads its rows of A and columns of B again, and writes all of its rows."""
        tiles = self.tiles(m, n)
        beats = tiles * self._spec.beats(k)
        return Beats(beats, beats, tiles * self._spec.rows)


class WeightStationary:
    """A tile of C is up to ``depth`` rows of M by ``cols``; each pass covers ``rows`` steps of K.

    A pass needs ``rows`` beats of B, which load during the previous pass, then one beat of A for
    each row of C. The sums leave the array, or wait in the accumulator memory for the next pass.
    With registers in the adders a sum takes ``row_latency`` cycles per row; a pass over fewer rows
    of C than the column delay leaves idle cycles.
    """

    def __init__(self, spec: "ArraySpec") -> None:
        self._spec = spec

    @property
    def row_latency(self) -> int:
        """Cycles that a sum takes through an element: one register plus those in the adder."""
        return 1 + self._spec.mac.adder_stages

    @property
    def down(self) -> int:
        """Cycles that a sum takes down a column; also the shortest time between two passes."""
        return self._spec.rows * self.row_latency

    @property
    def entry(self) -> int:
        """Cycles from a row of A to its sums entering the columns: registers before the adder."""
        return self._spec.mac.pipeline - self._spec.mac.adder_stages

    @property
    def load_wait(self) -> int:
        """Cycles from a swap of weights to the first beat of the next weights.

        The swap moves down at the speed of the sums, weights at one row per cycle.
        """
        return (self._spec.rows - 1) * (self.row_latency - 1)

    @property
    def height(self) -> int:
        """Rows that the accumulator memory holds."""
        assert self._spec.depth is not None
        return self._spec.depth

    @property
    def a_block(self) -> tuple[int, int]:
        """One row, with all the steps of K of a pass."""
        return 1, self._spec.rows * self._spec.mac.lanes

    def passes(self, k: int) -> int:
        """Passes of a tile of C; each covers ``rows`` steps of K."""
        return -(-self._spec.beats(k) // self._spec.rows)

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""
        return -(-m // self.height) * -(-n // self._spec.cols)

    def interval(self, m: int, k: int) -> int:
        """Cycles from the first beat of A of a pass over M rows to that of the next pass."""
        return max(min(m, self.height), self.down)

    def first_result(self, m: int, k: int) -> int:
        """Loading weights, all passes of the first tile but its last, the delay of the array."""
        return self._fill + (self.passes(k) - 1) * self.interval(m, k) + self._spec.passage

    def cycles(self, m: int, k: int, n: int) -> int:
        """Loading weights, all passes but the last, its beats, the delay through the array."""
        each = -(-n // self._spec.cols) * self.passes(k)
        whole, last = divmod(m - 1, self.height)
        steady = each * whole * self.interval(self.height, k)
        steady += (each - 1) * self.interval(last + 1, k)
        return self._fill + steady + last + self._spec.passage + 1

    def held(self, m: int, k: int) -> int:
        """Loading weights, all passes but the last, its beats, the delay to the memory."""
        return self._fill + (self.passes(k) - 1) * self.interval(m, k) + m + self.down

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Each tile reads all weights of its columns, and a row of A for each pass and row of C."""
        across = -(-n // self._spec.cols)
        weights = self.tiles(m, n) * self.passes(k) * self._spec.rows
        return Beats(across * self.passes(k) * m, weights, across * m)

    @property
    def _fill(self) -> int:
        """Cycles from the first beat of B to the first of A: weights load, then are swapped in."""
        return self._spec.rows + 1


MAX_SIDE = 512
MAX_DEPTH = 1 << 16
MAX_GEMM = 1 << 48
#: Default number of sums per column in the accumulator memory; more if there are more rows.
DEFAULT_DEPTH = 256


class Dataflow(Enum):
    """What stays in the processing elements."""

    OS = "os"  #: Output stationary: the sums stay, both operands move.
    WS = "ws"  #: Weight stationary: B stays, A and the sums move.


_SCHEDULES: dict[Dataflow, type[Schedule]] = {
    Dataflow.OS: OutputStationary,
    Dataflow.WS: WeightStationary,
}


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ArraySpec(Described):
    """Array of ``rows x cols`` processing elements, each with one MAC.

    Parameters
    ----------
    mac
        The unit in every processing element.
    rows, cols
        Rows and columns of processing elements, 1 to 512. A column computes a column of C. A row
        computes a row of C (output stationary) or a step of K (weight stationary).
    dataflow
        What stays in the processing elements.
    out
        Output stage at the end of each column; without one, C holds the sums.
    depth
        Weight stationary: sums in the accumulator memory of a column, 2 to 65536. If K takes
        several passes, one load of weights serves at most this many rows of M. The default is 256,
        or the number of rows if that is larger.
    """

    mac: MacSpec
    rows: int
    cols: int
    dataflow: Dataflow = Dataflow.OS
    out: OutputSpec | None = None
    depth: int | None = None

    SETTINGS = (
        Setting(
            key="array", attribute="size", metavar="ROWSxCOLS", meaning="size of the systolic array"
        ),
        Setting(
            key="dataflow",
            metavar="FLOW",
            choices=Dataflow,
            meaning="what stays in the processing elements: the sums (os) or B (ws)",
        ),
        Setting(
            key="depth",
            attribute="named_depth",
            default=None,
            option="acc_depth",
            short="d{}",
            meaning="with --dataflow ws, number of sums in the accumulator memory of a column "
            f"(default: {DEFAULT_DEPTH}, or the number of rows if larger)",
        ),
        Setting(
            key="out",
            attribute="drain",
            metavar="FMT",
            default=None,
            option="out_format",
            meaning="add an output stage that rounds each sum to this format",
        ),
    )

    def __post_init__(self) -> None:
        require(isinstance(self.mac, MacSpec), "Array mac", "a MacSpec", self.mac)
        require_int("Array rows", self.rows, 1, MAX_SIDE)
        require_int("Array cols", self.cols, 1, MAX_SIDE)
        require(isinstance(self.dataflow, Dataflow), "Array dataflow", "a Dataflow", self.dataflow)
        require(
            self.mac.blocks is None or self.dataflow is Dataflow.OS,
            "Array dataflow",
            "os with sums in blocks",
            self.dataflow.value,
        )
        self._check_depth()
        if self.out is None:
            return
        require(isinstance(self.out, OutputSpec), "Array out", "an OutputSpec or None", self.out)
        behind = (self.mac.result, self.mac.flag_bits)
        require(
            (self.out.source, self.out.flag_bits) == behind,
            "Array out",
            f"an output stage for the sums of {self.mac}",
            str(self.out),
        )

    def _check_depth(self) -> None:
        """Raise if the dataflow has no depth or cannot have this one; fill in the default."""
        if self.dataflow is not Dataflow.WS:
            if self.depth is not None:
                raise SpecError(
                    "Array depth applies to dataflow ws only; leave it out, or choose dataflow ws"
                )
            return
        if self.depth is None:
            object.__setattr__(self, "depth", self._default_depth)
        require_int("Array depth", self.depth, 2, MAX_DEPTH)

    @property
    def _default_depth(self) -> int:
        return max(DEFAULT_DEPTH, self.rows)

    @property
    def named_depth(self) -> int | None:
        """Depth, or None if it is the default."""
        return None if self.depth in (None, self._default_depth) else self.depth

    @property
    def size(self) -> str:
        """Spelling of the size, ROWSxCOLS."""
        return f"{self.rows}x{self.cols}"

    @property
    def name(self) -> str:
        """Name of module, file and row in reports, for instance array_16x16_os_e4m3_fx49m18."""
        out = ["out", self.out.identifier] if self.out else []
        return "_".join(
            [
                "array",
                *self.short_settings("array", "dataflow"),
                self.mac.name.removeprefix("mac_"),
                *self.short_settings("depth"),
                *out,
            ]
        )

    @property
    def head(self) -> str:
        """The MAC."""
        return str(self.mac)

    @property
    def drain(self) -> str | None:
        """Spelling of the output stage, or None."""
        return self.out.at_drain if self.out else None

    @property
    def result_width(self) -> int:
        """Bits of one result: a code of the output stage, or a sum."""
        return self.out.to.width if self.out else self.mac.acc.width

    @property
    def result_signed(self) -> bool:
        """Whether a result is two's complement, so that its slot is sign-extended."""
        if self.out:
            return self.out.to.is_integer and self.out.to.signed
        return self.mac.acc.is_fixed

    @property
    def flag_bits(self) -> int:
        """Bits of the flags of one result; 0 with an output stage, which consumes them."""
        return 0 if self.out else self.mac.flag_bits

    @property
    def inner_array(self) -> "ArraySpec":
        """Array of the inner sums, whose tiles are blocks."""
        return replace(self, mac=self.mac.inner_mac, out=None)

    @property
    def block_beats(self) -> int:
        """Operand beats of a block; 0 without blocks."""
        return self.mac.block // self.mac.lanes if self.mac.block else 0

    @property
    def edge_latency(self) -> int:
        """Cycles from an inner sum at the edge to the outer sum that includes it; 0 without blocks.

        The memory is read in the first cycle. A fixed-point adder takes one more.
        """
        if self.mac.blocks is None:
            return 0
        return 2 if self.mac.acc.is_fixed else 2 + EDGE_PIPELINE

    @property
    def edge_step(self) -> int:
        """Shortest time between two drains: all rows leave, and their sums are written."""
        return max(self.rows, self.edge_latency + 1) if self.mac.blocks else self.rows

    @property
    def blocks_in_flight(self) -> int:
        """Largest number of blocks between the operands and the edge."""
        inner = self.inner_array
        return -(-(inner.passage + self.rows) // max(self.block_beats, self.edge_step)) + 2

    @property
    def slot_width(self) -> int:
        """Bits of one result on the stream of C: its width rounded up to whole bytes."""
        return -(-self.result_width // 8) * 8

    @property
    def schedule(self) -> Schedule:
        """Closed forms of the dataflow; they do not check sizes."""
        return _SCHEDULES[self.dataflow](self)

    @property
    def passage(self) -> int:
        """Shortest delay of a sum through the MAC, rows, columns and output stage, in cycles."""
        stage = self.out.latency if self.out else 0
        down = (self.rows - 1) * self.schedule.row_latency
        latency = self.mac.inner_mac.latency + self.edge_latency
        return latency + down + self.cols - 1 + stage

    def beats(self, k: int) -> int:
        """MAC steps that K takes. If output stationary, also beats of a tile on each operand."""
        _require_sizes(k=k)
        return -(-k // self.mac.lanes)

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles that cover ``m x n`` results."""
        _require_sizes(m=m, n=n)
        return self.schedule.tiles(m, n)

    def interval(self, k: int, m: int | None = None) -> int:
        """Cycles from one tile of operands to the next if the streams never stall.

        Output stationary, it depends on K. Weight stationary, it depends on the rows ``m`` of C
        that a tile of weights serves; the default is the number of rows of the array.
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
        """Cycles from the first operand beat to the last beat of C, counting both.

        The streams never stall and the tiles run back to back.
        """
        _require_sizes(m=m, k=k, n=n)
        return self.schedule.cycles(m, k, n)

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Beats on the streams for the whole product."""
        _require_sizes(m=m, k=k, n=n)
        return self.schedule.stream_beats(m, k, n)

    def utilisation(self, m: int, k: int, n: int) -> float:
        """Share of the array's products that belong to C, 0 to 1."""
        return m * k * n / (self.cycles(m, k, n) * self.rows * self.cols * self.mac.lanes)


def _require_sizes(**sizes: int) -> None:
    """Raise unless all are valid sizes of a product."""
    for side, size in sizes.items():
        require_int(f"GEMM {side}", size, 1, MAX_GEMM)


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Bytes on the streams of A, B and C, without the flags of C."""

    a: int
    b: int
    c: int

    @property
    def total(self) -> int:
        """Bytes on all streams."""
        return self.a + self.b + self.c


def traffic(spec: ArraySpec, m: int, k: int, n: int) -> Traffic:
    """Bytes that ``C[M, N] = A[M, K] @ B[K, N]`` moves, see `ArraySpec.stream_beats`.

    Raises
    ------
    SpecError
        If a size is out of range.
    """
    beats, mac = spec.stream_beats(m, k, n), spec.mac
    return Traffic(
        a=beats.a * _bytes(spec.rows * mac.lanes * mac.a.width),
        b=beats.b * _bytes(spec.cols * mac.lanes * mac.b.width),
        c=beats.c * _bytes(spec.cols * spec.slot_width),
    )


def _bytes(bits: int) -> int:
    """Bytes of a beat, rounded up."""
    return -(-bits // 8)
