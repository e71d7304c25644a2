# SPDX-License-Identifier: Apache-2.0
"""The list of checks by name, the longest first; several run in parallel."""

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hw.spec import CATALOG, parse_mac, parse_output
from tests.exhaustive.models import PAIRS, check_recorded, check_twin
from tests.exhaustive.netlists import GATES, OSU018, in_gates, in_osu018, osu018_library
from tests.exhaustive.outcome import Outcome
from tests.exhaustive.outputs import check_output, check_outputs
from tests.exhaustive.pairs import check_pairs, check_sums, check_unit_pairs
from tests.exhaustive.states import check_every_state, check_random_states
from tests.support.compiled import unchanged

#: Formats of the operand pairs; every pair is checked with each of these accumulators.
EIGHT_BITS = tuple(fmt.name for fmt in CATALOG.values() if fmt.width == 8)
ACCUMULATORS = ("exact", "fp32", "fp16", "bf16", "aligned:13")

#: Accumulators of which all states are tried.
STATES = tuple(
    f"{pair},acc={acc}"
    for acc in ("fp16", "bf16")
    for pair in ("e2m5", "e3m4", "e4m3xe5m2", "e4m3", "e5m2", "int8")
)
STATE_OPTIONS = (
    "e4m3,acc=fp16-sat-ftz",
    "e5m2,acc=fp16-rtz",
    "e4m3,acc=bf16-rtz",
    "e4m3:fn-daz,acc=fp16",
    "e4m3,acc=e5m2",
    "e5m2,acc=e3m4-ftz",
    "e3m4,acc=e5m2-sat",
    "int4,acc=e3m4",
)
RANDOM_STATES = (
    "e4m3,acc=fp32",
    "e5m2xe4m3,acc=fp32",
    "e3m4,acc=fp32",
    "e2m5,acc=fp32",
    "int8,acc=fp32",
    "e4m3,acc=fp32-rtz",
)
RANDOM_SUMS = (
    "e4m3,acc=hopper",
    "e5m2,acc=hopper",
    "e4m3,acc=ada",
    "e5m2xe4m3,acc=blackwell",
    "e4m3,acc=aligned:13",
    "e4m3,acc=fp16,lanes=4",
    "e4m3,lanes=4",
    "int8,lanes=4",
)
PRESETS = ("e4m3,acc=hopper", "e5m2,acc=hopper", "e4m3,acc=ada", "e4m3,acc=blackwell")

#: One unit of each kind and more, as netlists.
GATE_PAIRS = (
    "e4m3",
    "e5m2",
    "int8",
    "e4m3,acc=fp16",
    "e4m3,acc=fp32",
    "e4m3,acc=bf16",
    "e4m3,acc=aligned:13",
    "e4m3,acc=hopper",
)
GATE_RANDOM = ("e4m3,acc=fp32", "int8,acc=fp32")
GATE_SUMS = ("e4m3", "int8", "e4m3,acc=aligned:13")
CELL_STATES = ("e4m3,acc=fp16", "e5m2,acc=fp16", "e4m3,acc=bf16", "int8,acc=bf16")
CELL_PAIRS = ("e4m3", "int8", "e4m3,acc=fp16", "e4m3,acc=fp32", "e4m3,acc=aligned:13")
CELL_RANDOM = ("e4m3,acc=fp32",)
CELL_SUMS = ("e4m3", "int8", "e4m3,acc=aligned:13")

#: Encoders of 16 bits go to every 8-bit format; wider ones and output stages are sampled.
ENCODERS = tuple(
    parse_output(f"{to},from={source}{mode}")
    for source in ("fp16", "bf16")
    for to in EIGHT_BITS
    for mode in ("", ",saturate=no")
)
WIDE_OUTPUTS = (
    "e4m3,from=fp32",
    "e5m2,from=fp32,saturate=no",
    "e4m3,from=aligned:13",
    "e4m3,from=fx49m18,flags=1",
    "int8,from=int32,scale=pow2",
)
GATE_OUTPUTS = (
    "e4m3,from=fp16",
    "e5m2,from=bf16,saturate=no",
    "e4m3,from=fp32",
    "e4m3,from=fx49m18,flags=1",
    "fp16,from=fx49m18",
)
CELL_OUTPUTS = ("e4m3,from=fp16", "e4m3,from=fx49m18,flags=1")

