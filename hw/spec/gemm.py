# SPDX-License-Identifier: Apache-2.0
"""GEMM engines: an array, the memories around it, the bus in front, and closed-form cycle counts.

What a word of each memory holds, and where, is written down in `hw.spec.registers`.
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
    """What the engine is reached over; data has 32 bits on either."""

    AXI4LITE = "axi4lite"  #: AXI4-Lite.
    WISHBONE = "wishbone"  #: Wishbone B4, classic cycles.


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class GemmSpec(Described):
    """Engine that computes ``C[M, N] = A[M, K] @ B[K, N]`` from memories of its own.

    Parameters
    ----------
    array
        Array that multiplies.
    depth_a, depth_b, depth_c
        Words of the memories, 2 to 2**20. A word of A is what the array takes at once: output
        stationary, a column of a tile of A (one code a row and lane), weight stationary, a row of
        one. A word of B is a row of a tile of B, a word of C a row of a tile of C.
    bus
        What registers and memories are reached over.
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
            meaning="words of the memories of A (a column of a tile each), of B (a row of a "
            "tile) and of C (a row of a tile) "
            f"(default: {'x'.join([str(DEFAULT_DEPTH)] * 3)})",
        ),
        Setting(key="bus", metavar="BUS", choices=Bus, meaning="the bus"),
    )

    def __post_init__(self) -> None:
        require(isinstance(self.array, ArraySpec), "GEMM array", "an ArraySpec", self.array)
        for side in ("depth_a", "depth_b", "depth_c"):
            require_int(f"GEMM {side}", getattr(self, side), MIN_DEPTH, MAX_DEPTH)
        require(isinstance(self.bus, Bus), "GEMM bus", "a Bus", self.bus)

    @property
    def depths(self) -> str:
        """Spelling of the depths, AxBxC."""
        return f"{self.depth_a}x{self.depth_b}x{self.depth_c}"

    @property
    def tiling(self) -> str:
        """What tells units apart that cut a product into tiles, but for lanes and depths."""
        array = self.array
        return (
            array.size
            if array.dataflow is Dataflow.OS
            else (f"{array.dataflow.value}_{array.size}_d{array.depth}")
        )

    @property
    def name(self) -> str:
        """Name of module, file and report row."""
        return "_".join(
            ["gemm", self.array.name.removeprefix("array_"), *self.short_settings("depths", "bus")]
        )

    @property
    def head(self) -> str:
        """The array."""
        return str(self.array)

    @property
    def digest(self) -> int:
        """First 32 bits of the SHA-256 of the spelling: tells a driver which engine it talks to."""
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
        """Bits of a word of C: a slot for each column, above them the flags of each."""
        return self.array.cols * (self.array.slot_width + self.array.flag_bits)

    @property
    def size_bits(self) -> int:
        """Bits of the largest M, K or N that the memories could hold."""
        array = self.array
        return max(
            self.depth_a * max(array.schedule.a_block),
            array.mac.lanes * self.depth_b,
            array.cols * max(self.depth_b, self.depth_c),
            self.depth_c,
        ).bit_length()

    def words(self, m: int, k: int, n: int) -> tuple[int, int, int]:
        """Words of A, of B and of C that a product takes."""
        rows, steps = self.array.schedule.a_block
        across = self.array.tiles(1, n)
        return -(-m // rows) * -(-k // steps), self.array.beats(k) * across, m * across

    def refusals(self, m: int, k: int, n: int, *, hold: bool = False) -> tuple[str, ...]:
        """Fields of the register ERROR that a start with these sizes sets; none if it runs.

        With ``hold`` the sums stay in the array, for the next product to add to.
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
        """Cycles from the write that starts to the first beat at the array: the sizes are checked.

        Two passes over the bits of the sizes, one that divides and one that multiplies.
        """
        return 2 * (self.size_bits + 1) + 3

    def cycles(self, m: int, k: int, n: int, *, hold: bool = False) -> int:
        """Cycles from the write that starts to ``done``: those of the array and a constant.

        With ``hold`` it is done when the sums are where they stay in the array.
        """
        refused = self.refusals(m, k, n, hold=hold)
        require(
            not refused,
            "GEMM size",
            f"one that the memories of depth {self.depths} hold",
            f"{m}x{k}x{n}",
        )
        array = self.array
        return self.latency + (array.schedule.held(m, k) if hold else array.cycles(m, k, n))
