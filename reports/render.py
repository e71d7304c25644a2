# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.render [--check]``: pages from the records of ``reports/data``.

It renders the marked sections of README.md and ``docs/*.md``, each between
``<!-- begin:NAME -->`` and ``<!-- end:NAME -->``, the figures of ``reports/figures`` and the
Markdown pages of ``reports``. `reports.report` makes the HTML report of the same records.
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import markupsafe

from hw.emit.files import write_files
from hw.spec import SpecError
from hw.spec.catalog import CATALOG, COLUMNS, SOURCES, format_cells
from hw.spec.command import Parser, run_command
from reports import tables
from reports.registry import Page, Records, Study, studies
from reports.tables import Table

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
RECORD_FIELDS = {"subject", "metrics", "conditions", "provenance", "not_done"}
ORIGIN_FIELDS = {"command", "commit", "dirty", "date", "tools", "library", "seed"}
_MARKED = re.compile(r"(<!-- begin:(\w+) -->\n)(.*?)(<!-- end:\2 -->)", re.DOTALL)
_BEGIN = re.compile(r"<!-- begin:(\w+) -->")


class ReportError(SpecError):
    """A page that cannot be rendered; the message is one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Content:
    """Content of the pages: the studies with a section, and the values from the records.

    Parameters
    ----------
    studies
        Studies with a section, in their order.
    records
        Records by the name of their file.
    known
        Pages of the studies that have records, by the study's name.
    drawn
        SVG of each figure, by name.
    templates
        Environment that renders the pages.
    """

    studies: Sequence[Study]
    records: dict[str, list[dict[str, Any]]]
    known: dict[str, Page]
    drawn: dict[str, str]
    templates: jinja2.Environment

    @property
    def own(self) -> dict[str, Page]:
        """Pages that have a Markdown file."""
        return {name: page for name, page in self.known.items() if page.values}

    def markdown(self) -> dict[str, str]:
        """Text of each Markdown page, by the name of its study."""
        return {
            study.name: page_text(self.templates, study, self.records)
            for study in self.studies
            if study.name in self.own
        }


def content(root: Path) -> Content:
    """Content from the records below ``root``.

    SpecError if a record is not as `synth.record` writes it.
    """
    records = _records(root / "reports/data")
    shown = [study for study in studies() if study.in_index]
    known = {
        study.name: study.load_page()
        for study in shown
        if any(records.get(source) for source in study.sources)
    }
    templates = environment()
    drawn = {
        name: svg
        for study in shown
        if study.name in known
        for name, svg in _drawn(templates, study, known[study.name], records).items()
    }
    templates.globals |= {
        "studies": shown,
        "records": records,
        "pages": {name: page for name, page in known.items() if page.values},
        "figures": {
            name: [figure for figure in page.figures if figure.name in drawn]
            for name, page in known.items()
        },
        "answers": {
            study.name: answer(templates, study, records)
            for study in shown
            if study.name in known and known[study.name].values
        },
    }
    return Content(studies=shown, records=records, known=known, drawn=drawn, templates=templates)


def pages(root: Path) -> dict[Path, str]:
    """Text of every rendered page below ``root``."""
    listed = content(root)
    # The README comes last, so that it is unchanged if a page of a folder cannot be written.
    marked = [*sorted((root / "docs").glob("*.md")), root / "README.md"]
    return {
        **{root / "reports/figures" / f"{name}.svg": svg for name, svg in listed.drawn.items()},
        **{
            root / "reports" / f"{listed.own[name].file or name}.md": text
            for name, text in listed.markdown().items()
        },
        **{page: _fill(page, listed.templates, listed.studies, root) for page in marked},
    }


def environment() -> jinja2.Environment:
    """Environment of the templates, with tables and filters that format numbers."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([HERE / "templates", HERE / "studies"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=jinja2.select_autoescape(["html.j2", "svg.j2"]),
    )
    templates.filters |= {
        "label": tables.label,
        "listed": tables.listed,
        "more": tables.more,
        "number": tables.text,
        "oneline": _oneline,
        "percent": tables.percent,
        # HTML of a text in which backticks mark code.
        "code": lambda text: markupsafe.Markup(
            re.sub(r"`([^`]*)`", r"<code>\1</code>", str(markupsafe.escape(text)))
        ),
    }
    templates.globals |= {
        "table": tables.table,
        "comma": tables.comma,
        "formats": Table(list(COLUMNS.values()), format_cells(), []),
        "families": _families(),
    }
    return templates


def _families() -> Table:
    """Named formats, grouped by the standard that defines them."""
    rows = [
        [source, ", ".join(f"`{fmt.name}`" for fmt in found), _span(fmt.width for fmt in found)]
        for source in dict.fromkeys(each.partition(",")[0] for each in SOURCES.values())
        for found in [
            [fmt for fmt in CATALOG.values() if SOURCES[fmt.name].partition(",")[0] == source]
        ]
    ]
    return Table(["defined by", "formats", "bits"], rows, [])


def _span(numbers: Iterable[int]) -> str:
    """The numbers that occur, in order."""
    return ", ".join(map(str, sorted(set(numbers))))


def answer(templates: jinja2.Environment, study: Study, records: Records) -> str:
    """The page of a study in a few sentences."""
    numbers = study.load_page().answer(records)
    return _oneline(templates.get_template(f"{study.folder}/answer.md.j2").render(numbers))


def _oneline(text: str) -> str:
    """Text without the lines and spaces of its template."""
    return " ".join(text.split())


def _drawn(
    templates: jinja2.Environment,
    study: Study,
    page: Page,
    records: dict[str, list[dict[str, Any]]],
) -> dict[str, str]:
    """SVG of each picture of a study, by name."""
    drawings = {}
    shown = records.get(study.name) if study.name in study.sources else records
    if shown:
        for figure in page.figures:
            template = templates.get_template(f"{study.folder}/{figure.name}.svg.j2")
            if values := figure.draw(shown):
                drawings[figure.name] = template.render(values, alt=figure.alt)
    return drawings | {name: draw() for name, draw in page.plots(records).items()}


def page_text(templates: jinja2.Environment, study: Study, records: Records) -> str:
    """Markdown page of a study."""
    page = study.load_page()
    assert page.values
    read = [record for source in study.sources for record in records.get(source, ())]
    return templates.get_template(f"{study.folder}/page.md.j2").render(
        {"answer": answer(templates, study, records)} | page.values(records),
        alts=[figure.alt for figure in page.figures],
        notes=tables.notes_of(read, study.hidden),
    )


def _records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Records of each file of the folder, by the file's name."""
    by_file = {}
    for path in sorted(folder.glob("*.json")):
        try:
            records = json.loads(path.read_text(encoding="utf-8"))["records"]
            whole = all(
                record.keys() == RECORD_FIELDS and record["provenance"].keys() == ORIGIN_FIELDS
                for record in records
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise ReportError(f"Records must be as synth.record writes them, not {path.name!r}")
        by_file[path.stem] = records
    return by_file


def _fill(page: Path, templates: jinja2.Environment, shown: Sequence[Study], root: Path) -> str:
    """Text of ``page`` with its marked sections rendered: ``formats``, ``families``, the name of a
    study, or that name and ``_brief`` for the short form of the study.
    """
    known: dict[str, tuple[str, Study | None]] = {
        name: (f"{name}.md.j2", None) for name in ("formats", "families")
    }
    for study in shown:
        known[study.name] = ("section.md.j2", study)
        known[f"{study.name}_brief"] = (f"{study.folder}/brief.md.j2", study)
    records: Any = templates.globals["records"]
    up = "../" * len(page.parent.relative_to(root).parts)

    def section(match: re.Match[str]) -> str:
        begin, name, _, end = match.groups()
        if name not in known:
            names = ", ".join(name for name in known if not name.endswith("_brief"))
            raise ReportError(f"{page.name} section must be one of {names}, not {name!r}")
        template, study = known[name]
        numbers = {}
        if study and name != study.name:
            brief = study.load_page().brief
            if brief is None:
                raise ReportError(
                    f"{page.name} section {name!r} is of a study without a short form"
                )
            numbers = brief(records)
        return begin + templates.get_template(template).render(numbers, study=study, up=up) + end

    old = page.read_text(encoding="utf-8")
    begun, whole = _BEGIN.findall(old), [match[2] for match in _MARKED.finditer(old)]
    for name in begun:
        if begun.count(name) != whole.count(name):
            raise ReportError(f"{page.name} section must end with <!-- end:{name} -->, not without")
    return _MARKED.sub(section, old)


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m reports.render",
        description="Render README.md, docs, the figures and the Markdown pages.",
    )
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a page is out of date"
    )
    return parser


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Render or check; the exit code."""
    return run_command(parser(), lambda options: render(root, check=options.check), arguments)


def render(root: Path = ROOT, *, check: bool = False) -> int:
    """Write each page that is out of date and print its name. With ``check``, write nothing, list
    those pages and return 1 if there are any.

    SpecError for a malformed record or mark, or an unsuitable folder.
    """
    rendered = pages(root)
    stale = [
        path
        for path, content in rendered.items()
        if not path.exists() or path.read_text(encoding="utf-8") != content
    ]
    if check and stale:
        names = ", ".join(path.relative_to(root).as_posix() for path in stale)
        print(f"Out of date, run `make reports`: {names}", file=sys.stderr)
        return 1
    for path in stale:
        write_files(path.parent, {path.name: rendered[path]})
        print(path.relative_to(root).as_posix())
    return 0


if __name__ == "__main__":
    sys.exit(main())
