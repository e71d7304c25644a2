# SPDX-License-Identifier: Apache-2.0
"""Output stages and encoders: every sum of 16 bits, many of wider ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from hw.output import Output
from hw.spec import FixedAccumulator, OutputSpec
from sim.rtl import Model
from tests.exhaustive.outcome import Outcome, Tally, simulated
from tests.support.compiled import Change, compile_module, unchanged
from tests.support.output_checks import Case, OutputBench

AGAINST = "model"
#: Lower halves of a 32-bit code that are tried with every upper half; more are drawn.
LOWER = (0x0000, 0x0001, 0x7FFF, 0x8000, 0x8001, 0xFFFF)
DRAWN = 10


def check_outputs(specs: Sequence[OutputSpec], folder: Path, *, family: str) -> list[Outcome]:
    """Present every sum to stages whose sources have 16 bits at most, all in one model."""
    bench = OutputBench(list(specs), folder)
    cases = {
        f"u{index}_": Case(spec, np.arange(1 << spec.source.width))
        for index, spec in enumerate(specs)
    }
    return [
        simulated(spec, *tally, level="RTL", what="every sum", against=AGAINST, family=family)
        for spec, tally in zip(specs, _compare(bench.model, cases), strict=True)
    ]


def check_output(
    spec: OutputSpec, folder: Path, *, level: str = "RTL", change: Change = unchanged, seed: int = 1
) -> Outcome:
    """Present every sum to one stage if it has 16 bits at most, else about a million of them."""
    model = compile_module(Output(spec), folder, change=change)
    sums, what = _sums(spec, np.random.default_rng(seed))
    [tally] = _compare(model, {"": Case(spec, sums)})
    return simulated(
        spec,
        *tally,
        level=level,
        what=what,
        against=AGAINST,
        tier="exhausted" if spec.source.width <= 16 else "sampled",
    )


def _sums(spec: OutputSpec, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Sums for a stage, and what they are."""
    source = spec.source
    if source.width <= 16:
        return np.arange(1 << source.width), "every sum"
    if isinstance(source, FixedAccumulator):
        magnitude = rng.integers(0, source.max, 1 << 20, endpoint=True)
        sums = magnitude >> rng.integers(0, source.width - 1, 1 << 20)
        sums[::2] = ~sums[::2]
        return np.append(sums, [source.min, source.max]), "random sums of every magnitude"
    lower = np.concatenate([LOWER, rng.integers(0, 1 << 16, DRAWN)])
    sums = (np.arange(1 << 16)[:, None] << 16 | lower).ravel()
    return sums, f"every upper half of a sum with {len(lower)} lower ones"


def _compare(model: Model, cases: Mapping[str, Case]) -> list[Tally]:
    """Results of each case, whose ports have a prefix."""
    rows = {}
    for prefix, case in cases.items():
        idle = [(0, case.spec.latency), (0, 0)]
        rows |= {
            prefix + name: np.pad(row, idle[: row.ndim]) for name, row in case.inputs().items()
        }
    found = model.run(rows, outputs=[f"{prefix}o_data" for prefix in cases])
    tallies = []
    for prefix, case in cases.items():
        got, wanted = found[f"{prefix}o_data"][case.spec.latency :], case.wanted().astype(np.uint64)
        wrong = got != wanted
        first = int(np.argmax(wrong))
        said = f"{case.sums[first]:#x}: {got[first]:#x}, not {wanted[first]:#x}"
        tallies.append(Tally(len(got), int(wrong.sum()), said if wrong.any() else ""))
    return tallies
