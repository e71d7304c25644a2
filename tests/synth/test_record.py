# SPDX-License-Identifier: Apache-2.0
"""Records: written and read back unchanged; records with wrong fields are refused."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hw.spec import SpecError, folders
from synth.record import Metric, Provenance, Record, provenance, read_records, write_records

ORIGIN = Provenance(
    command="make gates",
    commit="0" * 40,
    dirty=False,
    date="2026-01-02T03:04:05+00:00",
    tools={"pyosys": "0.70"},
    library={"name": "cells", "sha256": "ab"},
    seed=7,
)
RECORD = Record(
    subject="mac_int8",
    metrics={
        "gates": Metric(497, "gate"),
        "time": Metric(0.1, "s"),
        "equal": Metric(True),
        "top": Metric("mac"),
    },
    conditions={"recipe": "booth", "sizes": [1, 2]},
    provenance=ORIGIN,
    not_done=("timing",),
)


def test_record_survives_its_file(tmp_path: Path) -> None:
    bare = replace(
        RECORD, conditions={}, not_done=(), provenance=replace(ORIGIN, library=None, seed=None)
    )
    path = write_records(tmp_path / "new" / "gates.json", [RECORD, bare])
    assert read_records(path) == [RECORD, bare]
    assert [entry.name for entry in path.parent.iterdir()] == ["gates.json"]


def test_record_file_is_stable(tmp_path: Path) -> None:
    path = write_records(tmp_path / "a.json", [RECORD])
    content = path.read_text()
    data = json.loads(content)
    assert content == json.dumps(data, indent=2, sort_keys=True) + "\n"
    assert data["records"][0]["metrics"]["gates"] == {"value": 497, "unit": "gate"}
    turned = replace(RECORD, metrics=dict(reversed(RECORD.metrics.items())))
    assert write_records(tmp_path / "b.json", [turned]).read_text() == content


def test_record_accepts_plain_pairs() -> None:
    assert replace(RECORD, metrics={"gates": (1, "gate")}).metrics == {"gates": Metric(1, "gate")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"subject": ""}, "Record subject must be a non-empty string, not ''"),
        ({"metrics": {}}, "Record metrics must be at least one, not {}"),
        (
            {"metrics": {1: (1, "")}},
            "Record metrics must be a mapping from names, not {1: (1, '')}",
        ),
        ({"metrics": {"x": 3}}, "Metric x must be (value, unit), not 3"),
        (
            {"metrics": {"x": ([], "")}},
            "Metric x value must be a finite number, a string or a bool, not []",
        ),
        (
            {"metrics": {"x": (float("nan"), "")}},
            "Metric x value must be a finite number, a string or a bool, not nan",
        ),
        ({"metrics": {"x": (1, 2)}}, "Metric x unit must be a string, not 2"),
        ({"conditions": 5}, "Record conditions must be a mapping from names, not 5"),
        ({"provenance": "me"}, "Record provenance must be a Provenance, not 'me'"),
        ({"not_done": "timing"}, "Record not_done must be a list of phrases, not 'timing'"),
    ],
)
def test_record_wrong(change: dict, message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        replace(RECORD, **change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"command": ""}, "Provenance command must be a non-empty string, not ''"),
        ({"dirty": 1}, "Provenance dirty must be a bool, not 1"),
        ({"tools": {"x": 1}}, "Provenance tools must be versions by name, not {'x': 1}"),
        ({"library": 1}, "Provenance library must be a mapping from names, not 1"),
        ({"seed": True}, "Provenance seed must be an integer or None, not True"),
    ],
)
def test_provenance_wrong(change: dict, message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        replace(ORIGIN, **change)


def test_provenance_knows_commit_and_versions() -> None:
    found = provenance("make gates", tools=("pyosys",), seed=3)
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", found.commit)
    assert found.tools.keys() == {"python", "pyosys"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", found.date)
    assert provenance("x", tools={"ghdl": "5"}).tools["ghdl"] == "5"


def test_provenance_sees_changed_sources_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A changed record does not make a tree dirty, a changed or a new source does."""

    def git(*arguments: str) -> None:
        subprocess.run(
            [
                "git",
                "-C",
                tmp_path,
                "-c",
                "user.name=x",
                "-c",
                "user.email=x@x.example",
                *arguments,
            ],
            check=True,
            capture_output=True,
        )

    monkeypatch.setattr(folders, "ROOT", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    assert (provenance("x").commit, provenance("x").dirty) == ("unknown", False)
    for folder in ("hw", "reports"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a").write_text("1")
    git("init")
    git("add", ".")
    git("commit", "-m", "x")
    assert re.fullmatch("[0-9a-f]{40}", provenance("x").commit)
    (tmp_path / "reports/a").write_text("2")
    assert not provenance("x").dirty
    (tmp_path / "hw/b").write_text("1")
    assert provenance("x").dirty


@pytest.mark.parametrize("change", ["{", "[]", '{"records": {}}', '{"records": [], "x": 1}'])
def test_read_records_wrong(tmp_path: Path, change: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(change)
    message = (
        f"Records file {str(path)!r} cannot be read as JSON"
        if change == "{"
        else f'Records must be {{"records": [...]}}, not {str(path)!r}'
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        read_records(path)


def test_read_records_wrong_fields(tmp_path: Path) -> None:
    path = write_records(tmp_path / "x.json", [RECORD])
    data = json.loads(path.read_text())
    del data["records"][0]["provenance"]["seed"]
    path.write_text(json.dumps(data))
    message = (
        "Provenance fields must be command, commit, date, dirty, library, seed, tools, "
        "not ['command', 'commit', 'date', 'dirty', 'library', 'tools']"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        read_records(path)


def test_write_records_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    target.mkdir()
    message = f"Output file {str(target)!r} cannot be written: is a directory"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        write_records(target, [RECORD])
    assert list(tmp_path.iterdir()) == [target]
