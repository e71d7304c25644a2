# SPDX-License-Identifier: Apache-2.0
"""The HTML report: numbers link to records, links lead somewhere, and pages work in a browser."""

import functools
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from hw.spec import SpecError
from reports.registry import studies
from reports.report import ROOT, html, is_numeric, main, site, write
from reports.studies.summary.page import MEASURES, UNITS
from synth.record import Metric, Provenance, Record, write_records
from tests.support.pages import visit

ORIGIN = Provenance(
    command="make gates",
    commit="0123456789abcdef",
    dirty=True,
    date="2026-01-02T03:04:05+00:00",
    tools={"pyosys": "0.70"},
    seed=7,
)


def gates(subject: str, count: int, recipe: str) -> Record:
    """Record such as synth.flow.gates writes."""
    return Record(
        subject=subject,
        metrics={"two_input_gates": Metric(count, "gate")},
        conditions={"recipe": recipe, "width": 8},
        provenance=ORIGIN,
        not_done=("timing",),
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root with two records of one study."""
    write_records(
        tmp_path / "reports/data/gates.json",
        [gates("<mac>", 400, "booth"), gates("<mac>", 100, "plain")],
    )
    return tmp_path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of this project."""
    return write(tmp_path_factory.mktemp("report")).parent


def test_numbers_link_to_their_record(root: Path) -> None:
    files = site(root)
    assert '<td class="num"><a href="records/gates.html#r1">100</a></td>' in files["gates.html"]
    record = re.search(r'<article id="r1">(.*?)</article>', files["records/gates.html"], re.DOTALL)
    assert record
    assert '<li id="r1-two_input_gates">two-input gates <b>100</b> gate</li>' in record[1]
    assert "Measured by <code>make gates</code> on 2026-01-02." in record[1]
    assert "Conditions: recipe plain, width 8. Not done: timing." in record[1]


def test_names_are_escaped_and_bars_in_proportion(root: Path) -> None:
    page = site(root)["gates.html"]
    assert "<mac>" not in page
    assert re.findall(r"<span>(.*?)</span><i style=\"--share: (.*?)\"></i><b>(.*?)</b>", page) == [
        ("&lt;mac&gt;, booth", "1.0000", "400"),
        ("&lt;mac&gt;, plain", "0.2500", "100"),
    ]


def test_records_are_available_as_csv(root: Path) -> None:
    assert site(root)["csv/gates.csv"] == (
        "subject,metric,value,unit,recipe,width,command,commit\n"
        "<mac>,two_input_gates,400,gate,booth,8,make gates,0123456789abcdef\n"
        "<mac>,two_input_gates,100,gate,plain,8,make gates,0123456789abcdef\n"
    )


def test_a_study_without_records_names_its_command(tmp_path: Path) -> None:
    files = site(tmp_path)
    assert "Not measured yet. Run <code>make study NAME=gates</code>." in files["gates.html"]
    assert "records/" not in files["index.html"]


def test_pages_are_written_where_the_option_says(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--out", str(tmp_path / "out")], root=root) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out/index.html'}\n"
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--out", str(tmp_path / "file")], root=root)
    assert (tmp_path / "file").read_text() == "mine"
    assert capsys.readouterr().err.startswith(
        "python -m reports.report: error: Output folder must be writable"
    )


def test_a_wrong_record_is_refused(root: Path) -> None:
    (root / "reports/data/gates.json").write_text("{")
    with pytest.raises(SpecError, match=r"^Records must be as synth.record writes them"):
        site(root)


@pytest.mark.parametrize(
    ("cells", "numeric"),
    [
        (["1,234", "-", "+0.5"], True),
        (["1.5e-05", "12.3 dB"], True),
        (["40 %", ""], True),
        (["1", "2.5", "3", "16x16"], True),
        (["1", "2.5", "16x16"], False),
        (["16x16", "4x4"], False),
        (["-", ""], False),
        (["7 of 35 changes of a metric", "3"], False),
    ],
)
def test_columns_of_numbers(cells: list[str], numeric: bool) -> None:
    assert is_numeric(cells) is numeric


def test_markdown_becomes_tables_that_scroll_and_figures_on_a_card() -> None:
    text = html("# A\n\n![alt](figures/a.svg)\n\n| x | n |\n|---|---|\n| a | 1 |\n\nend <b>\n")
    assert '<figure><div><img src="figures/a.svg" alt="alt" /></div></figure>' in text
    assert '<div class="wide"><table>' in text
    assert '<td class="num">1</td>' in text
    assert "<td>a</td>" in text
    assert "end &lt;b&gt;" in text


def test_every_link_of_the_report_leads_somewhere(folder: Path) -> None:
    """Links stay within the report and lead to existing anchors."""
    ids = {path: re.findall(r' id="(.*?)"', path.read_text()) for path in folder.rglob("*.html")}
    assert len(ids) > 50
    seen = 0
    for path in ids:
        text = path.read_text()
        assert not re.search(r"""(src|href)=["'](https?:)?//|@import|url\(""", text), path
        for link in set(re.findall(r'(?:href|src)="(.+?)"', text)) - {"data:,"}:
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve()
            assert target.is_file(), (path, link)
            assert not anchor or anchor in ids[folder.resolve() / target], (path, link)
            seen += 1
    assert seen > 1000


def test_summary_has_the_numbers_of_the_records(folder: Path) -> None:
    """Each ratio is that of the records that it and the first row link to."""
    text = (folder / "index.html").read_text()
    records = json.loads((ROOT / "reports/data/paper.json").read_text())["records"]
    rows = [
        re.findall(r'href="records/paper.html#r(\d+)-(\w+)">([\d.]+)</a>', row)
        for row in re.findall(r"<tr>.*?</tr>", text, re.DOTALL)
        if "records/paper.html" in row
    ]
    assert (len(rows), {len(row) for row in rows}) == (len(UNITS), {len(MEASURES)})
    for row in rows:
        for metrics, (place, metric, shown), (base, _, _) in zip(
            MEASURES.values(), row, rows[0], strict=True
        ):
            assert metric == metrics[-1]
            own, reference = (
                sum(records[int(each)]["metrics"][name]["value"] for name in metrics)
                for each in (place, base)
            )
            assert shown == f"{own / reference:.2f}"


#: Opens each page at 400 and 1,440 pixels, records what is wider than the screen and what was
#: requested from elsewhere; then sorts a table.
HARNESS = """<!doctype html><body><script>
const pages = PAGES, said = [], frame = document.createElement("iframe");
frame.style.cssText = "border:0;height:800px;width:400px";
document.body.append(frame);
function open(page) {
  return new Promise(done => {
    frame.onload = () => done(frame.contentDocument);
    frame.src = page;
  });
}
(async () => {
  let opened = 0;
  for (const page of pages) {
    for (const width of [400, 1440]) {
      frame.style.width = width + "px";
      const inside = await open(page);
      if (inside.documentElement.scrollWidth > width) said.push(page + " is wider than " + width);
      const broken = [...inside.images].filter(image => !image.naturalWidth);
      if (broken.length) said.push(page + " lacks " + broken.map(image => image.src));
      for (const entry of frame.contentWindow.performance.getEntriesByType("resource"))
        if (!entry.name.startsWith(location.origin)) said.push(page + " requests " + entry.name);
      opened++;
    }
  }
  const first = await open("index.html");
  frame.style.width = "400px";
  const end = [...first.querySelectorAll("table")].pop().getBoundingClientRect().bottom;
  if (end > 800) said.push("the first screen ends before the tables: " + end);
  const table = (await open("gates.html")).querySelector("table");
  const column = [...table.tHead.rows[0].cells].findIndex(cell => /gates/.test(cell.textContent));
  const values = () => [...table.tBodies[0].rows].map(
    row => Number(row.cells[column].textContent.replaceAll(",", "")));
  const sorted = order => values().every(
    (value, place, all) => !place || order * (value - all[place - 1]) >= 0);
  const button = table.tHead.rows[0].cells[column].querySelector("button");
  button.click();
  if (values().length < 10 || !sorted(1)) said.push("not sorted up");
  button.click();
  if (!sorted(-1)) said.push("not sorted down");
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = opened + " opened. " + said.join("; ");
  document.body.append(result);
})();
</script></body>
"""


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a folder; a page may only ask this server, and anything else is an error."""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", "default-src 'self' 'unsafe-inline' data:")
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(folder: Path) -> Iterator[str]:
    """Address of the report."""
    handler = functools.partial(Server, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_every_page_opens_in_a_browser(folder: Path, served: str, tmp_path: Path) -> None:
    """No console error, no request elsewhere, nothing wider than the screen, figures are there."""
    names = ["index.html", "formats.html", "records.html", "records/gates.html"]
    names += [f"{study.name}.html" for study in studies() if study.in_index]
    (folder / "harness.html").write_text(HARNESS.replace("PAGES", json.dumps(names)))
    try:
        document, log = visit(f"{served}/harness.html", tmp_path)
    finally:
        (folder / "harness.html").unlink()
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, document[-400:]
    assert found[1] == f"{2 * len(names)} opened. "
    assert "CONSOLE" not in log, log


@pytest.mark.parametrize("fault", ["missing()", "fetch('http://192.0.2.1/')"])
def test_a_wrong_page_is_noticed(folder: Path, served: str, tmp_path: Path, fault: str) -> None:
    (folder / "wrong.html").write_text(f"<!doctype html><script>{fault}</script>")
    try:
        _, log = visit(f"{served}/wrong.html", tmp_path)
    finally:
        (folder / "wrong.html").unlink()
    assert "CONSOLE" in log
