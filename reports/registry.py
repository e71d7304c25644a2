# SPDX-License-Identifier: Apache-2.0
"""The studies: name, measurement and page of each.

A study is a folder of ``reports/studies``. Its ``__init__`` holds ``STUDIES``: one study, or one
per table of records. It names the modules that measure and draw. They are imported on demand, so
pages need no tools and the list of studies needs no numpy.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from reports import tables
from reports.tables import Table
from synth.record import Record

#: Records of ``reports/data`` as plain data, by the name of their file.
Records = Mapping[str, Sequence[tables.Record]]

FOLDER = Path(__file__).parent / "studies"
#: First metrics in tables of `synth.measure`, and conditions that are too long for a table.
FLOW_METRICS = (
    "two_input_gates_keep",
    "area",
    "min_period",
    "energy_gaussian",
    "energy_gaussian_glitches",
)
FLOW_HIDDEN = ("unit", "passes", "timing", "critical_path", "parts", "energy", "blocks")


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """Measurement of a study: ``MEASURE`` of the module that the study names.

    Parameters
    ----------
    run
        Makes the records from the options of the command line. Their ``command`` is the command
        for the provenance of the records.
    options
        Adds the options of the study's command, except ``--out`` and ``--json``.
    tool_errors
        Errors of tools. They end the command with one line and status 1.
    faults
        Describes faults in the records, "" for none. The records are written in any case.
    show
        Output of the command; by default the path of the records.
    """

    run: Callable[[Namespace], Sequence[Record]]
    options: Callable[[ArgumentParser], None] = lambda parser: None
    tool_errors: tuple[type[Exception], ...] = ()
    faults: Callable[[Sequence[Record]], str] = lambda records: ""
    show: Callable[[Sequence[Record]], str] | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """Figure drawn by the template ``<name>.svg.j2`` of the study's folder.

    ``alt`` describes it in words, ``draw`` makes the values for the template from the records of
    the study, or from all records if the study has none. If it returns None, nothing is drawn.
    """

    name: str
    alt: str
    draw: Callable[[Any], Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Page of a study, besides the table of its records: ``PAGE`` of its module ``page``.

    Parameters
    ----------
    values
        Values for the template ``page.md.j2`` of the folder. Without it, the study has no page of
        its own, and only ``figures`` is used.
    answer
        Numbers for the template ``answer.md.j2`` of the folder, which sums up the page in a few
        sentences for ``docs`` and report.
    short
        Table for a page of ``docs``, None for none.
    brief
        Numbers for the template ``brief.md.j2`` of the folder, which the README shows; None for
        none.
    plots
        Plots of the page by name, in addition to ``figures``, as functions that return SVG.
    figures
        Figures in README, ``docs`` and report.
    file
        Name of the file in ``reports``, unless it is that of the study.
    """

    values: Callable[[Records], dict[str, Any]] | None = None
    answer: Callable[[Records], dict[str, Any]] = lambda records: {}
    short: Callable[[Records], Table] | None = None
    brief: Callable[[Records], dict[str, Any]] | None = None
    plots: Callable[[Records], dict[str, Callable[[], str]]] = lambda records: {}
    figures: tuple[Figure, ...] = ()
    file: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Study:
    """One study.

    Parameters
    ----------
    name
        Name of the data file, and of the marks in README.md and ``docs``.
    title
        Heading on the page.
    order
        Place among the topics of the report, from small to large.
    measure
        Module of the folder that has a ``MEASURE`` (``module:NAME`` if it has several), or a TOML
        file of the folder, whose points `synth.sweep` measures. Without either, the studies of
        ``sources`` are measured.
    page
        Module of the folder that has a ``PAGE``; "" for only a table of the records.
    sources
        Data files that the page reads, by default that of the study. The page is rendered if any
        of them exists.
    command
        Command that measures it, if not ``make study NAME=<name>``.
    metrics
        Metrics that come first, in this order; the others follow alphabetically.
    chart
        Metric to draw as bars.
    hidden
        Conditions that the table omits.
    in_readme
        Whether README.md or a page of ``docs`` shows it too.
    in_index
        Whether it is a topic of the report.
    folder
        Name of its folder; the registry sets it.
    """

    name: str
    title: str
    order: int = 1000
    measure: str = ""
    page: str = ""
    sources: tuple[str, ...] = ()
    command: str = ""
    metrics: tuple[str, ...] = ()
    chart: str = ""
    hidden: tuple[str, ...] = ()
    in_readme: bool = False
    in_index: bool = True
    folder: str = ""

    def load_page(self) -> Page:
        """Import and return its page."""
        return self._attribute(self.page, "PAGE") if self.page else Page()

    def load_measure(self) -> Measure | None:
        """Import and return its measurement; None if it has none."""
        if self.measure.endswith(".toml"):
            of_points = resolve_name("reports.studies.sweep:measure_of")
            return of_points(FOLDER / self.folder / self.measure)  # type: ignore[no-any-return]
        return self._attribute(self.measure, "MEASURE") if self.measure else None

    def _attribute(self, module: str, name: str) -> Any:
        module, _, named = module.partition(":")
        return resolve_name(f"reports.studies.{self.folder}.{module}:{named or name}")


@cache
def studies() -> tuple[Study, ...]:
    """Every study, in the order of their sections."""
    registered = [
        replace(
            study,
            folder=folder.name,
            sources=study.sources or (study.name,),
            command=study.command or f"make study NAME={study.name}",
        )
        for folder in sorted(FOLDER.iterdir())
        if (folder / "__init__.py").exists()
        for study in resolve_name(f"reports.studies.{folder.name}:STUDIES")
    ]
    return tuple(sorted(registered, key=lambda study: (study.order, study.name)))


def find(name: str) -> Study | None:
    """Study with this name, or the first study of the folder with this name."""
    by_name = {study.name: study for study in studies()}
    by_folder = {study.folder: study for study in reversed(studies())}
    return by_name.get(name) or by_folder.get(name)
