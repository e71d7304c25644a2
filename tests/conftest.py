# SPDX-License-Identifier: Apache-2.0
"""Options and settings of all tests."""

import time
from pathlib import Path

import hypothesis
import pytest

from synth.record import Metric, Record, provenance, write_records

STARTED = pytest.StashKey[float]()
OUTCOMES = ("passed", "failed", "error", "skipped")

# The same examples on every run, so that failures can be reproduced.
hypothesis.settings.register_profile("bytemac", derandomize=True, deadline=None, database=None)
hypothesis.settings.load_profile("bytemac")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that records the outcome."""
    parser.addoption(
        "--record",
        metavar="FILE",
        type=Path,
        help="write the number of tests by outcome, and their time, to FILE",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Start the clock."""
    config.stash[STARTED] = time.monotonic()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Write the record, but not in workers, each of which has run only a part of the tests."""
    path = config.getoption("--record")
    if path is None or hasattr(config, "workerinput"):
        return
    stats = terminalreporter.stats
    metrics = {name: Metric(len(stats.get(name, [])), "test") for name in OUTCOMES}
    metrics["runtime"] = Metric(round(time.monotonic() - config.stash[STARTED], 1), "s")
    chosen = config.getoption("-m") or "all"
    record = Record(
        subject="pytest",
        metrics=metrics,
        conditions={"markers": chosen},
        provenance=provenance(
            f"pytest -m '{chosen}'" if chosen != "all" else "make test-full",
            tools=("pytest", "amaranth", "pyosys", "cocotb", "verilator"),
        ),
    )
    terminalreporter.write_line(f"Wrote {write_records(path, [record])}")
