# SPDX-License-Identifier: Apache-2.0
"""The vectorised model against the plain one, and both and the RTL against a GPU's results."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

import sim
from hw.mac import mac
from hw.spec import MacSpec
from sim import golden
from sim.rtl import Model
from tests.exhaustive.outcome import WRONG, Outcome, kind_of
from tests.support.compiled import Change, compile_module, unchanged
from tests.support.mac_rtl import LENGTH, sums_by_step, walks
from tests.support.stored import NAMES, recorded

#: Operand pairs of the sets, as the names of these begin.
PAIRS = tuple(dict.fromkeys("_".join(name.split("_")[:2]) for name in NAMES))
#: Tensor cores without recorded results.
UNRECORDED = tuple(
    Outcome(
        subject=f"acc={preset}",
        counts={"results": (0, "result")},
        conditions={"what": "not compared with a GPU: no recorded results at hand"},
        not_done=(f"comparison of acc={preset} with a GPU",),
    )
    for preset in ("ada", "blackwell")
)


def check_twin(spec: MacSpec, seeds: Iterable[int], folder: Path | None = None) -> Outcome:
    """Compare sums and flags; a state (accumulator, flags, operands) that recurs counts once.

    Nothing is written, so no ``folder`` is needed.
    """
    seen: set[int] = set()
    wrong: dict[int, str] = {}
    for seed in seeds:
        a, b = walks(spec, np.random.default_rng(seed))
        states, sums, flags = _plain_steps(spec, a, b)
        seen.update(states.ravel().tolist())
        for step in range(LENGTH):
            k = (step + 1) * spec.lanes
            got, got_flags = sim.matmul_with_flags(a[:, :k], b[:k], spec, backend="vector")
            differs = (got != sums[..., step]) | (got_flags != flags[..., step])
            for m, n in np.argwhere(differs):
                wrong[states[m, n, step]] = f"seed {seed}, row {m}, column {n}, step {step}"
    conditions = {"what": str(spec)}
    if wrong:
        conditions["first_mismatch"] = next(iter(wrong.values()))
    return Outcome(
        subject=kind_of(spec),
        conditions=conditions,
        counts={"states": (len(seen), "state"), WRONG: (len(wrong), "state")},
    )


def _plain_steps(
    spec: MacSpec, a: np.ndarray, b: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State before every step as a number, sums and flags behind it, (M, N, steps)."""
    shape = len(a), b.shape[1], LENGTH
    states, flags = np.empty(shape, np.int64), np.empty(shape, np.uint8)
    sums = np.empty(shape, object)
    rows, columns = (codes.reshape(len(codes), LENGTH, spec.lanes).tolist() for codes in (a, b.T))
    for m, row in enumerate(rows):
        for n, column in enumerate(columns):
            mac = golden.Mac(spec)
            for step, (x, y) in enumerate(zip(row, column, strict=True)):
                states[m, n, step] = hash((mac.acc, mac.flags, *x, *y))
                mac.step(x, y)
                sums[m, n, step], flags[m, n, step] = mac.acc, mac.flags
    return states, sums, flags


def check_recorded(pair: str, folder: Path, *, change: Change = unchanged) -> list[Outcome]:
    """Compare every set of one operand pair, bit for bit, and all of them end to end."""
    names = [name for name in NAMES if name.startswith(f"{pair}_")]
    model = compile_module(mac(recorded(names[0])[0]), folder, change=change)
    return [*(_check_set(name, model) for name in names), _check_chain(pair, names, model)]


def _check_set(name: str, model: Model) -> Outcome:
    """Compare one set."""
    spec, a, b, wanted = recorded(name)
    found = {
        "plain_model": sim.matmul(a, b, spec, backend="golden"),
        "model": sim.matmul(a, b, spec, backend="vector"),
        "rtl": sums_by_step(spec, model, a, b)[..., -1],
    }
    magnitude = wanted & np.uint32(spec.acc.fmt.sign_code - 1)
    counts = {
        "sets": (1, "set"),
        "results": (wanted.size, "result"),
        "nan": (int((magnitude > spec.acc.fmt.inf_code).sum()), "result"),
        "infinite": (int((magnitude == spec.acc.fmt.inf_code).sum()), "result"),
    }
    counts |= {
        f"{level}_{WRONG}": (int((got != wanted).sum()), "result") for level, got in found.items()
    }
    return Outcome(
        subject=name,
        counts=counts,
        conditions={"what": f"acc={spec.acc}, lanes={spec.lanes}, K = {a.shape[1]}"},
    )


def _check_chain(pair: str, names: Sequence[str], model: Model) -> Outcome:
    """Compare after every group, for the operands of all sets in one sum; no GPU results exist."""
    # Sets with special codes come last, because every sum after a NaN is NaN.
    names = sorted(names, key=lambda name: "_all_" in name)
    spec = recorded(names[0])[0]
    a = np.concatenate([recorded(name)[1] for name in names], axis=1)
    b = np.concatenate([recorded(name)[2] for name in names], axis=0)
    found = sums_by_step(spec, model, a, b)
    wrong = sum(
        int((found[..., step] != sim.matmul(a[:, :k], b[:k], spec, backend="vector")).sum())
        for step, k in enumerate(range(spec.lanes, a.shape[1] + 1, spec.lanes))
    )
    return Outcome(
        subject=f"{pair} end to end",
        conditions={"what": f"RTL and model with each other, K up to {a.shape[1]}"},
        counts={
            "results": (0, "result"),
            "chained": (found.size, "result"),
            f"chained_{WRONG}": (wrong, "result"),
        },
        not_done=("sums longer than K = 64 on a GPU",),
    )
