# SPDX-License-Identifier: Apache-2.0
"""When the beats of a matrix product pass an array: closed forms, one schedule for each dataflow.

Streams never stall and what can run back to back does. Cycles are counted on the streams.
"""

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from hw.spec.arrays import ArraySpec

__all__ = ["Beats", "OutputStationary", "Schedule", "WeightStationary"]


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
