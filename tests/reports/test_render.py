# SPDX-License-Identifier: Apache-2.0
"""Pages rendered from records: right cells, nothing stale, nothing half written; in a browser,
offline, tables sort and numbers lead to records.
"""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from reports.registry import studies
from reports.render import main
from synth.record import Metric, Provenance, Record, write_records
from tests.support.pages import visit

ROOT = Path(__file__).resolve().parents[2]
SHOWN = [study for study in studies() if study.in_index]
NAMES = [study.name for study in SHOWN]
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
    """Root with a page of two sections and no records yet."""
    (tmp_path / "README.md").write_text(
        "# Title\n<!-- begin:gates -->\nold\n<!-- end:gates -->\nbetween\n"
        "<!-- begin:tests -->\n<!-- end:tests -->\nend\n"
    )
    return tmp_path


def section(root: Path, name: str) -> str:
    """Rendered text of a section."""
    text = (root / "README.md").read_text()
    return re.search(f"<!-- begin:{name} -->\n(.*?)<!-- end:{name} -->", text, re.DOTALL)[1]


def test_pages_of_this_project_are_up_to_date() -> None:
    assert main(["--check"]) == 0


def test_readme_and_docs_show_every_section() -> None:
    """One pair of marks for each section that belongs there, and one for the formats."""
    names = [
        name
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for name in re.findall(r"<!-- begin:(\w+) -->", page.read_text())
    ]
    own = {name for name in names if name.endswith("_brief")} | {"families"}
    assert sorted(set(names) - own) == sorted(
        ["formats", *(study.name for study in SHOWN if study.in_readme)]
    )
    assert len(names) == len(set(names))


def test_render_says_what_is_not_measured(root: Path) -> None:
    assert main([], root=root) == 0
    assert section(root, "gates") == "not measured yet (run `make study NAME=gates`)\n"
    assert (root / "README.md").read_text().startswith("# Title\n<!-- begin")
    assert "run <code>make study NAME=gates</code>" in (root / "reports/index.html").read_text()


def test_render_writes_records_as_csv(root: Path) -> None:
    write_records(root / "reports/data/gates.json", [gates("mac_a", 410, "default")])
    assert main([], root=root) == 0
    assert (root / "reports/csv/gates.csv").read_text() == (
        "subject,metric,value,unit,recipe,width,command,commit\n"
        "mac_a,two_input_gates,410,gate,default,8,make gates,0123456789abcdef\n"
    )


def test_render_links_numbers_to_their_record(root: Path) -> None:
    write_records(
        root / "reports/data/gates.json",
        [gates("mac_a", 410, "default"), gates("mac_b", 400, "keep")],
    )
    assert main([], root=root) == 0
    page = (root / "reports/index.html").read_text()
    assert '<td><a href="#gates-1">400</a></td>' in page
    record = re.search(r'<div id="gates-1">(.*?)</div>', page, re.DOTALL)[1]
    assert "two-input gates 400 gate" in record
    assert "<code>make gates</code>" in record


def test_render_shows_a_line_for_each_record(root: Path) -> None:
    """A condition that varies is a column, one that does not is said below."""
    write_records(
        root / "reports/data/gates.json",
        [gates("mac_a|b", 1497, "booth"), gates("mac_c", 3, "plain")],
    )
    assert main([], root=root) == 0
    assert section(root, "gates") == (
        "|  | recipe | two-input gates [gate] |\n"
        "|---|---|---|\n"
        "| mac_a\\|b | booth | 1,497 |\n"
        "| mac_c | plain | 3 |\n"
        "\n"
        "Measured by `make gates` on 2026-01-02. Commit 0123456789 with changes, pyosys 0.70, "
        "seed 7. Conditions: width 8. Not done: timing.\n"
    )


def test_render_shows_a_line_for_each_metric_of_one_record(root: Path) -> None:
    record = Record(
        subject="pytest",
        provenance=replace(ORIGIN, dirty=False, seed=None),
        metrics={
            "zeal": Metric(2.5),
            "runtime": Metric(12.34567, "s"),
            "passed": Metric(10, "test"),
            "all_well": Metric(True),
            "long": Metric(123456.7, "s"),
        },
    )
    write_records(root / "reports/data/tests.json", [record])
    assert main([], root=root) == 0
    assert section(root, "tests") == (
        "| pytest |  |\n"
        "|---|---|\n"
        "| passed | 10 test |\n"
        "| runtime | 12.35 s |\n"
        "| all well | yes |\n"
        "| long | 123,457 s |\n"
        "| zeal | 2.5 |\n"
        "\n"
        "Measured by `make gates` on 2026-01-02. Commit 0123456789, pyosys 0.70.\n"
    )


def test_render_marks_what_a_record_lacks(root: Path) -> None:
    other = Record(subject="x", metrics={"speed": Metric(1, "s")}, provenance=ORIGIN)
    third = Record(subject="y", metrics={"speed": Metric(2, "ms")}, provenance=ORIGIN)
    write_records(root / "reports/data/gates.json", [gates("mac", 5, "booth"), other, third])
    assert main([], root=root) == 0
    assert section(root, "gates").splitlines()[:5] == [
        "|  | recipe | width | two-input gates [gate] | speed |",
        "|---|---|---|---|---|",
        "| mac | booth | 8 | 5 | - |",
        "| x | - | - | - | 1 s |",
        "| y | - | - | - | 2 ms |",
    ]


