# SPDX-License-Identifier: Apache-2.0
"""Claim about a sum of several lanes that wraps around, settled by algebra.

These claims are hard for solvers and easy for algebra. A word is a weighted sum of bits; each bit
is replaced by the polynomial of its gate, modulo ``2**width``, until only known bits are left. The
replacements are equalities, so the result is a proof. Bits are 0 or 1, so no power is above one
and a polynomial is zero everywhere only if it has no terms.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import z3

from hw.spec import MacSpec
from tests.formal.flow import Flow, Stimuli, number
from tests.formal.lanes import Literal, column, every_pair, match, tables
from tests.formal.meaning import products, rounded
from tests.formal.netlist import Circuit, Gate, Patterns, vector
from tests.formal.solving import Case, Outcome, Query, Verdict

#: Terms by their variables (the bits of the key) with their coefficients.
Polynomial = dict[int, int]

#: Largest number of terms; beyond it the order of replacement is bad, and the proof is given up.
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


def word(
    ring: Ring,
    circuit: Circuit,
    weights: Sequence[tuple[int, int]],
    known: Mapping[int, Polynomial],
) -> Polynomial | None:
    """Polynomial of a sum of nets, each with its weight, in the ``known`` ones.

    Gates are replaced when all that read them are; of those, the one that leaves the fewest terms.
    None if there are too many terms.
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


def _cone(
    circuit: Circuit, nets: Iterable[int], known: Mapping[int, Polynomial]
) -> dict[int, Gate]:
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


def _change(
    ring: Ring, total: Polynomial, gate: Gate, literal: Callable[[int], Polynomial]
) -> tuple[int, list[int], Polynomial]:
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


@dataclass(slots=True)
class Rewriting:
    """The next sum is the old one, or 0 at the first pair, plus the products of all lanes.

    ``weights`` are the registers that the sum is kept in, each with its weight: the bits of the
    output unless a stage behind the loop resolves it.
    """

    name: str
    flow: Flow
    weights: Sequence[tuple[int, int]] = ()

    def settle(self, timeout: float) -> Outcome:
        """Rewrite the RTL's word and compare it with the specification's polynomial."""
        started = time.monotonic()
        circuit = self.flow.circuit
        ring = Ring(self.flow.spec.acc.width)
        weights = self.weights or [
            (net, 1 << place) for place, net in enumerate(circuit.outputs["o_data"])
        ]
        wanted, known = self._wanted(ring, weights)
        got = word(
            ring, circuit, [(circuit.registers[net], weight) for net, weight in weights], known
        )
        if got is None:
            return self._tried(started, "the polynomial grows too large")
        difference = ring.sum((1, got), (-1, wanted))
        if not difference:
            return Outcome(self.name, Verdict.PROVEN, time.monotonic() - started)
        ones = [name for name, value in ring.smallest(difference).items() if value]
        if not all(isinstance(name, str) for name in ones):
            return self._tried(started, "some nets have no known meaning")
        return Outcome(
            self.name,
            Verdict.REFUTED,
            time.monotonic() - started,
            f"{' '.join(sorted(map(str, ones))) or 'no bit'} set: the sums differ",
        )

    def _tried(self, started: float, reason: str) -> Outcome:
        """If the rewriting fails: a counterexample among the first pairs, if there is one."""
        wrong = first_wrong(self.flow)
        verdict = Verdict.REFUTED if wrong else Verdict.OPEN
        return Outcome(self.name, verdict, time.monotonic() - started, wrong or reason)

    def _wanted(
        self, ring: Ring, weights: Sequence[tuple[int, int]]
    ) -> tuple[Polynomial, dict[int, Polynomial]]:
        """Polynomial of the specification, and those of the nets that it is written in."""
        spec, stimuli = self.flow.spec, Stimuli(self.flow)
        known = dict(_variables(ring, stimuli))
        parts: list[tuple[int, Polynomial]] = []
        for lane in range(spec.lanes):
            if takes_integers(spec) and spec.acc.lsb_exp <= spec.product_lsb:
                parts.append(
                    (1 << spec.product_lsb - spec.acc.lsb_exp, _integers(ring, spec, lane))
                )
            else:
                product, nets = self._magnitude(ring, lane)
                known |= nets
                parts.append((1, product))
        first = ring.bit(str(stimuli.first))
        kept = ring.sum((1, ring.constant(1)), (-1, first))
        names = self.flow.circuit.names
        old = ring.sum(
            *(
                (weight, ring.bit(str(stimuli.bit(*names[net], stimuli.last))))
                for net, weight in weights
            )
        )
        return ring.sum((1, ring.product(old, kept)), *parts), known

    def _magnitude(self, ring: Ring, lane: int) -> tuple[Polynomial, dict[int, Polynomial]]:
        """Rounded product of a lane, and the nets that are a bit of its magnitude or its sign."""
        table = tables(self.flow, lane)
        spec = self.flow.spec
        units = [abs(rounded(spec.acc, product, spec.product_lsb)) for product in table.products]
        size = max(units).bit_length()
        named = {"sign": table.where(lambda product: product.negative)}
        named |= {f"m{j}": column(value >> j & 1 for value in units) for j in range(size)}
        bits = {name: ring.bit(f"{name}.{lane}") for name in named}
        known = {
            net: _polynomial(ring, literal, bits)
            for net, literal in match(table.nets, named, table.everywhere).items()
        }
        magnitude = ring.sum(*((1 << j, bits[f"m{j}"]) for j in range(size)))
        sign = ring.sum((1, ring.constant(1)), (-2, bits["sign"]))
        return ring.product(magnitude, sign), known


