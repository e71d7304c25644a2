# SPDX-License-Identifier: Apache-2.0
"""Three logics for a netlist: solver terms, many patterns at a time, and what depends on what."""

from collections.abc import Sequence

import z3

__all__ = ["Patterns", "Support", "Terms", "bits_of", "complement", "vector"]


class Terms:
    """Boolean terms of the solver; constants are Python's own and disappear on the way."""

    zero, one = False, True

    def inv(self, x):
        return not x if isinstance(x, bool) else z3.Not(x)

    def conj(self, x, y):
        if isinstance(x, bool):
            return y if x else False
        if isinstance(y, bool):
            return x if y else False
        return z3.And(x, y)

    def disj(self, x, y):
        if isinstance(x, bool):
            return True if x else y
        if isinstance(y, bool):
            return True if y else x
        return z3.Or(x, y)

    def xor(self, x, y):
        if isinstance(x, bool):
            return self.inv(y) if x else y
        if isinstance(y, bool):
            return self.inv(x) if y else x
        return z3.Xor(x, y)

    def mux(self, select, one, zero):
        if isinstance(select, bool):
            return one if select else zero
        if isinstance(one, bool):
            return self.disj(select, zero) if one else self.conj(z3.Not(select), zero)
        if isinstance(zero, bool):
            return self.disj(z3.Not(select), one) if zero else self.conj(select, one)
        return z3.If(select, one, zero)


class Patterns:
    """Whole numbers whose bit ``i`` is the value under pattern ``i``."""

    zero = 0

    def __init__(self, count: int):
        self.one = (1 << count) - 1

    def inv(self, x):
        return x ^ self.one

    def conj(self, x, y):
        return x & y

    def disj(self, x, y):
        return x | y

    def xor(self, x, y):
        return x ^ y

    def mux(self, select, one, zero):
        return zero ^ (select & (one ^ zero))


class Support:
    """Sets of sources, as the bits of a number, that a value may depend on."""

    zero = one = 0

    def inv(self, x):
        return x

    def conj(self, x, y):
        return x | y

    disj = xor = conj

    def mux(self, select, one, zero):
        return select | one | zero


def vector(bits: Sequence) -> z3.BitVecRef:
    """Bits, the first one lowest, as a bit-vector of the solver."""
    parts = [z3.If(bit, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1)) if not isinstance(bit, bool)
             else z3.BitVecVal(int(bit), 1) for bit in bits]
    return z3.Concat(*reversed(parts)) if len(parts) > 1 else parts[0]


def bits_of(value: z3.BitVecRef) -> list[z3.BoolRef]:
    """Bits of a bit-vector, the lowest first."""
    return [z3.Extract(i, i, value) == 1 for i in range(value.size())]


def complement(neg: z3.BoolRef, magnitude: z3.BitVecRef) -> dict[str, z3.BoolRef]:
    """Bits ``t0``, ``t1`` and so on of a signed magnitude in two's complement."""
    value = z3.ZeroExt(1, magnitude)
    return {f"t{j}": bit for j, bit in enumerate(bits_of(z3.If(neg, -value, value)))}