def test_page_stands_alone_and_draws_bars(root: Path) -> None:
    """No network, names escaped, bars in proportion and told apart by what varies."""
    write_records(
        root / "reports/data/gates.json",
        [gates("<mac>", 400, "booth"), gates("<mac>", 100, "plain")],
    )
    assert main([], root=root) == 0
    page = (root / "reports/index.html").read_text()
    assert not re.search(r"https?:|src=|url\(|@import", page)
    assert "<mac>" not in page
    assert re.findall(r'<text x="0" [^>]*>(.*?)</text>', page) == [
        "&lt;mac&gt;, booth",
        "&lt;mac&gt;, plain",
    ]
    assert re.findall(r'<rect .*?width="(.*?)"', page) == ["360.0", "90.0"]


def test_check_finds_stale_page(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (root / "README.md").read_text()
    assert main(["--check"], root=root) == 1
    assert capsys.readouterr() == (
        "",
        "Out of date, run `make reports`: reports/index.html, README.md\n",
    )
    assert ((root / "README.md").read_text(), (root / "reports").exists()) == (before, False)
    assert main([], root=root) == 0
    assert capsys.readouterr().out == "reports/index.html\nREADME.md\n"
    assert main(["--check"], root=root) == 0
    write_records(root / "reports/data/gates.json", [gates("mac", 5, "booth")])
    assert main(["--check"], root=root) == 1


@pytest.mark.parametrize(
    ("readme", "message"),
    [
        (
            "<!-- begin:gate -->\n<!-- end:gate -->\n",
            f"README.md section must be one of formats, families, {', '.join(NAMES)}, not 'gate'",
        ),
        (
            "<!-- begin:gates -->\n<!-- end:tests -->\n",
            "README.md section must end with <!-- end:gates -->, not without",
        ),
    ],
)
def test_render_wrong_page(
    root: Path, capsys: pytest.CaptureFixture[str], readme: str, message: str
) -> None:
    (root / "README.md").write_text(readme)
    with pytest.raises(SystemExit, match=r"^2$"):
        main([], root=root)
    assert capsys.readouterr() == ("", f"python -m reports.render: error: {message}\n")
    assert [path.name for path in root.iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"records": [{"subject": "x"}]}', '{"records": 1}']
)
def test_render_wrong_record(root: Path, capsys: pytest.CaptureFixture[str], content: str) -> None:
    (root / "reports/data").mkdir(parents=True)
    (root / "reports/data/gates.json").write_text(content)
    with pytest.raises(SystemExit, match=r"^2$"):
        main([], root=root)
    assert capsys.readouterr() == (
        "",
        (
            "python -m reports.render: error: Records must be as synth.record writes them, "
            "not 'gates.json'\n"
        ),
    )


def test_render_into_a_folder_that_is_a_file(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "reports").write_text("mine")
    before = (root / "README.md").read_text()
    with pytest.raises(SystemExit, match=r"^2$"):
        main([], root=root)
    folder = root / "reports"
    assert capsys.readouterr().err == (
        f"python -m reports.render: error: Output folder must be writable, not {str(folder)!r} "
        "(file exists)\n"
    )
    assert (folder.read_text(), (root / "README.md").read_text()) == ("mine", before)


PAGE = ROOT / "reports" / "index.html"
#: What a reader does, and what comes of it; runs behind the page's own script.
VISIT = """
<script>
const said = [];
const table = document.querySelector("#gates table");
const column = [...table.tHead.rows[0].cells].findIndex(cell => /gates/.test(cell.textContent));
const values = () => [...table.tBodies[0].rows].map(
  row => Number(row.cells[column].textContent.replaceAll(",", "")));
const button = table.tHead.rows[0].cells[column].querySelector("button");
button.click();
said.push(values().join(" "));
button.click();
said.push(values().join(" "));
const link = table.tBodies[0].rows[0].querySelector("a");
const target = document.getElementById(link.hash.slice(1));
said.push(target.closest("details").open);
location.hash = link.hash;
setTimeout(() => {
  said.push(target.closest("details").open, target.textContent.includes("Measured by"));
  said.push(performance.getEntriesByType("resource").length);
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = said.join("|");
  document.body.append(result);
}, 500);
</script>
"""


def test_page_sorts_links_and_stays_offline(tmp_path):
    page = tmp_path / "index.html"
    page.write_text(PAGE.read_text().replace("</body>", VISIT + "</body>"))
    document, log = visit(page, tmp_path)
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, document[-400:]
    up, down, folded, opened, measured, requests = found[1].split("|")
    rising = [float(value) for value in up.split()]
    assert len(rising) >= 10
    assert rising == sorted(rising)
    assert [float(value) for value in down.split()] == rising[::-1]
    assert (folded, opened, measured, requests) == ("false", "true", "true", "0")
    assert "CONSOLE" not in log, log


def test_a_wrong_page_is_noticed(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<!doctype html><script>missing()</script>")
    _, log = visit(page, tmp_path)
    assert "CONSOLE" in log


def test_page_names_no_other_host():
    text = PAGE.read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)  # What begins with # is in the page itself.
