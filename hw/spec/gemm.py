# SPDX-License-Identifier: Apache-2.0
"""GEMM engines: an array with memories and a bus, and closed-form cycle counts.

`hw.spec.registers` defines the layout of each memory.
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.errors import require, require_int
from hw.spec.settings import Described, Setting

MIN_DEPTH, MAX_DEPTH = 2, 1 << 20
DEFAULT_DEPTH = 1024


class Bus(Enum):
    """Bus of the engine; both have 32 data bits."""

    AXI4LITE = "axi4lite"  #: AXI4-Lite.
    WISHBONE = "wishbone"  #: Wishbone B4, classic cycles.


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class GemmSpec(Described):
    """Engine that computes ``C[M, N] = A[M, K] @ B[K, N]`` from its own memories.

    Parameters
    ----------
    array
        Array that multiplies.
    depth_a, depth_b, depth_c
        Words of the memories, 2 to 2**20. A word of A is one beat of the array: a column of a tile
        of A if output stationary (one code per row and lane), a row of a tile if weight stationary.
        A word of B is a row of a tile of B, and a word of C a row of a tile of C.
    bus
        Bus for registers and memories.
    """

    array: ArraySpec
    depth_a: int = DEFAULT_DEPTH
    depth_b: int = DEFAULT_DEPTH
    depth_c: int = DEFAULT_DEPTH
    bus: Bus = Bus.AXI4LITE

    SETTINGS = (
        Setting(
            key="depths",
            metavar="AxBxC",
            meaning="words in the memories of A, B and C; a word is a column of a tile of A (a row "
            "with dataflow ws), a row of a tile of B, a row of a tile of C "
            f"(default: {'x'.join([str(DEFAULT_DEPTH)] * 3)})",
        ),
        Setting(key="bus", metavar="BUS", choices=Bus, meaning="bus of the engine"),
    )

    def __post_init__(self) -> None:
        require(isinstance(self.array, ArraySpec), "GEMM array", "an ArraySpec", self.array)
        require(
            self.array.mac.blocks is None,
            "GEMM array",
            "one whose sums are not in blocks",
            str(self.array),
        )
        for side in ("depth_a", "depth_b", "depth_c"):
            require_int(f"GEMM {side}", getattr(self, side), MIN_DEPTH, MAX_DEPTH)
        require(isinstance(self.bus, Bus), "GEMM bus", "a Bus", self.bus)

    @property
    def depths(self) -> str:
        """Spelling of the depths, AxBxC."""
        return f"{self.depth_a}x{self.depth_b}x{self.depth_c}"

    @property
    def tiling(self) -> str:
        """Name of the tiling for module names: all that affects it except lanes and depths."""
        array = self.array
        return (
            array.size
            if array.dataflow is Dataflow.OS
            else (f"{array.dataflow.value}_{array.size}_d{array.depth}")
        )

    @property
    def name(self) -> str:
        """Name of module, file and row in reports."""
        return "_".join(
            ["gemm", self.array.name.removeprefix("array_"), *self.short_settings("depths", "bus")]
        )

    @property
    def head(self) -> str:
        """The array."""
        return str(self.array)

    @property
    def digest(self) -> int:
        """First 32 bits of the SHA-256 of the spelling; a driver identifies the engine by it."""
        return int.from_bytes(hashlib.sha256(str(self).encode()).digest()[:4], "big")

    @property
    def a_width(self) -> int:
        """Bits of a word of A."""
        return self.array.rows * self.array.mac.lanes * self.array.mac.a.width

    @property
    def b_width(self) -> int:
        """Bits of a word of B."""
        return self.array.cols * self.array.mac.lanes * self.array.mac.b.width

    @property
    def c_width(self) -> int:
        """Bits of a word of C: a slot per column, with the flags of all columns above the slots."""
        return self.array.cols * (self.array.slot_width + self.array.flag_bits)

    @property
    def memory_bits(self) -> int:
        """Bits of the memories of A, B and C together."""
        widths = (self.a_width, self.b_width, self.c_width)
        depths = (self.depth_a, self.depth_b, self.depth_c)
        return sum(width * depth for width, depth in zip(widths, depths, strict=True))

    @property
    def size_bits(self) -> int:
        """Bits of the largest M, K or N that fits in the memories."""
        array = self.array
        return max(
            self.depth_a * max(array.schedule.a_block),
            array.mac.lanes * self.depth_b,
            array.cols * max(self.depth_b, self.depth_c),
            self.depth_c,
        ).bit_length()

    def words(self, m: int, k: int, n: int) -> tuple[int, int, int]:
        """Words of A, B and C in a product of this size."""
        rows, steps = self.array.schedule.a_block
        across = self.array.tiles(1, n)
        return -(-m // rows) * -(-k // steps), self.array.beats(k) * across, m * across

    def refusals(self, m: int, k: int, n: int, *, hold: bool = False) -> tuple[str, ...]:
        """Fields of the register ERROR that a start with these sizes sets; empty if it runs.

        With ``hold`` the sums stay in the array, and the next product adds to them.
        """
        if not (m and k and n):
            return ("zero",)
        depths = (self.depth_a, self.depth_b, self.depth_c)
        beyond = tuple(
            f"size_{name}"
            for name, words, depth in zip("abc", self.words(m, k, n), depths, strict=True)
            if words > depth
        )
        return beyond or (("hold",) if hold and self.array.tiles(m, n) > 1 else ())

    @property
    def latency(self) -> int:
        """Cycles from the write to ``start`` to the first beat at the array.

        In this time the sizes are checked: one pass over their bits divides, one multiplies.
        """
        return 2 * (self.size_bits + 1) + 3

    def cycles(self, m: int, k: int, n: int, *, hold: bool = False) -> int:
        """Cycles from the write to ``start`` to ``done``: those of the array plus `latency`.

        With ``hold``, ``done`` is set when the array holds the final sums.
        """
        refused = self.refusals(m, k, n, hold=hold)
        require(
            not refused,
            "GEMM size",
            f"small enough for memories of {self.depths} words",
            f"{m}x{k}x{n}",
        )
        array = self.array
        return self.latency + (array.schedule.held(m, k) if hold else array.cycles(m, k, n))
