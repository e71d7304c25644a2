# SPDX-License-Identifier: Apache-2.0
"""Every operand pair of many MACs in one compiled model: from zero, and once within a sum.

All units of a bench see the same operands, so they have operands of the same widths and as many
lanes. A unit with several lanes gets its pair in one of them, a lane further every step.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import sim
from hw.emit.netlist import CLOCKING, Netlist, Port, module_ports
from hw.mac import mac
from hw.spec import Flag, MacSpec
from hw.spec.errors import require
from sim.rtl import Model
from tests.exhaustive.outcome import Outcome, Tally, simulated
from tests.support.compiled import Change, compile_module, unchanged
from tests.support.mac_rtl import LENGTH, joined, walks

AGAINST = "model"
#: Parts that the codes of an operand are split in; any two of them meet in one step.
PARTS = 4
STEPS = PARTS**2
#: Ports that all units share, and what the others are tied to.
SHARED = ("i_first", "i_a", "i_b")
TIED = {"i_valid": "1'b1", "i_last": "1'b1"}


class Walk(NamedTuple):
    """Operands (M, K), (K, N) and the number of steps; K counts lanes."""

    a: np.ndarray
    b: np.ndarray
    steps: int

    def rows(self, spec: MacSpec) -> dict[str, np.ndarray]:
        """One row a step of each sum, the sums one after the other."""
        m, n = len(self.a), self.b.shape[1]
        shape = m, n, self.steps, spec.lanes
        a = np.broadcast_to(self.a.reshape(m, 1, self.steps, spec.lanes), shape)
        b = np.broadcast_to(self.b.T.reshape(1, n, self.steps, spec.lanes), shape)
        first = np.broadcast_to(np.arange(self.steps) == 0, shape[:3]).ravel()
        return {
            "i_first": first,
            "i_a": joined(a.reshape(-1, spec.lanes), spec.a.width),
            "i_b": joined(b.reshape(-1, spec.lanes), spec.b.width),
        }

    def wanted(self, spec: MacSpec) -> tuple[np.ndarray, np.ndarray]:
        """Sums and flags of the model after every step, in the order of the rows."""
        behind = [
            sim.matmul_with_flags(self.a[:, :k], self.b[:k], spec, backend="vector")
            for k in range(spec.lanes, self.a.shape[1] + 1, spec.lanes)
        ]
        sums, flags = (np.stack(parts, axis=-1).ravel() for parts in zip(*behind, strict=True))
        return sums, flags


def _every_pair(spec: MacSpec, seed: int) -> list[Walk]:
    """Every pair from zero, then every pair in one step of 4,096 sums (for 8 bits)."""
    rng = np.random.default_rng(seed)
    a, b = (np.arange(1 << fmt.width, dtype=np.uint64) for fmt in (spec.a, spec.b))
    parts = [rng.permutation(codes).reshape(PARTS, -1) for codes in (a, b)]
    meetings = rng.permutation([(i, j) for i in range(PARTS) for j in range(PARTS)])
    # The columns of a part are shuffled anew in every step, so that sums have nothing in common.
    within_a = np.stack([rng.permutation(parts[0][i]) for i, _ in meetings], axis=1)
    within_b = np.stack([rng.permutation(parts[1][j]) for _, j in meetings])
    return [_in_lanes(spec, a[:, None], b[None]), _in_lanes(spec, within_a, within_b)]


def _in_lanes(spec: MacSpec, a: np.ndarray, b: np.ndarray) -> Walk:
    """The operands of each step in one lane, code 0 in all others."""
    steps = a.shape[1]
    places = np.arange(steps) * spec.lanes + np.arange(steps) % spec.lanes
    wide_a = np.zeros((len(a), steps * spec.lanes), np.uint64)
    wide_b = np.zeros((steps * spec.lanes, b.shape[1]), np.uint64)
    wide_a[:, places], wide_b[places] = a, b
    return Walk(wide_a, wide_b, steps)


def check_pairs(
    specs: Sequence[MacSpec],
    folder: Path,
    *,
    level: str = "RTL",
    family: str = "",
    change: Change = unchanged,
    seed: int = 1,
) -> list[Outcome]:
    """Compare units with operands of equal widths with the model; one outcome per unit.

    ``level`` says what ``change`` makes of the RTL, ``family`` is the subject of all outcomes.
    """
    shapes = {(spec.a.width, spec.b.width, spec.lanes, spec.pipeline) for spec in specs}
    require(len(shapes) == 1, "Units of a bench", "of the same widths, lanes and stages", shapes)
    model = compile_module(_bench(specs), folder, change=change)
    totals = _totals(specs, model, _every_pair(specs[0], seed))
    what = f"every operand pair, from zero and within a sum of {STEPS}"
    return [
        simulated(spec, *tally, level=level, what=what, against=AGAINST, family=family)
        for spec, tally in zip(specs, totals, strict=True)
    ]


def check_unit_pairs(
    spec: MacSpec, folder: Path, *, level: str = "RTL", change: Change = unchanged
) -> Outcome:
    """Compare one unit with the model for every operand pair."""
    [outcome] = check_pairs([spec], folder, level=level, change=change)
    return outcome


def check_sums(
    spec: MacSpec, folder: Path, *, level: str = "RTL", change: Change = unchanged, seeds: int = 20
) -> Outcome:
    """Compare one unit with the model after every step of random sums that wander and cancel.

    A seed gives some 55,000 steps; units with many lanes, for which that takes long, get fewer.
    """
    model = compile_module(_bench([spec]), folder, change=change)
    drawn = (
        Walk(*walks(spec, np.random.default_rng(seed)), LENGTH)
        for seed in range(-(-seeds // spec.lanes))
    )
    [tally] = _totals([spec], model, drawn)
    return simulated(
        spec,
        *tally,
        level=level,
        tier="sampled",
        against=AGAINST,
        what=f"every step of random sums of {LENGTH}",
    )


def _totals(specs: Sequence[MacSpec], model: Model, drawn: Iterable[Walk]) -> list[Tally]:
    """Results of all walks, unit by unit."""
    totals = [Tally()] * len(specs)
    for walk in drawn:
        totals = [
            total.plus(found)
            for total, found in zip(totals, _compare(specs, model, walk), strict=True)
        ]
    return totals


def _bench(specs: Sequence[MacSpec]) -> Netlist:
    """Module of all units side by side."""
    units = [mac(spec) for spec in specs]
    inputs = [port for port in module_ports(units[0]) if port.name in SHARED]
    bench = Netlist("bench", inputs)
    for index, unit in enumerate(units):
        own = [
            port
            for port in module_ports(unit)
            if port.direction == "output" and port.name in ("o_data", "o_flags")
        ]
        bench.ports += [Port(f"u{index}_{port.name}", port.width, port.direction) for port in own]
        bench.instantiate(
            unit,
            f"u{index}",
            **{name: name for name in SHARED},
            **TIED,
            **{port.name: f"u{index}_{port.name}" for port in own},
        )
    assert not {port.name for port in inputs} & {port.name for port in CLOCKING}
    return bench


def _compare(specs: Sequence[MacSpec], model: Model, walk: Walk) -> Iterator[Tally]:
    """Results of one walk, unit by unit."""
    rows, latency = walk.rows(specs[0]), specs[0].latency
    idle = {name: np.zeros((latency, *row.shape[1:]), row.dtype) for name, row in rows.items()}
    found = model.run({name: np.concatenate([row, idle[name]]) for name, row in rows.items()})
    for index, spec in enumerate(specs):
        sums, flags = walk.wanted(spec)
        words = _words(sums, spec)
        wrong = (found[f"u{index}_o_data"][latency:].reshape(words.shape) != words).any(axis=1)
        if spec.flag_bits:
            shown = flags if spec.flag_bits == 2 else flags // np.uint8(Flag.NAN)
            wrong |= found[f"u{index}_o_flags"][latency:] != shown
        first = _tell(rows, walk, int(np.argmax(wrong))) if wrong.any() else ""
        yield Tally(len(wrong), int(wrong.sum()), first)


def _words(sums: np.ndarray, spec: MacSpec) -> np.ndarray:
    """Sums as words of the port ``o_data``, (n, words)."""
    if sums.dtype != object:
        used = np.uint64((1 << min(spec.acc.width, 64)) - 1)
        return (sums.astype(np.uint64) & used)[:, None]
    codes = sums & (1 << spec.acc.width) - 1
    words = [codes >> 64 * word & 0xFFFFFFFFFFFFFFFF for word in range(-(-spec.acc.width // 64))]
    return np.stack([word.astype(np.uint64) for word in words], axis=1)


def _tell(rows: dict[str, np.ndarray], walk: Walk, row: int) -> str:
    """Message with the first difference."""
    a, b = (rows[name][row].tolist() for name in ("i_a", "i_b"))
    return f"step {row % walk.steps} of sum {row // walk.steps}, operand words {a}, {b}"
