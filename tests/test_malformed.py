# SPDX-License-Identifier: Apache-2.0
"""Every command on inputs that it must refuse: one line, status 2, nothing written."""

import re
from collections import Counter
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.malformed import cases, files

CASES = cases()
COMMANDS = {
    *("hw.spec", "hw.generate", "hw.flash", "hw.virtual_board", "hw.selftest", "hw.doctor"),
    *("sim.run", "sim.view", "sim.network", "synth.run", "synth.sweep", "synth.fpga"),
    *("synth.flow.cost", "reports.study", "reports.render", "reports.advise"),
}


def names(folder: Path) -> set[str]:
    """Everything in ``folder`` and below it."""
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("malformed")
    files(place)
    return place


def refused(command: str, words: list[str], pattern: str, folder: Path, capsys) -> None:
    """Run a command; it must end with one line that matches, status 2 and no file."""
    before = names(folder)
    package = command in ("hw.spec", "sim.run", "sim.network", "synth.fpga", "reports.advise")
    module = import_module(f"{command}.__main__" if package else command)
    with pytest.raises(SystemExit) as end:
        module.main(words)
    shown = capsys.readouterr()
    assert (end.value.code, shown.out) == (2, "")
    (line,) = shown.err.splitlines()
    assert line.startswith(f"python -m {command}")
    assert ": error: " in line
    assert re.search(pattern, line.partition(": error: ")[2]), line
    assert len(line) < 1000
    assert names(folder) == before


@pytest.mark.parametrize(
    ("command", "words", "pattern"),
    CASES,
    ids=[f"{command}-{number}" for number, (command, _, _) in enumerate(CASES)],
)
def test_malformed_input_is_refused(command, words, pattern, folder, capsys, monkeypatch) -> None:
    monkeypatch.chdir(folder)
    refused(command, words, pattern, folder, capsys)


def test_every_command_has_cases() -> None:
    counted = Counter(command for command, _, _ in CASES)
    assert counted.keys() == COMMANDS
    assert counted.total() >= 100
