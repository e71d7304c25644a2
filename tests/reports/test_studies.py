# SPDX-License-Identifier: Apache-2.0
"""Every study: it loads, has options with help, and its page renders from its records."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from hw.spec import folders
from hw.spec.folders import ROOT
from reports import registry, study
from reports.registry import FOLDER, Measure, Page, Study, find, studies
from reports.render import answer, environment, page_text
from synth.record import Metric, Provenance, Record, read_records

STUDIES = studies()
DATA = ROOT / "reports" / "data"
RECORD = Record(
    subject="x",
    metrics={"speed": Metric(1)},
    provenance=Provenance(command="x", commit="x", dirty=False, date="2026-01-02", tools={}),
)

each_study = pytest.mark.parametrize("each", STUDIES, ids=lambda each: each.name)


def test_every_folder_is_a_study() -> None:
    folders = {path.name for path in FOLDER.iterdir() if path.is_dir() and path.name[0] != "_"}
    assert {each.folder for each in STUDIES} == folders
    names = [each.name for each in STUDIES]
    assert len(set(names)) == len(names)
    assert [find(name) for name in names] == list(STUDIES)
    assert {find(folder).folder for folder in folders} == folders
    assert find("no such study") is None


@each_study
def test_study_is_complete(each: Study) -> None:
    """A title; a page with all that it needs; something that measures it, or a command."""
    assert each.title
    page, measure = each.load_page(), each.load_measure()
    assert isinstance(page, Page)
    assert isinstance(measure, Measure | None)
    assert (
        measure is not None
        or not each.command.startswith("make study")
        or any(find(source) and find(source).measure for source in each.sources)
    )
    folder = FOLDER / each.folder
    assert page.values is None or (folder / "page.md.j2").exists()
    assert all((folder / f"{figure.name}.svg.j2").exists() for figure in page.figures)


@each_study
def test_page_is_rendered_from_the_records(each: Study) -> None:
    """Every study of this project has records, and a page about them."""
    records = {path.stem: json.loads(path.read_text())["records"] for path in DATA.glob("*.json")}
    assert any(records.get(source) for source in each.sources)
    for source in each.sources:
        if source in records:
            read_records(DATA / f"{source}.json")
    page = each.load_page()
    if page.values:
        said = answer(environment(), each, records)
        assert said.endswith(".")
        text = page_text(environment(), each, records)
        assert said in text
        assert text.startswith("# ")


@each_study
def test_help_lists_the_options_of_a_study(each: Study, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        study.main([each.name, "--help"])
    assert each.title in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "each", [each for each in STUDIES if each.load_measure()], ids=lambda each: each.name
)
def test_study_wrong(each: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option or a folder in the place of a file: one line, at once, nothing written."""
    for arguments, message in (
        (["--no-such-option"], "unrecognized arguments: --no-such-option"),
        (
            ["--out", str(tmp_path)],
            f"Output file {str(tmp_path)!r} cannot be written: is a directory",
        ),
    ):
        with pytest.raises(SystemExit, match=r"^2$"):
            study.main([each.name, *arguments])
        assert capsys.readouterr() == (
            "",
            f"python -m reports.study {each.name}: error: {message}\n",
        )
    assert not list(tmp_path.iterdir())


def test_names_need_no_tool() -> None:
    """The list of studies imports neither numpy nor Amaranth, nor does a page."""
    code = (
        "import sys\nfrom reports.registry import studies\nstudies()\n"
        "assert not {'numpy', 'amaranth', 'numba', 'matplotlib'} & set(sys.modules)\n"
        "[study.load_page() for study in studies()]\n"
        "assert not {'amaranth', 'numba', 'sim', 'pyosys'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def planted(monkeypatch: pytest.MonkeyPatch, **settings: object) -> None:
    """A study of this name whose measurement returns one record."""
    measure = Measure(run=lambda options: [RECORD], **settings)  # type: ignore[arg-type]
    monkeypatch.setattr(Study, "load_measure", lambda self: measure)


@pytest.mark.parametrize(
    ("options", "status", "printed", "error"),
    [
        ({}, 0, "{out}\n", ""),
        ({"show": lambda records: records[0].subject}, 0, "x\n", ""),
        (
            {"faults": lambda records: "two differ"},
            1,
            "{out}\n",
            "python -m reports.study: error: two differ\n",
        ),
    ],
)
def test_records_are_written(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, object],
    status: int,
    printed: str,
    error: str,
) -> None:
    """Records of a fault too; records in another folder are not rendered."""
    planted(monkeypatch, **options)
    out = tmp_path / "new" / "x.json"
    assert study.main(["gates", "--out", str(out)]) == status
    assert capsys.readouterr() == (printed.format(out=out), error)
    assert read_records(out) == [RECORD]
    study.main(["gates", "--out", str(out), "--json"])
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())


def test_records_in_their_place_are_rendered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    planted(monkeypatch)
    monkeypatch.setattr(folders, "RECORDS", tmp_path)
    monkeypatch.setattr(study, "render", lambda: print("rendered"))
    assert study.main(["gates"]) == 0
    assert capsys.readouterr() == (f"{tmp_path / 'gates.json'}\n", "rendered\n")


def test_study_without_a_measure_measures_its_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The explanation has the records of the paper, of sweeps, and of gates."""
    load = Study.load_measure
    monkeypatch.setattr(
        Study, "load_measure", lambda self: load(self) and Measure(run=lambda options: [RECORD])
    )
    monkeypatch.setattr(folders, "RECORDS", tmp_path)
    monkeypatch.setattr(study, "render", lambda: None)
    assert study.main(["explanation"]) == 0
    assert {path.stem for path in tmp_path.iterdir()} == set(find("explanation").sources)
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^2$"):
        study.main(["tests"])
    assert capsys.readouterr().err == (
        "python -m reports.study tests: error: Study tests is measured by `make test-full`: run "
        "that instead\n"
    )


def test_tool_that_fails_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(options: object) -> list[Record]:
        raise ZeroDivisionError("it broke")

    measure = Measure(run=run, tool_errors=(ZeroDivisionError,))
    monkeypatch.setattr(Study, "load_measure", lambda self: measure)
    assert study.main(["gates", "--out", str(tmp_path / "x.json")]) == 1
    assert capsys.readouterr() == ("", "python -m reports.study gates: error: it broke\n")
    assert not list(tmp_path.iterdir())


def test_list_names_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert study.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        each.name for each in registry.studies()
    ]
    for arguments, name in (([], None), (["nothing"], "nothing")):
        with pytest.raises(SystemExit, match=r"^2$"):
            study.main(arguments)
        names = ", ".join(each.name for each in STUDIES)
        assert capsys.readouterr() == (
            "",
            f"python -m reports.study: error: Study must be one of {names}, not {name!r}\n",
        )
