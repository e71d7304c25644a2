# SPDX-License-Identifier: Apache-2.0
"""Steps of floating-point accumulators from given states, compared with the host's arithmetic.

RTL takes the states one by one, a netlist 64 at a time.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hw.mac.floating import FloatStep
from hw.spec import MacSpec
from tests.exhaustive.netlists import STATES, SlicedModel, planes
from tests.exhaustive.outcome import Outcome, Tally, simulated
from tests.support.compiled import Change, unchanged
from tests.support.float_steps import (
    compile_step,
    held_codes,
    product_classes,
    random_accumulators,
    sum_codes,
    values,
    wanted_codes,
)

AGAINST = "host FPU"
#: Not all of these are apart: subnormal operands make classes of their own.
EVERY = "every accumulator with every product value"
#: Random states at a time.
BLOCK = 1 << 15


class WholeSteps:
    """Step of ``spec`` as it is, with each of the accumulators ``held``."""

    #: States that are processed together, few enough to fit the cache.
    block = 1 << 15

    def __init__(self, spec: MacSpec, folder: Path, change: Change, held: np.ndarray):
        self._held = held
        self._model = compile_step(spec, folder, "-O2", change=change)

    def results(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Codes (pairs, accumulators) for pairs of operand codes."""
        count = len(self._held)
        found = self._model.run(
            {
                "i_acc": np.tile(self._held, len(a)),
                "i_a": np.repeat(a, count),
                "i_b": np.repeat(b, count),
            }
        )
        return found["o_acc"].reshape(len(a), count)


class SlicedSteps:
    """Netlist of the step of ``spec``, with each of the accumulators ``held``."""

    block = 1 << 18

    def __init__(self, spec: MacSpec, folder: Path, change: Change, held: np.ndarray):
        self._count = len(held)
        self._widths = {"i_a": spec.a.width, "i_b": spec.b.width}
        # Results of the padding in the last word are dropped.
        filled = np.concatenate([held, np.repeat(held[:1], -len(held) % STATES)])
        self._planes = planes(filled, spec.acc.width)
        self._model = SlicedModel(FloatStep(spec), folder, change)

    def results(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """As those of `WholeSteps`."""
        words = self._planes.shape[1]
        inputs = {"i_acc": np.tile(self._planes, len(a))}
        for name, codes in (("i_a", a), ("i_b", b)):
            bits = codes >> np.arange(self._widths[name], dtype=np.uint64)[:, None] & np.uint64(1)
            # All ones or all zeros: the same operand for 64 accumulators.
            inputs[name] = np.repeat(np.uint64(0) - bits, words, axis=1)
        return self._model.run(inputs, "o_acc").reshape(len(a), -1)[:, : self._count]


def check_every_state(
    spec: MacSpec,
    folder: Path,
    *,
    level: str = "RTL",
    change: Change = unchanged,
    limit: int | None = None,
) -> Outcome:
    """Present every accumulator with one pair for each product value; 16 bits at most.

    A result must also be one that the accumulator may hold: then no other state can be reached.
    ``limit`` is a number of products, spread over all of them, for a quick look.
    """
    held = held_codes(spec)
    steps = (WholeSteps if level == "RTL" else SlicedSteps)(spec, folder, change, held)
    may_hold = np.zeros(1 << spec.acc.width, np.bool_)
    may_hold[held] = True
    classes = np.array(product_classes(spec), dtype=np.uint64)
    chosen = classes if limit is None else classes[:: -(-len(classes) // limit)]
    old = values(held, spec.acc.fmt)
    tally = Tally()
    for a, b in _blocks(chosen, max(1, steps.block // len(held))):
        with np.errstate(invalid="ignore"):
            products = values(a, spec.a) * values(b, spec.b)
        wanted, got = sum_codes(spec.acc, old, products[:, None]), steps.results(a, b)
        states = (held[None], a[:, None], b[:, None])
        tally = tally.plus(_tally(got, wanted, (got != wanted) | ~may_hold[got], states))
    whole = len(chosen) == len(classes)
    return simulated(
        spec,
        *tally,
        level=level,
        against=AGAINST,
        tier="exhausted" if whole else "sampled",
        what=EVERY if whole else f"every accumulator with {len(chosen)} products",
    )


def _blocks(classes: np.ndarray, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of codes, ``count`` at a time."""
    for low in range(0, len(classes), count):
        yield classes[low : low + count, 0], classes[low : low + count, 1]


def check_random_states(
    spec: MacSpec,
    folder: Path,
    *,
    level: str = "RTL",
    change: Change = unchanged,
    rounds: int = 32,
    seed: int = 1,
) -> Outcome:
    """Present every operand pair with ``rounds`` random accumulators, many of them close to it."""
    model = compile_step(spec, folder, "-O2", change=change)
    rng = np.random.default_rng(seed)
    count = 1 << spec.a.width + spec.b.width
    tally = Tally()
    for _ in range(rounds):
        pairs = rng.permutation(np.arange(count, dtype=np.uint64))
        for part in np.split(pairs, max(1, count // BLOCK)):
            a, b = part >> np.uint64(spec.b.width), part & np.uint64((1 << spec.b.width) - 1)
            acc = random_accumulators(spec, rng, a, b)
            wanted = wanted_codes(spec, acc, a, b)
            got = model.run({"i_acc": acc, "i_a": a, "i_b": b})["o_acc"]
            tally = tally.plus(_tally(got, wanted, got != wanted, (acc, a, b)))
    return simulated(
        spec,
        *tally,
        level=level,
        against=AGAINST,
        tier="sampled",
        what=f"every operand pair with {rounds} random accumulators",
    )


def _tally(
    got: np.ndarray,
    wanted: np.ndarray,
    wrong: np.ndarray,
    states: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> Tally:
    """Counts of one block; ``states`` are the codes of accumulator and operands."""
    if not wrong.any():
        return Tally(got.size)
    first = np.unravel_index(np.argmax(wrong), wrong.shape)
    codes = (int(np.broadcast_to(part, wrong.shape)[first]) for part in states)
    acc, a, b = map(hex, codes)
    return Tally(
        got.size,
        int(wrong.sum()),
        f"accumulator {acc}, operands {a} and {b}: "
        f"{int(got[first]):#x}, not {int(wanted[first]):#x}",
    )
