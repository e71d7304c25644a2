# SPDX-License-Identifier: Apache-2.0
"""README and docs: every command works and prints what is shown, every link leads somewhere."""

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from bytemac.verbs import VERBS
from reports.registry import find
from tests.support.documents import (
    CHECKED_ONLY,
    PAGES,
    ROOT,
    Step,
    agrees,
    arguments,
    checked_only,
    run,
    steps,
)

#: Commands that take more than some seconds, by their beginning.
SLOW = ("bytemac advise", "bytemac run --backend rtl", "bytemac synth", "bytemac sweep")
#: Limits of the README.
LINES, COLUMNS, WORDS = 130, 6, 60


def is_slow(command: str) -> bool:
    """Whether a command takes more than some seconds."""
    return command.startswith(SLOW)


def compare(page: Path, folder: Path, *, slow: bool) -> None:
    """Run the commands of a page, quick or slow ones, and compare what they print."""

    def chosen(step: Step) -> bool:
        # Python that prints nothing prepares what follows, be it quick or slow.
        prepares = step.kind == "python" and step.shown is None
        return not checked_only(step.text) and (prepares or is_slow(step.text) == slow)

    outcome = run(page.read_text(), folder, chosen=chosen)
    wrong = [
        f"{step.text}\nprinted\n{got}\nnot\n{step.shown}"
        for step, got in outcome
        if step.shown is not None and not agrees(step.shown, got)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    compare(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_slow_commands_print_what_is_shown(page: Path, tmp_path: Path) -> None:
    compare(page, tmp_path, slow=True)


@cache
def help_of(verb: str) -> str:
    """Help of a verb."""
    done = subprocess.run(
        [*arguments(f"bytemac {verb}"), "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def test_commands_that_are_not_run_exist() -> None:
    """Targets are those of the Makefile, verbs and options those of the help."""
    makefile = (ROOT / "Makefile").read_text()
    commands = {
        step.text
        for page in PAGES
        for step in steps(page.read_text())
        if step.kind == "shell" and checked_only(step.text)
    }
    assert len(commands) > 8
    for command in commands:
        words = shlex.split(command)
        if words[0] == "make":
            assert re.search(rf"^{words[1]}:.*##", makefile, re.MULTILINE), command
        elif words[0] == "bytemac":
            shown = help_of(words[1])
            if words[1] == "study":
                assert find(words[2]), command
            for option in (word for word in words[2:] if word.startswith("-")):
                assert re.search(rf"{option}\b", shown), command
        elif words[0] == "dask":
            done = subprocess.run(
                [sys.executable, "-m", *words[:2], "--help"],
                capture_output=True,
                text=True,
                check=True,
            )
            for option in (word for word in words[2:] if word.startswith("-")):
                assert re.search(rf"{option}\b", done.stdout), command
        elif words[0] == ".":
            assert f"VENV := {words[1].split('/')[0]}" in makefile


def test_every_reason_is_needed() -> None:
    """Every entry of the lists matches a command."""
    commands = [step.text for page in PAGES for step in steps(page.read_text())]
    for beginning in (*CHECKED_ONLY, *SLOW):
        assert any(command.startswith(beginning) for command in commands), beginning


def test_every_verb_is_shown() -> None:
    """README or docs have a command with each verb."""
    shown = {
        step.text.split()[1]
        for page in PAGES
        for step in steps(page.read_text())
        if step.text.startswith("bytemac ")
    }
    assert VERBS.keys() - shown == set()


def test_comparison_finds_what_differs() -> None:
    """Dots match anything; all other text must be equal."""
    assert agrees("a ... c\n...\nlast\n", "a b c\nx\ny\nlast\n")
    assert agrees("...\n", "x\n")
    assert not agrees("a ... c\n", "a b d\n")
    assert not agrees("a\n", "a\nb\n")
    assert not agrees("a\nb\n", "a\n")


def test_links_lead_somewhere() -> None:
    """Linked files exist, and so does the heading after a #."""
    seen = 0
    for page in PAGES:
        text = page.read_text()
        for link in re.findall(r"\]\(([^)]+)\)", text):
            if link.startswith("https://"):
                continue
            name, _, heading = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), f"{page.name}: {link}"
            if heading:
                headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
                assert heading in anchors, f"{page.name}: {link}"
            seen += 1
    assert seen > 20


def test_readme_is_short() -> None:
    """Lines, columns of a table, words of a paragraph."""
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= LINES
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert max(row.replace("\\|", "").count("|") - 1 for row in rows) <= COLUMNS
    prose = re.sub(r"^```.*?^```|^\|.*?$|^!\[.*?$", "", text, flags=re.MULTILINE | re.DOTALL)
    for paragraph in re.split(r"\n\s*\n|\n(?=- )", prose):
        assert len(paragraph.split()) <= WORDS, paragraph


def test_python_is_this_one() -> None:
    """Commands are run by the Python of the tests."""
    assert arguments("bytemac generate --list") == [
        sys.executable, "-m", "bytemac", "generate", "--list"
    ]  # fmt: skip
    assert arguments("python -m sim.run")[0] == sys.executable
