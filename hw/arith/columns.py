# SPDX-License-Identifier: Apache-2.0
"""Sums of bits by weight: full and half adders placed column by column."""

import heapq
from itertools import count

from amaranth import *

#: Largest width of an expression that is repeated for every use of a single bit.
WIDE = 128


def full_adder(m: Module, x: Value, y: Value, z: Value, *, name: str) -> tuple[Value, Value]:
    """Sum and carry of three bits: five two-input gates, in a form that mappers preserve."""
    half, total, carry = (Signal(name=f"{name}_{part}") for part in "hsc")
    m.d.comb += [half.eq(x ^ y), total.eq(half ^ z), carry.eq((x & y) | (half & z))]
    return total, carry


def shared(m: Module, value: Value, *, name: str) -> Value:
    """``value`` for uses of its single bits: assigned to a wire if it is wide.

    Amaranth repeats the whole expression in every statement that uses a bit of it, so its work
    grows with the square of the width. Synthesis merges the copies of a narrow expression.
    """
    if len(value) <= WIDE or isinstance(value, Signal):
        return value
    wire = Signal(len(value), name=name)
    m.d.comb += wire.eq(value)
    return wire


class Columns:
    """Bits to be added, sorted by weight, and a constant.

    Columns are reduced to one bit each, from the least significant one, with the earliest bits
    first. Adder tree and final carry chain are therefore one structure. A full adder removes one
    bit, a half adder none; half adders are used only to reach a single bit.

    Bits are added in order of arrival time or, without ``by_arrival``, in the order of the calls of
    `add`. The latter lets ABC share a few more gates.
    """

    def __init__(self, m: Module, *, by_arrival: bool = True, name: str):
        self._by_arrival = by_arrival
        self._m = m
        self._name = name
        self._bits: dict[int, list[tuple[int, int, Value]]] = {}
        self._order = count()
        self.constant = 0
        #: Gate levels to the latest result bit of a column.
        self.depth = 0

    def add(self, weight: int, bit: Value, *, depth: int = 0) -> None:
        """Add ``bit * 2**weight``; ``depth`` is its arrival in gate levels."""
        bits = self._bits.setdefault(weight, [])
        heapq.heappush(bits, (depth if self._by_arrival else 0, next(self._order), bit))

    def add_vector(self, weight: int, value: Value, *, depth: int = 0) -> None:
        """Add ``value * 2**weight``, ``value`` read as unsigned."""
        place = f"{weight}_{len(self._bits.get(weight, ()))}"
        value = shared(self._m, value, name=f"{self._name}_{place}_row")
        for index in range(len(value)):
            self.add(weight + index, value[index], depth=depth)

    def add_signed(self, magnitude: Value, sign: Value) -> None:
        """Add ``-magnitude`` if ``sign`` else ``magnitude``, in units of column 0.

        The value is in two's complement with one more bit. Its top bit is stored inverted, and the
        constant corrects for that.
        """
        self.add_vector(0, magnitude ^ sign.replicate(len(magnitude)), depth=1)
        self.add(0, sign)
        self.add(len(magnitude), ~sign)
        self.constant -= 1 << len(magnitude)

    def copy(self) -> "Columns":
        """Copy of bits and constant, to be reduced separately."""
        other = Columns(self._m, by_arrival=self._by_arrival, name=self._name)
        other._bits = {weight: list(bits) for weight, bits in self._bits.items()}
        other._order = count(next(self._order))
        other.constant = self.constant
        return other

    @property
    def top(self) -> int:
        """Number of columns up to the highest one with a bit."""
        return max((weight for weight, bits in self._bits.items() if bits), default=-1) + 1

    def step(self, weight: int) -> tuple[Value, Value] | None:
        """Bits of the column and constant above it, as one step up and one step down.

        None if they amount to more than one step.
        """
        bits = [bit for _, _, bit in self._bits.get(weight, [])]
        match len(bits), self.constant >> weight:
            case 0, 0:
                return Const(0), Const(0)
            case 1, 0:
                return bits[0], Const(0)
            case 1, -1:
                return Const(0), ~bits[0]
            case 2, -1:
                return bits[0], ~bits[1]
            case _:
                return None

    def compress(self, start: int, stop: int) -> list[list[Value]]:
        """Reduce columns ``start`` to ``stop - 1`` to at most two bits each, without a carry chain.

        The bits of the constant below ``stop`` are consumed.
        """
        rows = []
        for weight in range(start, stop):
            has_one = self._take_one(weight)
            bits = self._bits.pop(weight, [])
            while len(bits) > 2:
                self._place(weight, bits, 3)
            if has_one and len(bits) == 2:
                self._place(weight, bits, 2, plus_one=True)
            elif has_one:
                bits.append((0, next(self._order), Const(1)))
            rows.append([bit for _, _, bit in bits])
            self.depth = max([self.depth, *(depth for depth, _, _ in bits)])
        return rows

    def _take_one(self, weight: int) -> bool:
        """Whether the constant has a one in a column; the one is consumed."""
        has_one = self.constant >> weight & 1
        self.constant -= has_one << weight
        return bool(has_one)

    def reduce(self, start: int, stop: int) -> list[Value]:
        """Reduce columns ``start`` to ``stop - 1`` to one bit each; carries go to later columns.

        The bits of the constant below ``stop`` are consumed, the others stay in `constant`.
        """
        one = Const(1)
        sums = []
        for weight in range(start, stop):
            has_one = self._take_one(weight)
            bits = self._bits.pop(weight, [])
            if has_one and len(bits) > 2 and len(bits) % 2:
                # Two half adders, one of them with the constant: one gate less than a full adder.
                self._place(weight, bits, 2, plus_one=True)
                has_one = False
            while len(bits) > 2:
                self._place(weight, bits, 3)
            if len(bits) == 2:
                self._place(weight, bits, 2, plus_one=has_one)
                sums.append(bits[0][2])
                self.depth = max(self.depth, bits[0][0])
            elif bits:
                depth, _, bit = bits[0]
                if has_one:
                    self.add(weight + 1, bit, depth=depth)
                sums.append(~bit if has_one else bit)
            else:
                sums.append(one if has_one else Const(0))
        return sums

    def _place(
        self, weight: int, bits: list[tuple[int, int, Value]], size: int, *, plus_one: bool = False
    ) -> None:
        """Replace the ``size`` earliest bits by their sum; the carry goes to the next column."""
        taken = [heapq.heappop(bits) for _ in range(size)]
        depth = taken[-1][0]
        x, y, *rest = (bit for _, _, bit in taken)
        name = f"{self._name}_{weight}_{next(self._order)}"
        if rest:
            total, carry = full_adder(self._m, x, y, rest[0], name=name)
        else:
            total, carry = Signal(name=f"{name}_s"), Signal(name=f"{name}_c")
            self._m.d.comb += [
                total.eq(~(x ^ y) if plus_one else x ^ y),
                carry.eq(x | y if plus_one else x & y),
            ]
        heapq.heappush(bits, (depth + 2 * self._by_arrival, next(self._order), total))
        self.add(weight + 1, carry, depth=depth + 2)
