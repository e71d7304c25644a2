# SPDX-License-Identifier: Apache-2.0
"""The code of `make mutation`, on its fastest mutants; `make mutation` runs the rest."""

import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from synth.record import read_records
from tests.mutation import MUTANTS
from tests.mutation import __main__ as command
from tests.mutation.copies import PARTS, ROOT, Outcome, apply, copy_tree, run_mutant
from tests.mutation.mutant import Mutant, MutantError, Remove, Replace
from tests.mutation.units import UNITS, Trial

BY_NAME = {(mutant.place, mutant.name): mutant for mutant in MUTANTS}
SHORT = next(mutant for mutant in MUTANTS if mutant.name == "short tiles follow each other at once")
#: One of each kind that takes seconds.
QUICK = [
    SHORT.name,
    "a third is rounded as if it were exact",
    "A is taken without B",
    "two rows get the same codes of A",
]


@pytest.fixture
def tree(tmp_path):
    copy_tree(tmp_path)
    return tmp_path


def sources(tree):
    """Every source file of a tree by its place in it."""
    files = [file for part in PARTS for file in (tree / part, *(tree / part).rglob("*.py"))]
    return {file.relative_to(tree): file.read_text() for file in files if file.is_file()}


def test_mutants_are_many_and_distinct():
    assert len(MUTANTS) >= 170
    assert len(BY_NAME) == len(MUTANTS)
    assert {mutant.room for mutant in MUTANTS} == {
        "RTL",
        "Verilog",
        "protocol",
        "model",
        "specification",
    }


def test_every_mutant_applies():
    """Every function exists, and contains the pattern of its mutant exactly once."""
    wrong = []
    for mutant in MUTANTS:
        if isinstance(mutant, Mutant):
            try:
                source = mutant.file(ROOT).read_text()
                compile(mutant.mutated(source), mutant.module, "exec")
            except (MutantError, OSError) as error:
                wrong.append(str(error))
    assert not wrong, "\n".join(["Update the tables of tests/mutation/mutants_*.py:", *wrong])


def test_every_test_of_a_mutant_exists():
    tests = sorted({test for mutant in MUTANTS for test in mutant.tests})
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            "-p",
            "no:xdist",
            "-p",
            "no:cacheprovider",
            *tests,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, "\n".join(
        line for line in done.stderr.splitlines() if line.startswith("ERROR")
    )


def test_each_mutant_changes_one_file_of_the_copy(tree):
    sound = sources(tree)
    for mutant in (*MUTANTS[::20], *(one for one in MUTANTS if one.room == "Verilog")):
        path = apply(mutant, tree)
        mutated = sources(tree)
        changed = [file for file, text in mutated.items() if text != sound[file]]
        assert changed == [path.relative_to(tree)], mutant.name
        path.write_text(sound[changed[0]])


@pytest.mark.parametrize("name", QUICK)
def test_mutant_is_killed(name):
    (mutant,) = (one for one in MUTANTS if one.name == name)
    before = sources(ROOT)
    assert run_mutant(mutant).failed.startswith(mutant.tests)
    assert sources(ROOT) == before


def test_equivalent_mutant_survives():
    same = Replace("max(_1, _2)", "max(_2, _1)")
    assert run_mutant(replace(SHORT, operation=same)).failed == ""


SOURCE = """# A file.
class C:
    @property
    def f(self, x):
        \"""Keeps a docstring.\"""
        y = a.b & x & ~x  # and loses comments
        if x or y:
            return [x, y, f"{x - 1}"]
        return f(x, y, k=3)

LIMIT = 3
"""


@pytest.mark.parametrize(
    ("function", "operation", "old", "new"),
    [
        ("C.f", Remove("~x"), "a.b & x & ~x", "a.b & x"),
        ("C.f", Remove("a.b"), "a.b & x & ~x", "x & ~x"),
        ("C.f", Replace("x or y", "y"), "x or y", "y"),
        ("C.f", Replace("_1 or _2", "_2 and _1"), "x or y", "y and x"),
        ("C.f", Replace("_ & _1 & ~_1", "~_1"), "a.b & x & ~x", "~x"),
        ("C.f", Replace("x - 1", "x - 2"), "{x - 1}", "{x - 2}"),
        ("C.f", Replace("f(_1, _2, k=3)", "f(_2, _1)"), "f(x, y, k=3)", "f(y, x)"),
        ("C.f", Remove("y = _"), "y = a.b & x & ~x", "pass"),
        (
            "C.f",
            Replace("y = _1", "if x: y = _1"),
            "y = a.b & x & ~x",
            "if x:\n            y = a.b & x & ~x",
        ),
        ("LIMIT", Replace("3", "4"), "LIMIT = 3", "LIMIT = 4"),
    ],
)
def test_operation_changes_one_place_of_one_function(function, operation, old, new):
    mutated = replace(SHORT, function=function, operation=operation).mutated(SOURCE)
    # Rewritten code loses its comments and its style of quotes.
    sound = (
        SOURCE
        if function == "LIMIT"
        else SOURCE.replace("  # and loses comments", "").replace('f"{x - 1}"', "f'{x - 1}'")
    )
    assert sound.count(old) == 1
    assert mutated == sound.replace(old, new)