def first_wrong(flow: Flow) -> str:
    """Pair of codes of one lane, the others being 0, that makes a wrong first sum; "" if none."""
    spec, bits = flow.spec, flow.spec.a.width + flow.spec.b.width
    table = products(spec.a, spec.b)
    others = rounded(spec.acc, table[0], spec.product_lsb) * (spec.lanes - 1)
    for lane in range(spec.lanes):
        moment = flow.run(
            Patterns(1 << bits), every_pair(spec, lane, first=True), behind=int(flow.resolves)
        )
        columns = moment.following("o_data")
        for index, product in enumerate(table):
            got = sum((value >> index & 1) << place for place, value in enumerate(columns))
            want = (rounded(spec.acc, product, spec.product_lsb) + others) % (1 << spec.acc.width)
            if got != want:
                b, a = divmod(index, 1 << spec.a.width)
                return (
                    f"old=0x0 first=1 a={a:#x} b={b:#x} in lane {lane}: RTL {got:#x}, "
                    f"specification {want:#x}"
                )
    return ""


def saved_cases(flow: Flow) -> Iterator[Case]:
    """Cases of a unit that keeps its sum as several words.

    Each register has a weight, which is what the stage behind the loop makes of it alone. First,
    that stage gives the sum of the weights of all registers that are set; second, a step adds the
    products to that sum.
    """
    stimuli = Stimuli(flow)
    weights = [(net, weight) for net in sorted(flow.loop) if (weight := _resolved(flow, net))]
    got = vector(stimuli.run().following("o_data"))
    want = z3.BitVecVal(0, got.size())
    for row in _rows(flow, stimuli, weights):
        want += vector([row.get(1 << place, False) for place in range(got.size())])

    def explain(model: z3.ModelRef) -> str:
        return f"RTL {number(model, got):#x}, sum of the weights {number(model, want):#x}"

    yield Query("resolved sum", got == want, explain)
    yield Rewriting("sum", flow, weights)


def _rows(
    flow: Flow, stimuli: Stimuli, weights: Sequence[tuple[int, int]]
) -> list[dict[int, z3.BoolRef]]:
    """Registers by their weights, in as few rows as there is place for their bits."""
    rows: list[dict[int, z3.BoolRef]] = []
    for net, weight in weights:
        bit = stimuli.bit(*flow.circuit.names[net], stimuli.last)
        places = {1 << place for place in range(weight.bit_length()) if weight >> place & 1}
        row = next((row for row in rows if not places & row.keys()), None)
        if row is None:
            rows.append(row := {})
        row |= dict.fromkeys(places, bit)
    return rows


def _resolved(flow: Flow, net: int) -> int:
    """What is resolved from the registers of the loop if but one is set."""
    chosen = flow.circuit.names[net]
    moment = flow.run(Patterns(1), lambda name, bit, cycle: int((name, bit) == chosen))
    return sum(bit << place for place, bit in enumerate(moment.following("o_data")))


@dataclass(frozen=True, slots=True)
class HandedIntegers:
    """What the lanes hand to the loop is the sum of their products in two's complement.

    ``bits`` are nets by their place, each with whether it is inverted; the last one is the sign.
    """

    name: str
    flow: Flow
    bits: Sequence[tuple[int, bool]]

    def settle(self, timeout: float) -> Outcome:
        """Rewrite the word and compare it with the specification's polynomial."""
        started = time.monotonic()
        spec, ring = self.flow.spec, Ring(len(self.bits))
        known = dict(_variables(ring, Stimuli(self.flow)))
        weights = [
            (net, -(1 << place) if inverted else 1 << place)
            for place, (net, inverted) in enumerate(self.bits)
        ]
        inverted = sum(1 << place for place, (_, flips) in enumerate(self.bits) if flips)
        got = word(ring, self.flow.circuit, weights, known)
        wanted = ring.sum(*((1, _integers(ring, spec, lane)) for lane in range(spec.lanes)))
        same = got is not None and not ring.sum(
            (1, got), (1, ring.constant(inverted)), (-1, wanted)
        )
        verdict = Verdict.PROVEN if same else Verdict.OPEN
        return Outcome(
            self.name,
            verdict,
            time.monotonic() - started,
            "" if same else "the polynomials are not found to be the same",
        )


def takes_integers(spec: MacSpec) -> bool:
    """Whether both operands are integers."""
    return spec.a.is_integer and spec.b.is_integer


def _polynomial(ring: Ring, literal: Literal | bool, bits: dict[str, Polynomial]) -> Polynomial:
    """A literal in the ring."""
    if isinstance(literal, bool):
        return ring.constant(literal)
    value = bits[literal.name]
    if literal.by_sign:
        value = ring.sum((1, value), (1, bits["sign"]), (-2, ring.product(value, bits["sign"])))
    return ring.sum((1, ring.constant(1)), (-1, value)) if literal.inverted else value


def _variables(ring: Ring, stimuli: Stimuli) -> Iterator[tuple[int, Polynomial]]:
    """Nets that are constant, or one bit of the pair or of the old sum, in the last cycle."""
    for net, value in stimuli.run().values.items():
        if isinstance(value, bool):
            yield net, ring.constant(value)
        elif z3.is_const(value):
            yield net, ring.bit(str(value))


def _integers(ring: Ring, spec: MacSpec, lane: int) -> Polynomial:
    """Product of two integers by the weights of their bits."""
    x, y = (
        ring.sum(
            *(
                (_weight(fmt, j), ring.bit(f"{name}[{lane * fmt.width + j}]@0"))
                for j in range(fmt.width)
            )
        )
        for name, fmt in (("i_a", spec.a), ("i_b", spec.b))
    )
    return ring.product(x, y)


def _weight(fmt, place: int) -> int:
    """Weight of a bit of an integer."""
    return -(1 << place) if fmt.signed and place == fmt.width - 1 else 1 << place
