# SPDX-License-Identifier: Apache-2.0
"""The page on proofs, exhaustive checks and samples: no check is listed as stronger than it is."""

from pathlib import Path

import pytest

from reports.render import main
from reports.report import site
from reports.studies.verification.page import extract
from synth.record import Metric, Provenance, Record, write_records
from tests.support.pages import said

ORIGIN = Provenance(
    command="make test-full",
    commit="0123456789abcdef",
    dirty=False,
    date="2026-01-02T03:04:05+00:00",
    tools={"z3": "5.4"},
    seed=7,
)


def formal(unit: str, proven: int, *, tier: str = "proven") -> Record:
    return Record(
        subject=unit,
        provenance=ORIGIN,
        metrics={"cases": Metric(4, "case"), "proven": Metric(proven, "case")},
        conditions={
            "tier": tier,
            "kind": "fixed",
            "what": "next state from every state",
            "against": "bit-vector specification",
        },
    )


def simulated(unit: str, states: int, *, tier: str = "exhausted", wrong: int = 0) -> Record:
    return Record(
        subject=unit,
        provenance=ORIGIN,
        metrics={"states": Metric(states, "state"), "mismatches": Metric(wrong, "state")},
        conditions={
            "tier": tier,
            "kind": "float",
            "level": "netlist",
            "cells": "gates",
            "what": "every pair",
            "against": "host FPU",
        },
    )


def family(name: str, units: list[str]) -> Record:
    whole = simulated(name, 10)
    return Record(
        subject=name,
        provenance=ORIGIN,
        metrics=whole.metrics,
        conditions={**whole.conditions, "units": units},
    )


def compared(subject: str, results: int, wrong: int = 0) -> Record:
    return Record(
        subject=subject,
        provenance=ORIGIN,
        metrics={"results": Metric(results, "result"), "rtl_mismatches": Metric(wrong, "result")},
    )


def faults(subject: str, survivors: dict[str, str]) -> Record:
    return Record(
        subject=subject,
        provenance=ORIGIN,
        metrics={
            "planted": Metric(200, "fault"),
            "caught": Metric(199, "fault"),
            "equivalent": Metric(1, "fault"),
        },
        conditions={"survivors": survivors},
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "README.md").write_text("<!-- begin:verification -->\n<!-- end:verification -->\n")
    data = tmp_path / "reports/data"
    write_records(data / "formal.json", [formal("int8", 4), formal("e5m2", 3, tier="open")])
    write_records(
        data / "exhaustion.json",
        [
            simulated("e4m3,acc=fp16", 1000),
            simulated("e4m3,acc=fp16", 24, tier="sampled"),
            simulated("e4m3,acc=fp32", 500, tier="sampled", wrong=2),
        ],
    )
    write_records(
        data / "mutants.json", [faults("RTL", {"a fault": "unreachable"}), faults("all", {})]
    )
    return tmp_path


def test_answer_counts_each_unit_once_by_its_strongest_check(root: Path) -> None:
    assert main([], root=root) == 0
    text = (
        "Of 4 units, 1 is proven, 1 is exhausted, 1 is sampled and 1 is open, each counted by its "
        "strongest check. 1,524 states were simulated and 2 differ. Of 200 injected faults, 199 "
        "are caught and 1 is proven to change nothing."
    )
    assert text in (root / "README.md").read_text()
    assert text in (root / "reports/verification.md").read_text()
    assert text in site(root)["verification.html"]


def test_page_separates_proofs_from_samples_and_shows_what_differs(root: Path) -> None:
    main([], root=root)
    page = (root / "reports/verification.md").read_text()
    lines = page.splitlines()
    assert "| int8 | proven: next state from every state | - | - |" in lines
    assert "| e5m2 | open: 3 of 4 cases | - | - |" in lines
    assert (
        "| e4m3,acc=fp16 | - | - | exhausted in gates: every pair, 1,000 states (host FPU); "
        "sampled in gates: every pair, 24 states (host FPU) |"
    ) in lines
    assert (
        "| e4m3,acc=fp32 | - | - | sampled in gates: every pair, 500 states (host FPU, 2 differ) |"
    ) in lines
    assert "- a fault: unreachable" in lines
    assert "| RTL | 200 | 199 | 1 |" in lines


def test_every_unit_of_a_family_counts_once() -> None:
    records = [family("a family", ["x", "y"]), simulated("x", 5)]
    text = said("verification", {"exhaustion": [record.to_json() for record in records]})
    assert text == (
        "Of 2 units, 2 are exhausted, each counted by its strongest check. "
        "15 states were simulated and 0 differ."
    )


def test_answer_counts_recorded_sets_that_are_met() -> None:
    records = [compared("a", 10), compared("b", 10, wrong=1), compared("not compared", 0)]
    text = said("verification", {"recorded": [record.to_json() for record in records]})
    assert text == (
        "Model and RTL reproduce 1 of 2 sets of results recorded on a GPU, bit for bit."
    )


def test_nothing_is_shown_without_records() -> None:
    assert said("verification", {}) == ""
    assert extract({}).rows == []
