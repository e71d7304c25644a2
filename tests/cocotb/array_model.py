# SPDX-License-Identifier: Apache-2.0
"""What an array takes and must answer: the golden model, seen through the streams."""

from random import Random

import numpy as np

import sim
from hw.spec import ArraySpec
from tests.cocotb.design import port_of_flag

__all__ = ["ArrayModel"]


class ArrayModel:
    """Packs operand tiles into beats, and products of tiles into the wanted beats of C."""

    def __init__(self, array: ArraySpec, slot: int, bus_a: int, bus_b: int, rng: Random):
        self._array = array
        self._slot = slot
        self._bus = (bus_a, bus_b)
        self._rng = rng

    def beats_a(self, tile) -> list[int]:
        """Beats of a tile of A (rows, K): column k of the tile, row 0 in the low bits."""
        return self._beats(tile, self._array.mac.a.width, self._bus[0])

    def beats_b(self, tile) -> list[int]:
        """Beats of a tile of B (K, cols): row k of the tile, column 0 in the low bits."""
        return self._beats(tile.T, self._array.mac.b.width, self._bus[1])

    def _beats(self, tile, width: int, bus: int) -> list[int]:
        """Beats of (side, K) codes: lanes run fastest; bits that do not count hold garbage."""
        lanes = self._array.mac.lanes
        side, depth = tile.shape
        tile = np.pad(tile, ((0, 0), (0, -depth % lanes)))
        used = side * lanes * width
        beats = []
        for start in range(0, depth, lanes):
            codes = tile[:, start:start + lanes].ravel()
            data = sum(int(code) << place * width for place, code in enumerate(codes))
            beats.append(data | self._rng.getrandbits(bus - used) << used if bus > used else data)
        return beats

    def random_settings(self, rows: int | None = None) -> dict[str, np.ndarray]:
        """Arguments of `sim.output` for a tile, (rows, cols) each: what its stages have."""
        out = self._array.out
        draws = {"scale": (out.scale_bits, self._scale), "zero_point": (
            out.zero_point_bits, lambda: self._rng.randint(out.to.min_units, out.to.max_units))
        } if out else {}
        shape = self._array.rows if rows is None else rows, self._array.cols
        return {name: np.array([draw() for _ in range(shape[0] * shape[1])]).reshape(shape)
                for name, (bits, draw) in draws.items() if bits}

    def _scale(self) -> int:
        """Any exponent or code of a factor, more often one near a scale of one."""
        fmt = self._array.out.scale_format
        if fmt.is_integer:
            return self._rng.choice([self._rng.randint(fmt.min_units, fmt.max_units),
                                     self._rng.randint(-12, 3)])
        near = int(sim.encode(self._rng.choice([-1, 1]) * self._rng.uniform(0.5, 1) *
                              2.0 ** self._rng.randint(-12, 3), fmt))
        return self._rng.choice([self._rng.getrandbits(fmt.width), near, near])

    def rows_beside(self, settings: dict[str, np.ndarray]) -> list[dict[str, int]]:
        """Values of the ports of the output stages for each row, column 0 in the low bits."""
        out = self._array.out
        widths = {"scale": out.scale_bits, "zero_point": out.zero_point_bits} if out else {}
        return [{f"c_{name}": _packed(values[row], widths[name])
                 for name, values in settings.items()}
                for row in range(max(map(len, settings.values()), default=0))]

    def beats_c(self, a, b, settings: dict[str, np.ndarray]) -> list[tuple[int, int, int]]:
        """Wanted ``(data, last, user)`` of each row of the product of two tiles."""
        return self.beats_of(*sim.matmul_with_flags(a, b, self._array.mac), settings)

    def beats_of(self, results, flags, settings: dict[str, np.ndarray]
                 ) -> list[tuple[int, int, int]]:
        """Wanted ``(data, last, user)`` of each row of a tile of sums and their flags."""
        array = self._array
        if array.out:
            codes = sim.output(results, array.out, flags=flags, **settings).astype(object)
            sign = 1 << array.result_width - 1 if array.result_signed else 0
            results = codes - 2 * (codes & sign)
        bits = self._slot if array.result_signed else array.result_width
        users = [[port_of_flag(flag, array.flag_bits) for flag in row] for row in flags]
        return [(_packed(results[row], bits, self._slot), int(row == len(results) - 1),
                 _packed(users[row], array.flag_bits)) for row in range(len(results))]


def _packed(values, bits: int, slot: int | None = None) -> int:
    """The low ``bits`` of each value, the first one lowest, a slot (by default ``bits``) each."""
    slot = bits if slot is None else slot
    return sum((int(value) & (1 << bits) - 1) << place * slot
               for place, value in enumerate(values))
