# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.report [--out DIR]``: the report as HTML pages that work offline.

``index.html`` answers the first question, each study has a page, and each file of records has one
with an anchor for every record and metric, to which numbers link. The same records are there as
CSV files.
"""

import itertools
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import markupsafe
from markdown_it import MarkdownIt
from markdown_it.token import Token

from hw.emit.files import write_files
from hw.spec.command import Parser, run_command
from reports import tables
from reports.registry import Study
from reports.render import HERE, ROOT, Content, content
from reports.studies.summary.page import summary
from reports.tables import Table

OUT = Path("build/report")
#: Share of the cells of a column that must be numbers to align it right.
MOST = 0.75
#: Values of a topic page without content.
NOTHING: dict[str, Any] = {
    "body": "",
    "pictures": (),
    "chart": (),
    "table": None,
    "file": "",
    "sources": (),
}
#: A cell that counts as a number: a sign and digits, or the mark of a missing value.
_NUMBER = re.compile(r"[-+<>]?\d[\d,.]*(e[-+]?\d+)?\b.{0,12}|-|")


def site(root: Path) -> dict[str, str]:
    """Text of each file of the report of the records below ``root``, by its path in the report."""
    found = content(root)
    templates = found.templates
    templates.globals |= {"numeric_columns": numeric_columns, "origin": tables.origin, "up": ""}
    markdown = found.markdown()
    topic = templates.get_template("topic.html.j2")
    files = {
        "index.html": templates.get_template("summary/summary.html.j2").render(
            summary(found.records), library=_library(found)
        ),
        "formats.html": topic.render(
            NOTHING | {"title": "Formats", "table": templates.globals["formats"]}
        ),
        "records.html": templates.get_template("list.html.j2").render(),
        "site.css": (HERE / "templates/site.css").read_text(encoding="utf-8"),
        "site.js": (HERE / "templates/site.js").read_text(encoding="utf-8"),
    }
    for study in found.studies:
        files[f"{study.name}.html"] = topic.render(_topic(study, found, markdown))
    for name, svg in found.drawn.items():
        files[f"figures/{name}.svg"] = svg
    page = templates.get_template("records.html.j2")
    for name, records in found.records.items():
        if records:
            files[f"records/{name}.html"] = page.render(name=name, records=records, up="../")
            files[f"csv/{name}.csv"] = tables.as_csv(records)
    return files


def _topic(study: Study, found: Content, markdown: dict[str, str]) -> dict[str, Any]:
    """Values for the page of a study: its Markdown page or the table of its records."""
    records = found.records.get(study.name, [])
    page = found.known.get(study.name)
    return {
        "title": study.title,
        "body": markupsafe.Markup(html(markdown[study.name])) if study.name in markdown else "",
        "pictures": page.figures if page and records else (),
        "chart": tables.bars(records, study.chart, study.hidden) if study.chart else (),
        "table": tables.table(
            records, metrics=study.metrics, hidden=study.hidden, only=bool(study.metrics)
        )
        if records
        else None,
        "file": study.name,
        "command": study.command,
        "sources": [name for name in study.sources if found.records.get(name)],
    }


def _library(found: Content) -> str:
    """Name of the cell library that the units of the summary were mapped to."""
    return next(
        (
            record["provenance"]["library"]["name"]
            for record in found.records.get("paper", ())
            if record["provenance"]["library"]
        ),
        "no library",
    )


def is_numeric(cells: Sequence[str]) -> bool:
    """For each column, whether most cells are numbers; such columns are aligned right."""
    numbers = sum(bool(_NUMBER.fullmatch(cell)) for cell in cells)
    return any(re.search(r"\d", cell) for cell in cells) and numbers >= MOST * len(cells)


def numeric_columns(table: Table) -> list[bool]:
    """Which columns of a table are numbers."""
    return [
        bool(place) and is_numeric([row[place] for row in table.rows])
        for place in range(len(table.headings))
    ]


def html(markdown: str) -> str:
    """HTML of a page. Tables scroll and align numbers right; pictures have a background."""
    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = parser.parse(markdown)
    shown: list[Token] = []
    table: list[Token] = []
    for token in tokens:
        if table or token.type == "table_open":
            table.append(token)
            if token.type == "table_close":
                _align(table)
                shown += [_raw('<div class="wide">'), *table, _raw("</div>\n")]
                table = []
        else:
            shown.append(token)
    text: str = parser.renderer.render(shown, parser.options, {})
    return re.sub(r"<p>(<img [^>]*>)</p>", r"<figure><div>\1</div></figure>", text)


def _raw(text: str) -> Token:
    return Token("html_block", "", 0, content=text)


def _align(table: Sequence[Token]) -> None:
    """Mark the cells of numeric columns."""
    rows: list[list[Token]] = []
    texts: list[list[str]] = []
    for token, inside in itertools.pairwise(table):
        if token.type == "tr_open":
            rows.append([])
            texts.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(token)
            texts[-1].append(inside.content)
    for place in range(1, len(rows[0])):
        if is_numeric([row[place] for row in texts[1:]]):
            for row in rows:
                row[place].attrSet("class", "num")


def write(folder: Path, root: Path = ROOT) -> Path:
    """Write the report of the records below ``root`` and return the path of its first page."""
    by_folder: dict[Path, dict[str, str]] = {}
    for name, text in site(root).items():
        path = folder / name
        by_folder.setdefault(path.parent, {})[path.name] = text
    # The first page is written last, because it links to all others.
    for place in sorted(by_folder, reverse=True):
        write_files(place, by_folder[place])
    return folder / "index.html"


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m reports.report",
        description="Write the report as HTML pages that work offline and print the first one.",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        type=Path,
        default=OUT,
        help=f"folder of the pages (default: {OUT.as_posix()})",
    )
    return parser


def main(arguments: Sequence[str] | None = None, *, root: Path = ROOT) -> int:
    """Command line; the exit status."""
    return run_command(parser(), lambda options: print(write(options.out, root)), arguments)


if __name__ == "__main__":
    sys.exit(main())
