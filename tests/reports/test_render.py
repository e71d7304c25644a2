# SPDX-License-Identifier: Apache-2.0
"""Pages rendered from records: right cells, nothing outdated, no partial files."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from reports.registry import studies
from reports.render import main
from synth.record import Metric, Provenance, Record, write_records

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


def test_render_names_what_is_not_measured(root: Path) -> None:
    assert main([], root=root) == 0
    assert section(root, "gates") == "not measured yet (run `make study NAME=gates`)\n"
    assert (root / "README.md").read_text().startswith("# Title\n<!-- begin")


def test_render_shows_a_line_for_each_record(root: Path) -> None:
    """A condition that varies is a column; one that does not is named below the table."""
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


def test_check_finds_stale_page(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (root / "README.md").read_text()
    assert main(["--check"], root=root) == 1
    assert capsys.readouterr() == (
        "",
        "Out of date, run `make reports`: README.md\n",
    )
    assert ((root / "README.md").read_text(), (root / "reports").exists()) == (before, False)
    assert main([], root=root) == 0
    assert capsys.readouterr().out == "README.md\n"
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
    (root / "reports/data").mkdir(parents=True)
    shutil.copy(ROOT / "reports/data/wavefront.json", root / "reports/data")
    folder = root / "reports/figures"
    folder.write_text("mine")
    before = (root / "README.md").read_text()
    with pytest.raises(SystemExit, match=r"^2$"):
        main([], root=root)
    assert capsys.readouterr().err == (
        f"python -m reports.render: error: Output folder must be writable, not {str(folder)!r} "
        "(file exists)\n"
    )
    assert (folder.read_text(), (root / "README.md").read_text()) == ("mine", before)
