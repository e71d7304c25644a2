# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays and their closed-form cycle counts.

``C[M, N] = A[M, K] @ B[K, N]`` is cut into tiles; edges are padded with zeros. Streams
never stall and what can run back to back does; cycles are counted on the streams. Each dataflow has
one schedule.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from hw.spec.errors import require, require_int
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec
from hw.spec.settings import Described, Setting


class Beats(NamedTuple):
    """Beats on the streams of A, B and C."""

    a: int
    b: int
    c: int


class Schedule(Protocol):
    """What every dataflow can tell; the methods of `ArraySpec` of the same names check and ask."""

    def __init__(self, spec: "ArraySpec") -> None:
        """Schedule of one array."""

    @property
    def row_latency(self) -> int:
        """Cycles from one row of elements to the next."""

    @property
    def height(self) -> int:
        """Rows of C that a tile has at the most."""

    @property
    def a_block(self) -> tuple[int, int]:
        """Rows and columns of A in a beat of A."""

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""

    def interval(self, m: int, k: int) -> int:
        """Cycles from the end of one tile of operands to that of the next."""

    def first_result(self, m: int, k: int) -> int:
        """Cycles from the first operand beat to the first beat of C."""

    def cycles(self, m: int, k: int, n: int) -> int:
        """Cycles from the first operand beat to the last beat of C, both counted."""

    def held(self, m: int, k: int) -> int:
        """Cycles from the first operand beat until the sums of one tile are kept in the array."""

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Beats of the whole product."""


class OutputStationary:
    """A tile of C is ``rows x cols`` sums, over the whole of K.

    Its drain takes ``rows`` cycles, so tiles with at least that many beats follow each other
    without a bubble.
    """

    #: Operands pass a register from row to row.
    row_latency = 1

    def __init__(self, spec: "ArraySpec") -> None:
        self._spec = spec

    @property
    def height(self) -> int:
        """A row of C for each row of elements."""
        return self._spec.rows

    @property
    def a_block(self) -> tuple[int, int]:
        """A step of each row."""
        return self._spec.rows, self._spec.mac.lanes

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""
        return -(-m // self.height) * -(-n // self._spec.cols)

    def interval(self, m: int, k: int) -> int:
        """Cycles from the last operand beat of one tile to that of the next, for any M."""
        return max(self._spec.beats(k), self._spec.rows)

    def first_result(self, m: int, k: int) -> int:
        """Beats of a tile, one of which copies the sums, and the way through, for any M."""
        return self._spec.beats(k) + self._spec.passage

    def cycles(self, m: int, k: int, n: int) -> int:
        """All tiles but the last, then this one and its drain."""
        steady = (self.tiles(m, n) - 1) * self.interval(m, k)
        return steady + self.first_result(m, k) + self._spec.rows

    def held(self, m: int, k: int) -> int:
        """All beats: the sums stay where they are."""
        return self._spec.beats(k)

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Each tile takes its rows of A and its columns of B anew, and gives all of its rows."""
        tiles = self.tiles(m, n)
        beats = tiles * self._spec.beats(k)
        return Beats(beats, beats, tiles * self._spec.rows)


