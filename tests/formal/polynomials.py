# SPDX-License-Identifier: Apache-2.0
"""Adder trees by rewriting: a word's gates become one polynomial in the bits that it is made of.

What solvers are worst at is algebra's easiest case. A word is a sum of bits with weights; each bit
is replaced by the polynomial of its gate, modulo ``2**width``, until only known bits are left. The
replacements are equalities, so the result is a proof. Bits are 0 or 1, so no power is above one
and a polynomial is zero everywhere only if it has no terms.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from tests.formal.netlist import Circuit, Gate

__all__ = ["Polynomial", "Ring", "word"]

#: Terms by their variables (the bits of the key) with their coefficients.
Polynomial = dict[int, int]

#: More terms than this: the order of replacement is a bad one, and nothing will come of it.
_MAX_TERMS = 20_000


class Ring:
    """Multilinear polynomials over named bits with coefficients modulo ``2**width``."""

    def __init__(self, width: int):
        self.modulus = 1 << width
        self.names: dict[str | int, int] = {}

    def bit(self, name: str | int) -> Polynomial:
        """A variable."""
        return {1 << self.names.setdefault(name, len(self.names)): 1}

    def constant(self, value: int) -> Polynomial:
        """A number."""
        return {0: value % self.modulus} if value % self.modulus else {}

    def sum(self, *parts: tuple[int, Polynomial]) -> Polynomial:
        """Sum of polynomials, each times a number."""
        total: Polynomial = {}
        for factor, part in parts:
            for term, value in part.items():
                self.put(total, term, factor * value)
        return total

    def product(self, x: Polynomial, y: Polynomial) -> Polynomial:
        """Product; a bit times itself is itself."""
        total: Polynomial = {}
        for left, a in x.items():
            for right, b in y.items():
                self.put(total, left | right, a * b)
        return total

    def put(self, total: Polynomial, term: int, value: int) -> None:
        """Add one term to ``total``, in place."""
        if value := (total.get(term, 0) + value) % self.modulus:
            total[term] = value
        else:
            total.pop(term, None)

    def smallest(self, value: Polynomial) -> dict[str | int, bool]:
        """Bits for which a polynomial that has terms is not zero: those of its shortest term."""
        term = min(value, key=int.bit_count)
        return {name: bool(term >> index & 1) for name, index in self.names.items()}


def word(ring: Ring, circuit: Circuit, weights: Sequence[tuple[int, int]],
         known: Mapping[int, Polynomial]) -> Polynomial | None:
    """Polynomial of a sum of nets, each with its weight, in the ``known`` ones.

    Gates are replaced when all that read them are; of those, the one that leaves the fewest terms.
    None if there come to be too many.
    """
    gates = _cone(circuit, [net for net, _ in weights], known)
    readers: dict[int, int] = {}
    for gate in gates.values():
        for net in set(gate.inputs):
            readers[net] = readers.get(net, 0) + 1

    def literal(net: int) -> Polynomial:
        return known[net] if net in known else ring.bit(net)

    total = ring.sum(*((weight, literal(net)) for net, weight in weights))
    ready = {net for net in gates if not readers.get(net)}
    while ready:
        changes = {net: _change(ring, total, gates[net], literal) for net in ready}
        net = min(ready, key=lambda net: (changes[net][0], net))
        _, removed, added = changes[net]
        for term in removed:
            del total[term]
        for term, value in added.items():
            ring.put(total, term, value)
        if len(total) > _MAX_TERMS:
            return None
        ready.remove(net)
        for source in set(gates[net].inputs):
            readers[source] -= 1
            if not readers[source] and source in gates:
                ready.add(source)
    return total


def _cone(circuit: Circuit, nets: Iterable[int],
          known: Mapping[int, Polynomial]) -> dict[int, Gate]:
    """Gates between known nets and ``nets``."""
    drivers = {gate.out: gate for gate in circuit.gates}
    found: dict[int, Gate] = {}
    pending = list(nets)
    while pending:
        net = pending.pop()
        if net in drivers and net not in known and net not in found:
            found[net] = drivers[net]
            pending += drivers[net].inputs
    return found


def _change(ring: Ring, total: Polynomial, gate: Gate,
            literal: Callable[[int], Polynomial]) -> tuple[int, list[int], Polynomial]:
    """Growth if a gate is replaced; terms that go, and what comes in their place."""
    (variable,) = ring.bit(gate.out)
    removed = [term for term in total if term & variable]
    if not removed:
        return 0, removed, {}
    factor = {term ^ variable: total[term] for term in removed}
    added = ring.product(factor, _gate(ring, gate.kind, [literal(net) for net in gate.inputs]))
    growth = -len(removed)
    for term, value in added.items():
        if term not in total:
            growth += 1
        elif (total[term] + value) % ring.modulus == 0:
            growth -= 1
    return growth, removed, added


def _gate(ring: Ring, kind: str, inputs: Sequence[Polynomial]) -> Polynomial:
    """Polynomial of a gate's output."""
    x, *rest = inputs
    if kind == "$_NOT_":
        return ring.sum((1, ring.constant(1)), (-1, x))
    y = rest[0]
    both = ring.product(x, y)
    match kind:
        case "$_AND_":
            return both
        case "$_OR_":
            return ring.sum((1, x), (1, y), (-1, both))
        case "$_XOR_":
            return ring.sum((1, x), (1, y), (-2, both))
    return ring.sum((1, both), (1, rest[1]), (-1, ring.product(x, rest[1])))
