# SPDX-License-Identifier: Apache-2.0
"""The compiled RTL of a MAC, driven in bulk, and operands whose sums go everywhere."""

import numpy as np

import sim
from hw.mac import mac
from tests.support.compiled import compile_module

__all__ = ["LENGTH", "Walks", "check_walks", "compiled_mac", "joined", "sums_by_step", "walks"]

#: Steps of a walk; walks at a time are its square.
LENGTH = 24
SIDE = 48
SHORT, SHORT_SIDE = 4, 128


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
    """Accumulator (M, N, K / lanes) of the RTL behind every step of ``a @ b``."""
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
    idle = {name: np.zeros((spec.latency, *row.shape[1:]), row.dtype)
            for name, row in rows.items()}
    out = model.run({name: np.concatenate([row, idle[name]]) for name, row in rows.items()})
    assert (out["o_valid"][spec.latency:] == rows["i_last"]).all()
    return out["o_data"][spec.latency:].reshape(m, n, steps)


def walks(spec, rng):
    """Operands (M, K), (K, N) whose sums wander, cancel, overflow and underflow; few specials."""
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
        codes[:, -spec.lanes:] = (codes[:, -spec.lanes:] & np.uint64(fmt.sign_code)
                                  | fmt.max_code - codes[:, -spec.lanes:] % quarter)
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
    """Sums that go to many places, and what the model gives behind every step of them.

    Half of them are long and wander; the others are short and end in a large term, which cuts a
    small sum of few bits. Made once, checked on many models; for accumulators of 64 bits at most.
    """

    def __init__(self, spec, seed):
        self.spec, self.seed = spec, seed
        rng = np.random.default_rng(seed)
        self._walks = [(a, b, self._wanted(a, b))
                       for a, b in (short_walks(spec, rng), walks(spec, rng))]

    def _wanted(self, a, b):
        """Sums behind every step."""
        lanes = self.spec.lanes
        return np.stack([sim.matmul(a[:, :k], b[:k], self.spec)
                         for k in range(lanes, len(b) + 1, lanes)], axis=-1)

    def check(self, model):
        """Raise at the first step that differs; gives the number of steps."""
        return sum(self._check(model, *walk) for walk in self._walks)

    def _check(self, model, a, b, wanted):
        got = sums_by_step(self.spec, model, a, b)
        wrong = np.argwhere(got != wanted)
        assert not wrong.size, (
            f"{self.spec}, seed {self.seed}: {got[tuple(wrong[0])]:#x} != "
            f"{wanted[tuple(wrong[0])]:#x} (model) in row, column, step {wrong[0]}")
        seen = len(np.unique(got))
        assert seen >= 30, seen
        return got.size


def check_walks(spec, folder, seed):
    """Hold the RTL to the model behind every step of many walks."""
    steps = Walks(spec, seed).check(compiled_mac(spec, folder))
    assert steps == LENGTH * SIDE**2 + SHORT * SHORT_SIDE**2