class WeightStationary:
    """A tile of C is up to ``depth`` rows of M by ``cols``; each of its passes takes ``rows`` of K.

    A pass needs ``rows`` beats of B, which load while the pass before is computed, then a beat of A
    for each row of C. Its sums leave, or wait in the accumulator memory for the next pass; with
    registers in the adders a sum takes ``row_latency`` cycles a row, and as many rows of C are
    needed to fill the time until it is back.
    """

    def __init__(self, spec: "ArraySpec") -> None:
        self._spec = spec

    @property
    def row_latency(self) -> int:
        """Cycles that a sum takes through an element: a register, and those of the adder."""
        return 1 + self._spec.mac.adder_stages

    @property
    def down(self) -> int:
        """Cycles that a sum takes through a column: the least from one pass to the next."""
        return self._spec.rows * self.row_latency

    @property
    def entry(self) -> int:
        """Cycles from a row of A to the sums that enter the columns: registers before the adder."""
        return self._spec.mac.pipeline - self._spec.mac.adder_stages

    @property
    def load_wait(self) -> int:
        """Cycles from a swap of weights to the first beat of the next: the swap moves as sums do.

        Weights move down a row a cycle.
        """
        return (self._spec.rows - 1) * (self.row_latency - 1)

    @property
    def height(self) -> int:
        """What the accumulator memory holds."""
        assert self._spec.depth is not None
        return self._spec.depth

    @property
    def a_block(self) -> tuple[int, int]:
        """All of a pass of one row."""
        return 1, self._spec.rows * self._spec.mac.lanes

    def passes(self, k: int) -> int:
        """Passes of a tile of C: K in steps of what the rows hold."""
        return -(-self._spec.beats(k) // self._spec.rows)

    def tiles(self, m: int, n: int) -> int:
        """Number of tiles of C."""
        return -(-m // self.height) * -(-n // self._spec.cols)

    def interval(self, m: int, k: int) -> int:
        """Cycles from the first beat of A of a pass over M rows to that of the next, for any K."""
        return max(min(m, self.height), self.down)

    def first_result(self, m: int, k: int) -> int:
        """First weights, all passes of the first tile but its last, the way through the array."""
        return self._fill + (self.passes(k) - 1) * self.interval(m, k) + self._spec.passage

    def cycles(self, m: int, k: int, n: int) -> int:
        """First weights, all passes but the last, this one's beats, the way through the array."""
        each = -(-n // self._spec.cols) * self.passes(k)
        whole, last = divmod(m - 1, self.height)
        steady = each * whole * self.interval(self.height, k)
        steady += (each - 1) * self.interval(last + 1, k)
        return self._fill + steady + last + self._spec.passage + 1

    def held(self, m: int, k: int) -> int:
        """First weights, all passes but the last, this one's beats, the way to the memory."""
        return self._fill + (self.passes(k) - 1) * self.interval(m, k) + m + self.down

    def stream_beats(self, m: int, k: int, n: int) -> Beats:
        """Each tile takes all weights of its columns, and a row of A for each pass and row of C."""
        across = -(-n // self._spec.cols)
        weights = self.tiles(m, n) * self.passes(k) * self._spec.rows
        return Beats(across * self.passes(k) * m, weights, across * m)

    @property
    def _fill(self) -> int:
        """Cycles from the first beat of B to the first of A: weights enter, then they are taken."""
        return self._spec.rows + 1


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


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class ArraySpec(Described):
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

    SETTINGS = (
        Setting(
            key="array", attribute="size", metavar="ROWSxCOLS", meaning="size of the systolic array"
        ),
        Setting(
            key="dataflow",
            metavar="FLOW",
            choices=Dataflow,
            meaning="what stays in the processing element",
        ),
        Setting(
            key="depth",
            attribute="named_depth",
            default=None,
            option="acc_depth",
            short="d{}",
            meaning="with --dataflow ws, sums that the accumulator memory of a column holds "
            f"(default: {DEFAULT_DEPTH}, or the rows, if more)",
        ),
        Setting(
            key="out",
            attribute="drain",
            metavar="FMT",
            default=None,
            option="out_format",
            meaning="round each sum once to a code of this format, at the array's drain",
        ),
    )

    def __post_init__(self) -> None:
        require(isinstance(self.mac, MacSpec), "Array mac", "a MacSpec", self.mac)
        require_int("Array rows", self.rows, 1, MAX_SIDE)
        require_int("Array cols", self.cols, 1, MAX_SIDE)
        require(isinstance(self.dataflow, Dataflow), "Array dataflow", "a Dataflow", self.dataflow)
        self._check_depth()
        if self.out is None:
            return
        require(isinstance(self.out, OutputSpec), "Array out", "an OutputSpec or None", self.out)
        behind = (self.mac.acc, self.mac.flag_bits)
        require(
            (self.out.source, self.out.flag_bits) == behind,
            "Array out",
            f"a stage behind {self.mac}",
            str(self.out),
        )

    def _check_depth(self) -> None:
        """Raise unless the dataflow takes the depth; fill in the default one."""
        if self.dataflow is not Dataflow.WS:
            require(
                self.depth is None, "Array depth", "left out unless the dataflow is ws", self.depth
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
        """Depth, if it is not the default one."""
        return None if self.depth in (None, self._default_depth) else self.depth

    @property
    def size(self) -> str:
        """Spelling of the size, ROWSxCOLS."""
        return f"{self.rows}x{self.cols}"

    @property
    def name(self) -> str:
        """Name of module, file and report row, for instance array_16x16_os_e4m3_fx49m18."""
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
        """Spelling of the output stage, if there is one."""
        return self.out.at_drain if self.out else None

    @property
    def result_width(self) -> int:
        """Bits of one result: of the output stage's code, or of the accumulator."""
        return self.out.to.width if self.out else self.mac.acc.width

    @property
    def result_signed(self) -> bool:
        """Whether a result is two's complement, and its slot extended with the sign."""
        if self.out:
            return self.out.to.is_integer and self.out.to.signed
        return self.mac.acc.is_fixed

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
        require_int(f"GEMM {side}", size, 1, MAX_GEMM)


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Bytes on the streams of A, B and C; flags beside C are not counted."""

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
        If a side is no size of a product.
    """
    beats, mac = spec.stream_beats(m, k, n), spec.mac
    return Traffic(
        a=beats.a * _bytes(spec.rows * mac.lanes * mac.a.width),
        b=beats.b * _bytes(spec.cols * mac.lanes * mac.b.width),
        c=beats.c * _bytes(spec.cols * spec.slot_width),
    )


def _bytes(bits: int) -> int:
    """Whole bytes of a beat."""
    return -(-bits // 8)
