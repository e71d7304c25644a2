# SPDX-License-Identifier: Apache-2.0
"""The machinery behind `make mutation`, on its quickest faults; the rest run there."""

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from synth.record import read_records
from tests.mutation import FAULTS
from tests.mutation import __main__ as mutants
from tests.mutation.planting import PARTS, ROOT, Outcome, PlantingError, copy_tree, plant, run_fault
from tests.mutation.trial import Trial
from tests.mutation.units import UNITS

BY_NAME = {(fault.file, fault.name): fault for fault in FAULTS}
SHORT = "hw/spec/schedules.py", "short tiles follow each other at once"
#: One of each kind that takes seconds.
QUICK = [SHORT,
         ("sim/integers.py", "ties go up"),
         ("hw/array/os/sequencer.py", "A is taken without B"),
         ("3x5:e2m1", "two rows get the same codes of A")]


@pytest.fixture
def tree(tmp_path):
    copy_tree(tmp_path)
    return tmp_path


def sources(tree):
    """Every source file of a tree by its place in it."""
    files = [file for part in PARTS for file in (tree / part, *(tree / part).rglob("*.py"))]
    return {file.relative_to(tree): file.read_text() for file in files if file.is_file()}


def test_faults_are_many_and_distinct():
    assert len(FAULTS) >= 30
    assert len(BY_NAME) == len(FAULTS)
    assert {fault.room for fault in FAULTS} == {
        "RTL", "Verilog", "protocol", "model", "specification"}


def test_each_fault_changes_one_file_of_the_copy(tree):
    sound = sources(tree)
    for fault in FAULTS:
        plant(fault, tree)
        planted = sources(tree)
        changed = [file for file, text in planted.items() if text != sound[file]]
        assert len(changed) == 1, f"{fault.name}: {changed}"
        (tree / changed[0]).write_text(sound[changed[0]])


@pytest.mark.parametrize(("file", "name"), QUICK)
def test_fault_is_caught(file, name):
    fault = BY_NAME[file, name]
    before = sources(ROOT)
    assert run_fault(fault).failed.startswith(fault.tests)
    assert sources(ROOT) == before


def test_fault_without_effect_survives():
    fault = BY_NAME[SHORT]
    assert run_fault(replace(fault, new="max(self._spec.rows, self._spec.beats(k))")).failed == ""


@pytest.mark.parametrize(("old", "count"), [("return", 10), ("no such text", 0)])
def test_fault_wrong(old, count, tree):
    fault = replace(BY_NAME[SHORT], old=old)
    text = (tree / fault.file).read_text()
    message = (f"Fault {fault.name!r} must change text that occurs once in hw/spec/schedules.py, "
               f"not {text.count(old)} times")
    assert (text.count(old) > 1) == (count > 1)
    with pytest.raises(PlantingError, match=f"^{re.escape(message)}$"):
        plant(fault, tree)


def test_fault_whose_tests_do_not_exist_is_no_catch():
    fault = replace(BY_NAME["sim/integers.py", "ties go up"], tests=("tests/test_absent.py",))
    with pytest.raises(PlantingError, match=r"^sim/integers.py, ties go up: Tests must pass or "
                                            r"fail, not end with status 4: "):
        run_fault(fault)


@pytest.fixture
def planted(monkeypatch):
    """Hand-made faults are caught but the first; of each unit's a first one is, one is shown."""
    survivor = FAULTS[0]
    monkeypatch.setattr(mutants, "run_tests", lambda tests, source: Outcome("", 1.0))
    monkeypatch.setattr(mutants, "run_fault", lambda fault, source: Outcome(
        "" if fault == survivor else fault.tests[0], 1.0))
    monkeypatch.setattr(mutants, "try_named", lambda name: [
        Trial("inv x", "seen"), Trial("inv y", "", "proven")])
    monkeypatch.setattr(mutants, "ProcessPoolExecutor",
                        lambda *_, **__: ThreadPoolExecutor(1))
    return survivor


def test_main_records_each_room_and_fails_for_a_survivor(planted, tmp_path, capsys):
    assert mutants.main(["--out", str(tmp_path / "mutants.json")]) == 1
    rooms = Counter(fault.room for fault in FAULTS)
    units = Counter(unit.room for unit in UNITS)
    found = {record.subject: {name: metric.value for name, metric in record.metrics.items()}
             for record in read_records(tmp_path / "mutants.json")}
    total = found.pop("all")
    assert total.pop("runtime") >= 0
    assert total == {"planted": len(FAULTS) + 2 * len(UNITS),
                     "caught": len(FAULTS) - 1 + len(UNITS), "equivalent": len(UNITS)}
    hand = {room: {"planted": count, "caught": count - (room == planted.room), "equivalent": 0}
            for room, count in rooms.items()}
    assert found == hand | {room: {"planted": 2 * count, "caught": count, "equivalent": count}
                            for room, count in units.items()}
    survivors = {record.subject: record.conditions.get("survivors") for record in
                 read_records(tmp_path / "mutants.json")}
    assert survivors[planted.room] == {f"{planted.file}: {planted.name}": "not caught"}
    assert survivors[UNITS[0].room][f"{UNITS[0].name}: inv y"] == "proven"
    said = (f"{total['planted']} planted, {total['caught']} caught, {len(UNITS)} change nothing, "
            "1 survived")
    assert said in capsys.readouterr().out


def test_main_succeeds_if_all_is_caught_or_shown(planted, tmp_path, capsys):
    out = tmp_path / "mutants.json"
    assert mutants.main(["--only", UNITS[0].room, "--out", str(out)]) == 0
    assert not out.exists()
    assert "0 survived" in capsys.readouterr().out


def test_main_wrong(capsys):
    with pytest.raises(SystemExit) as stopped:
        mutants.main(["--only", "nothing is called so"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "python -m tests.mutation: error: --only must be part of a fault's name, file, unit or "
        "room, not 'nothing is called so'")