@pytest.mark.parametrize(
    ("changes", "must"),
    [
        ({"operation": Replace("no.such", "x")}, "match once in {0.place}, not 0 times: no.such"),
        ({"operation": Replace("self", "x")}, "match once in {0.place}, not 2 times: self"),
        ({"operation": Replace("max", "max")}, "match once in {0.place}, not 1 times: max"),
        ({"function": "C.f"}, "name a function of {0.module}, not 'C.f'"),
        ({"module": "hw.absent"}, "name a module, not 'hw.absent'"),
    ],
)
def test_mutant_wrong(changes, must, tree):
    message = f"Mutant {SHORT.name!r} must {must.format(SHORT)}"
    with pytest.raises(MutantError, match=f"^{re.escape(message)}$"):
        apply(replace(SHORT, **changes), tree)


def test_mutant_whose_tests_do_not_exist_is_not_killed():
    mutant = replace(SHORT, tests=("tests/test_absent.py",))
    with pytest.raises(
        MutantError,
        match=f"^{re.escape(SHORT.place)}, {SHORT.name}: Tests must "
        "pass or fail, not end with status 4: ",
    ):
        run_mutant(mutant)


@pytest.fixture
def survivor(monkeypatch):
    """Hand-made mutants are killed but the first; of each unit's a first one is, one is shown."""
    survivor = MUTANTS[0]
    monkeypatch.setattr(command, "run_tests", lambda tests, source: Outcome("", 1.0))
    monkeypatch.setattr(
        command,
        "run_mutant",
        lambda mutant, source: Outcome("" if mutant == survivor else mutant.tests[0], 1.0),
    )
    monkeypatch.setattr(
        command, "try_named", lambda name: [Trial("inv x", "seen"), Trial("inv y", "", "proven")]
    )
    monkeypatch.setattr(command, "ProcessPoolExecutor", lambda *_, **__: ThreadPoolExecutor(1))
    return survivor


def test_main_records_each_room_and_fails_for_a_survivor(survivor, tmp_path, capsys):
    assert command.main(["--out", str(tmp_path / "mutants.json")]) == 1
    rooms = Counter(mutant.room for mutant in MUTANTS)
    units = Counter(unit.room for unit in UNITS)
    found = {
        record.subject: {name: metric.value for name, metric in record.metrics.items()}
        for record in read_records(tmp_path / "mutants.json")
    }
    total = found.pop("all")
    assert total.pop("runtime") >= 0
    assert total == {
        "planted": len(MUTANTS) + 2 * len(UNITS),
        "caught": len(MUTANTS) - 1 + len(UNITS),
        "equivalent": len(UNITS),
    }
    hand = {
        room: {"planted": count, "caught": count - (room == survivor.room), "equivalent": 0}
        for room, count in rooms.items()
    }
    assert found == hand | {
        room: {"planted": 2 * count, "caught": count, "equivalent": count}
        for room, count in units.items()
    }
    survivors = {
        record.subject: record.conditions.get("survivors")
        for record in read_records(tmp_path / "mutants.json")
    }
    assert survivors[survivor.room] == {f"{survivor.place}: {survivor.name}": "not caught"}
    assert survivors[UNITS[0].room][f"{UNITS[0].name}: inv y"] == "proven"
    said = (
        f"{total['planted']} mutants, {total['caught']} killed, {len(UNITS)} equivalent, 1 survived"
    )
    assert said in capsys.readouterr().out


def test_main_succeeds_if_all_are_killed_or_equivalent(survivor, tmp_path, capsys):
    out = tmp_path / "mutants.json"
    assert command.main(["--only", UNITS[0].room, "--out", str(out)]) == 0
    assert not out.exists()
    assert "0 survived" in capsys.readouterr().out


def test_main_wrong(capsys):
    with pytest.raises(SystemExit) as stopped:
        command.main(["--only", "nothing is called so"])
    assert stopped.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == (
        "python -m tests.mutation: error: --only must be part of a mutant's name, function, unit "
        "or room, not 'nothing is called so'"
    )
