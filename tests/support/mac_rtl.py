# SPDX-License-Identifier: Apache-2.0
"""The compiled RTL of a MAC, driven in bulk: operands whose sums reach all kinds of values."""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from random import Random

import numpy as np

import sim
from hw.mac import mac
from hw.spec import MacSpec
from tests.support.compiled import compile_module
from tests.support.mac_operands import (
    codes,
    corner_codes,
    extreme_pairs,
    pack,
    port_of_flag,
    products_to_the_end,
)

#: Steps of a walk; walks at a time are its square.
LENGTH = 24
SIDE = 48
SHORT, SHORT_SIDE = 4, 128
SUMS = 400
#: Chances of an idle cycle and of a reset in a cycle.
IDLE, RESET = 0.15, 0.02
#: Products that it may take to reach an end of the accumulator.
REACH = 9000
#: Operand pairs of which every one is presented.
PAIRS = 1 << 16


def compiled_mac(spec, folder):
    return compile_module(mac(spec), folder)


def joined(codes, width):
    """Lanes (..., lanes) of a MAC's operand as words of its port."""
    words = -(-codes.shape[-1] * width // 64)
    total = np.zeros((*codes.shape[:-1], words), np.uint64)
    for lane in range(codes.shape[-1]):
        place, offset = divmod(lane * width, 64)
        value = codes[..., lane].astype(np.uint64)
        total[..., place] |= value << np.uint64(offset)
        if offset + width > 64:
            total[..., place + 1] |= value >> np.uint64(64 - offset)
    return total[..., 0] if words == 1 else total


def sums_by_step(spec, model, a, b):
    """Accumulator (M, N, K / lanes) of the RTL after every step of ``a @ b``."""
    (m, k), n = a.shape, b.shape[1]
    steps = k // spec.lanes
    x = np.broadcast_to(a.reshape(m, 1, steps, spec.lanes), (m, n, steps, spec.lanes))
    y = np.broadcast_to(b.T.reshape(1, n, steps, spec.lanes), x.shape)
    place = np.broadcast_to(np.arange(steps), (m, n, steps)).ravel()
    rows = {
        "i_valid": np.ones(place.size, np.uint64),
        "i_first": place == 0,
        "i_last": place == steps - 1,
        "i_a": joined(x.reshape(-1, spec.lanes), spec.a.width),
        "i_b": joined(y.reshape(-1, spec.lanes), spec.b.width),
    }
    idle = {name: np.zeros((spec.latency, *row.shape[1:]), row.dtype) for name, row in rows.items()}
    out = model.run({name: np.concatenate([row, idle[name]]) for name, row in rows.items()})
    assert (out["o_valid"][spec.latency :] == rows["i_last"]).all()
    return out["o_data"][spec.latency :].reshape(m, n, steps)


def walks(spec, rng):
    """Operands (M, K), (K, N) whose sums vary, cancel, overflow and underflow; few specials."""
    shape = SIDE, LENGTH * spec.lanes
    a = draw(spec.a, rng, shape)
    b = draw(spec.b, rng, shape).T
    # Every second product of half of the rows takes back the one before, all but a little.
    again = slice(1, None, 2), slice(0, None, 2)
    turned = spec.a.sign_code if not spec.a.is_integer else (1 << spec.a.width) - 1
    nudge = rng.integers(0, 2, (SIDE // 2, shape[1] // 2)) * rng.integers(0, 2, shape[1] // 2)
    a[::2, again[0]] = (a[::2, again[1]] ^ turned ^ nudge) % (1 << spec.a.width)
    b[again[0], ::3] = b[again[1], ::3]
    return a.astype(np.uint64), b.astype(np.uint64)


def short_walks(spec, rng):
    """Operands (M, K), (K, N) of sums of any size whose last step adds something large."""
    sides = []
    for fmt in (spec.a, spec.b):
        codes = rng.integers(0, 1 << fmt.width, (SHORT_SIDE, SHORT * spec.lanes), dtype=np.uint64)
        quarter = np.uint64(fmt.max_code // 4)
        codes[:, -spec.lanes :] = (
            codes[:, -spec.lanes :] & np.uint64(fmt.sign_code)
            | fmt.max_code - codes[:, -spec.lanes :] % quarter
        )
        sides.append(codes)
    return sides[0], np.ascontiguousarray(sides[1].T)


def draw(fmt, rng, shape):
    """Random codes: the size of each row is a power of two times that of others, seldom NaN."""
    codes = rng.integers(0, 1 << fmt.width, shape)
    keep = rng.integers(0, fmt.width, (shape[0], 1))
    small = codes & fmt.sign_code | (codes & (1 << fmt.magnitude_bits) - 1) >> keep % 4
    finite = np.isin(codes, special_codes(fmt)) & (rng.random(shape) < 0.97)
    return np.where(finite, small & fmt.sign_code, small)


def special_codes(fmt):
    if fmt.width > 8:
        return []
    return [code for code in range(1 << fmt.width) if fmt.unpack(code).kind.value != "finite"]


class Walks:
    """Sums of many values, and the model's result after every step.

    Half of them are long and wander; the others are short and end in a large term, which cuts a
    small sum of few bits. Made once, checked on many models; for accumulators of 64 bits at most.
    """

    def __init__(self, spec, seed):
        self.spec, self.seed = spec, seed
        rng = np.random.default_rng(seed)
        self._walks = [
            (a, b, self._wanted(a, b)) for a, b in (short_walks(spec, rng), walks(spec, rng))
        ]

    def _wanted(self, a, b):
        """Sums behind every step."""
        lanes = self.spec.lanes
        return np.stack(
            [sim.matmul(a[:, :k], b[:k], self.spec) for k in range(lanes, len(b) + 1, lanes)],
            axis=-1,
        )

    def check(self, model):
        """Raise at the first step that differs; gives the number of steps."""
        return sum(self._check(model, *walk) for walk in self._walks)

    def _check(self, model, a, b, wanted):
        got = sums_by_step(self.spec, model, a, b)
        wrong = np.argwhere(got != wanted)
        assert not wrong.size, (
            f"{self.spec}, seed {self.seed}: {got[tuple(wrong[0])]:#x} != "
            f"{wanted[tuple(wrong[0])]:#x} (model) in row, column, step {wrong[0]}"
        )
        seen = len(np.unique(got))
        assert seen >= 30, seen
        return got.size


def check_walks(spec, folder, seed):
    """Compare the RTL with the model after every step of many walks."""
    steps = Walks(spec, seed).check(compiled_mac(spec, folder))
    assert steps == LENGTH * SIDE**2 + SHORT * SHORT_SIDE**2


@dataclass(frozen=True)
class Sum:
    """Products of one sum: packed codes of each beat, and the expected outputs."""

    beats: list[tuple[int, int]]
    data: int
    flags: int


class SumsBench:
    """Rows of inputs for ``spec``, and the sums that are due; made once, checked on many models.

    A sum is due ``spec.latency`` cycles behind its last beat, unless a reset came in between.
    """

    def __init__(self, spec: MacSpec, seed: int):
        self.spec, self.seed = spec, seed
        self._rng = Random(seed)
        self._corners = corner_codes(spec.a), corner_codes(spec.b)
        self._rows: list[tuple[int, int, int, int, int, int]] = []
        self._due: list[tuple[int, int, int]] = []
        for _ in range(SUMS):
            one = self._sum(*_random_sum(self._rng, spec, self._corners))
            self._send(one, idle=IDLE, resets=True)
        self._first_rows = len(self._rows)
        for one in [*self._products(), *self._ends()]:
            self._send(one, idle=0, resets=False)
        for _ in range(spec.latency + 2):
            self._idle()

    def check(self, model) -> int:
        """Raise unless every sum appears in its cycle and no other does; return the number of sums.

        The random sums come first, so that most faults are seen early.
        """
        model.reset()
        return sum(
            self._check_rows(model, start, stop)
            for start, stop in pairwise((0, self._first_rows, len(self._rows)))
        )

    def _check_rows(self, model, start: int, stop: int) -> int:
        """Run some of the rows."""
        found = model.run({name: rows[start:stop] for name, rows in self._inputs.items()})
        ends = np.flatnonzero(found["o_valid"])
        flags = found.get("o_flags", np.zeros(stop - start, np.uint64))[ends].tolist()
        data = [int.from_bytes(row.tobytes(), "little") for row in found["o_data"][ends]]
        got = list(zip((ends + start).tolist(), data, flags, strict=True))
        wanted = [due for due in self._due if start <= due[0] < stop]
        for one, due in zip(got, wanted, strict=False):
            assert one == due, (
                f"{self.spec}, seed {self.seed}: cycle, sum, flags "
                f"{_hex(one)} != {_hex(due)} (model)"
            )
        assert len(got) == len(wanted), f"{self.spec}: {len(got)} sums, not {len(wanted)}"
        return len(got)

    @cached_property
    def _inputs(self) -> dict[str, np.ndarray]:
        """Rows by port."""
        columns = list(zip(*self._rows, strict=True))
        spec = self.spec
        rows = {
            name: np.array(column, np.uint64)
            for name, column in zip(("rst", "i_valid", "i_first", "i_last"), columns, strict=False)
        }
        widths = {"i_a": spec.lanes * spec.a.width, "i_b": spec.lanes * spec.b.width}
        return rows | {
            name: _words(column, width)
            for (name, width), column in zip(widths.items(), columns[4:], strict=True)
        }

    def _send(self, one: Sum, *, idle: float, resets: bool) -> None:
        """Rows of one sum; a reset in mid-sum, or right behind it, ends it."""
        for place, (a, b) in enumerate(one.beats):
            while self._rng.random() < idle:
                self._idle()
            if resets and self._rng.random() < RESET:
                self._rows.append((1, *self._garbage()))
                # All sums in flight are discarded, and the rest of this sum too.
                self._due = [due for due in self._due if due[0] < len(self._rows)]
                return
            is_last = place == len(one.beats) - 1
            if is_last:
                self._due.append((len(self._rows) + self.spec.latency, one.data, one.flags))
            self._rows.append((0, 1, int(place == 0), int(is_last), a, b))

    def _idle(self) -> None:
        """A cycle whose operands must not count."""
        self._rows.append((0, 0, *self._garbage()[1:]))

    def _garbage(self) -> tuple[int, ...]:
        spec = self.spec
        return tuple(
            map(
                self._rng.getrandbits,
                (1, 1, 1, spec.lanes * spec.a.width, spec.lanes * spec.b.width),
            )
        )

    def _sum(self, a, b) -> Sum:
        """Sum of the products of the codes ``a`` and ``b``."""
        data, flags = sim.dot_with_flags(np.array(a, np.uint64), np.array(b, np.uint64), self.spec)
        return Sum(pack(self.spec, a, b), *self._ports(data, flags))

    def _ports(self, data, flags) -> tuple[int, int]:
        spec = self.spec
        return int(data) % (1 << spec.acc.width), port_of_flag(flags, spec.flag_bits)

    def _products(self) -> list[Sum]:
        """Every product, or those of corner codes alone, as sums of their own in turns of lanes."""
        spec = self.spec
        if spec.a.width + spec.b.width <= PAIRS.bit_length() - 1:
            west, north = codes(spec.a), codes(spec.b)
        else:
            west, north = (
                [code for corner in side[1:] for code in corner[:8]] for side in self._corners
            )
        data, flags = sim.matmul_with_flags(
            np.array(west, np.uint64)[:, None], np.array(north, np.uint64)[None], spec
        )
        sums = []
        for i, a in enumerate(west):
            for j, b in enumerate(north):
                lane = len(sums) % spec.lanes
                beat = a << lane * spec.a.width, b << lane * spec.b.width
                sums.append(Sum([beat], *self._ports(data[i, j], flags[i, j])))
        return sums

    def _ends(self) -> list[Sum]:
        """Extreme products up to the end of the accumulator, one further, and back again."""
        extremes = extreme_pairs(self.spec)
        sums = []
        for pair in extremes:
            fits = products_to_the_end(self.spec, pair)
            if fits <= REACH:
                back = extremes[-1 if pair == extremes[0] else 0]
                sums += [
                    self._sum(*zip(*run, strict=True))
                    for run in ([pair] * max(1, fits), [pair] * (fits + 1) + [back] * 3)
                ]
        return sums


def _random_sum(rng: Random, spec: MacSpec, corners) -> list[list[int]]:
    """Operand codes of a short sum; none, a tenth or half of them are at a corner."""
    length = rng.randint(1, 3 * spec.lanes + 3)
    share = rng.choice([0, 0.1, 0.5])
    return [
        [
            rng.choice(rng.choice(rare)) if rng.random() < share else rng.choice(finite)
            for _ in range(length)
        ]
        for (finite, *rare) in corners
    ]


def _words(values, width: int) -> np.ndarray:
    """Values as rows of a port."""
    words = -(-width // 64)
    if words == 1:
        return np.array(values, np.uint64)
    raw = b"".join(value.to_bytes(8 * words, "little") for value in values)
    return np.frombuffer(raw, "<u8").reshape(-1, words)


def _hex(values) -> str:
    return ", ".join(f"{value:#x}" for value in values)
