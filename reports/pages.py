# SPDX-License-Identifier: Apache-2.0
"""Sections that have a page of their own: what goes on it, and what of it goes elsewhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.studies.accumulation.page import accumulation_page, limits
from reports.studies.accumulation.page import answer as accumulation_answer
from reports.studies.bench import page as simulators
from reports.studies.boards import page as boards
from reports.studies.engines import page as engines
from reports.studies.explanation import page as explanation
from reports.studies.features import page as feature_costs
from reports.studies.networks import page as networks
from reports.studies.networks import page_findings as network_findings
from reports.studies.theory import page as theory
from reports.studies.verification.page import SOURCES, verification_page
from reports.studies.verification.page import answer as verification_answer
from reports.studies.verification.page import extract as verification_extract
from reports.tables import Table

__all__ = ["PAGES", "Page"]

Records = Mapping[str, Sequence[dict[str, Any]]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page, ``reports/<file>.md``, made by the template ``<file>.md.j2``.

    Parameters
    ----------
    sources
        Data files that it reads; it is made as soon as there is one of them.
    values
        What the template shows.
    answer
        The page in a few sentences, for README and index.
    extract
        Its main table, for the index.
    short
        Table for the README, None for none.
    plots
        Pictures of the page by name, beside those of its section, as functions that give SVG.
    file
        Name of the file, unless it is that of the section.
    """

    sources: tuple[str, ...]
    values: Callable[[Records], dict[str, Any]]
    answer: Callable[[Records], str]
    extract: Callable[[Records], Table]
    short: Callable[[Records], Table] | None = None
    plots: Callable[[Records], dict[str, Callable[[], str]]] = lambda records: {}
    file: str = ""


PAGES = {
    "accumulation": Page(
        sources=("accumulation",),
        values=lambda records: accumulation_page(records["accumulation"]),
        answer=lambda records: accumulation_answer(records["accumulation"]),
        extract=lambda records: limits(records["accumulation"])),
    "explanation": Page(
        sources=explanation.SOURCES, values=explanation.explanation_page, file="fp8-vs-int8",
        answer=explanation.answer, extract=explanation.extract, plots=explanation.plots,
        short=explanation.ratios),
    "boards": Page(
        sources=("boards", "board_room", "board_selftest", "board_frames"),
        values=boards.boards_page, answer=boards.answer,
        extract=boards.bitstreams),
    "engines": Page(
        sources=("engines",),
        values=lambda records: engines.engines_page(records["engines"]),
        answer=lambda records: engines.answer(records["engines"]),
        extract=lambda records: engines.engines(records["engines"])),
    "features": Page(
        sources=("features",),
        values=lambda records: feature_costs.features_page(records["features"]),
        answer=lambda records: feature_costs.answer(records["features"]),
        extract=lambda records: feature_costs.costs(records["features"]),
        short=lambda records: feature_costs.costs(records["features"])),
    "theory": Page(
        sources=("theory",), values=lambda records: theory.theory_page(records["theory"]),
        answer=lambda records: theory.answer(records["theory"]),
        extract=lambda records: theory.accuracy(records["theory"]),
        plots=lambda records: theory.plots(records["theory"])),
    "simulator": Page(
        sources=("simulator",), values=simulators.simulators_page, answer=simulators.answer,
        extract=simulators.ratios, short=simulators.ratios, plots=simulators.plots),
    "networks": Page(
        sources=("networks", "finetune"),
        values=lambda records: networks.networks_page(records.get("networks", ()),
                                                      records.get("finetune", ())),
        answer=lambda records: network_findings.answer(records.get("networks", ())),
        extract=lambda records: networks.changes(records.get("networks", ())),
        short=lambda records: networks.changes(records.get("networks", ()))),
    "verification": Page(
        sources=SOURCES, values=verification_page, answer=verification_answer,
        extract=verification_extract, short=verification_extract),
}