#: Random sums of each by the number of their seeds: 55,296 steps a seed.
TWINS = {
    "e4m3": 20,
    "e5m2": 16,
    "int8": 20,
    "e4m3,acc=fx32m10": 18,
    "e5m2,acc=fx48m12t": 18,
    "e4m3,acc=fx40m18s": 18,
    "int8,acc=int17": 18,
    "e4m3,acc=fp32": 20,
    "e5m2,acc=fp16": 18,
    "e3m4,acc=bf16": 18,
    "e4m3,acc=fp16-sat-ftz": 18,
    "int8,acc=bf16-rtz": 18,
    "e4m3,acc=fp16,lanes=4": 8,
    "e2m5,acc=e5m2": 12,
    "e4m3,acc=aligned:13": 18,
    "e5m2,acc=aligned:25,lanes=2": 12,
    "e4m3,acc=hopper": 1,
    "e5m2xe4m3,acc=ada": 2,
}


#: Checks of one unit each: name, function, level, units. The longest come first.
MACS = (
    ("states", check_every_state, "RTL", STATES),
    ("states", check_every_state, "RTL", STATE_OPTIONS),
    ("states", check_every_state, GATES, (*STATES, *STATE_OPTIONS)),
    ("states", check_every_state, OSU018, CELL_STATES),
    ("random", check_random_states, "RTL", RANDOM_STATES),
    ("random", check_random_states, GATES, GATE_RANDOM),
    ("random", check_random_states, OSU018, CELL_RANDOM),
    ("sums", check_sums, GATES, GATE_SUMS),
    ("sums", check_sums, OSU018, CELL_SUMS),
    ("sums", check_sums, "RTL", RANDOM_SUMS),
    ("pairs", check_unit_pairs, GATES, GATE_PAIRS),
    ("pairs", check_unit_pairs, OSU018, CELL_PAIRS),
    ("pairs", check_unit_pairs, "RTL", PRESETS),
)
OUTPUTS = (
    ("output", check_output, GATES, GATE_OUTPUTS),
    ("output", check_output, OSU018, CELL_OUTPUTS),
    ("output", check_output, "RTL", WIDE_OUTPUTS),
)
#: Number of checks that run in parallel.
WORKERS = 2
CHANGES = {"RTL": unchanged, GATES: in_gates, OSU018: in_osu018}


@dataclass(frozen=True)
class Check:
    """Something to try; ``topic`` is the file of its records, ``run`` takes a scratch folder."""

    topic: str
    name: str
    run: Callable[[Path], Outcome | Sequence[Outcome]]


def plan() -> list[Check]:
    """Every check; those on library cells only where the library is."""
    return [
        *_units(MACS, parse_mac),
        *_twins(),
        *_families(),
        *_units(OUTPUTS, parse_output),
        *_recorded(),
    ]


def _units(
    table: Iterable[tuple[str, Callable[..., Any], str, Iterable[str]]], parse: Callable[[str], Any]
) -> Iterator[Check]:
    """Checks of one unit each."""
    for name, function, level, spellings in table:
        for spelling in spellings if level != OSU018 or osu018_library() else ():
            run = partial(function, parse(spelling), level=level, change=CHANGES[level])
            yield Check("exhaustion", f"{name} {level} {spelling}", run)


def _families() -> Iterator[Check]:
    """Checks of many units in one model; their outcomes are one record a family."""
    for acc in ACCUMULATORS:
        for a in EIGHT_BITS:
            specs = [parse_mac(a if a == b else f"{a}x{b}", acc=acc) for b in EIGHT_BITS]
            family = f"{len(EIGHT_BITS) ** 2} pairs of 8-bit formats, acc={acc}"
            yield Check(
                "exhaustion",
                f"pairs RTL {a} with {len(specs)} formats,acc={acc}",
                partial(check_pairs, specs, family=family),
            )
    yield Check(
        "exhaustion",
        "outputs RTL fp16 and bf16 to 8 bits",
        partial(
            check_outputs, ENCODERS, family=f"{len(ENCODERS)} encoders, fp16 and bf16 to 8 bits"
        ),
    )


def _twins() -> Iterator[Check]:
    """Checks of the vectorised model."""
    for spelling, seeds in TWINS.items():
        yield Check(
            "twins", f"twins {spelling}", partial(check_twin, parse_mac(spelling), range(seeds))
        )


def _recorded() -> Iterator[Check]:
    """Checks against a GPU."""
    for pair in PAIRS:
        yield Check("recorded", f"recorded {pair}", partial(check_recorded, pair))


def run_checks(checks: Sequence[Check]) -> Iterator[tuple[int, list[Outcome], float]]:
    """Index, outcomes and seconds of each check as it ends, on `WORKERS` processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        pending = {pool.submit(_try, check): index for index, check in enumerate(checks)}
        try:
            for future in as_completed(pending):
                yield pending[future], *future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _try(check: Check) -> tuple[list[Outcome], float]:
    """Run one check, in a process of its own."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="exhaustive-") as folder:
        outcomes = check.run(Path(folder))
    listed = [outcomes] if isinstance(outcomes, Outcome) else list(outcomes)
    return listed, time.monotonic() - started
