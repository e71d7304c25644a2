# SPDX-License-Identifier: Apache-2.0
"""Commands and examples of README.md and ``docs/*.md``, run as a reader would.

A block of ``console`` has commands behind ``$`` and what they print; a line of dots stands for any
lines, dots within a line for any text. A block of ``sh`` has commands alone. What a block of
``python`` prints stands in the block of ``text`` behind it. Any other block whose first line is a
comment with the name of a file is that file. A command in backticks counts, too.

``python -m tests.support.documents`` updates output in the pages that has changed.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.network_models import data, small_network

ROOT = Path(__file__).resolve().parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`((?:bytemac|python -m|make) [^`\n]+)`")
_RENDERED = re.compile(r"<!-- begin:(\w+) -->.*?<!-- end:\1 -->", re.DOTALL)
_NAMED = re.compile(r"(?:#|//) (\w+\.\w+)\n")
#: Seconds after which a command times out.
LIMIT = 300


@dataclass(frozen=True, slots=True)
class Step:
    """Something a page asks for: a command, an example in Python, or a file to be written.

    ``shown`` is what is printed, None if the page does not show it; ``span`` is where that stands.
    """

    kind: str
    text: str
    shown: str | None = None
    span: tuple[int, int] = (0, 0)


def steps(page: str) -> list[Step]:
    """Steps of the text of a page, in order; sections that are rendered from records have none."""
    found, end = [], 0
    page = _RENDERED.sub(lambda match: " " * len(match[0]), page)
    blocks = list(_BLOCK.finditer(page))
    for place, block in enumerate(blocks):
        found += _inline(page[end : block.start()])
        end, (language, text) = block.end(), block.groups()
        start = block.start(2)
        if language == "console":
            found += _session(text, start)
        elif language == "sh":
            commands = (line.partition("  #")[0].strip() for line in text.splitlines())
            found += [Step("shell", command) for command in commands if command]
        elif language == "python":
            after = blocks[place + 1] if place + 1 < len(blocks) else None
            printed = after and after[1] == "text" and not page[end : after.start()].strip()
            shown = (after[2], after.span(2)) if after and printed else (None, (0, 0))
            found.append(Step("python", text, *shown))
        elif named := _NAMED.match(text):
            found.append(Step("file", text, named[1]))
    return found + _inline(page[end:])


def _inline(prose: str) -> list[Step]:
    """Commands in backticks; one with a word in capitals is a pattern and not run."""
    found = (match[1] for match in _INLINE.finditer(prose))
    return [Step("shell", text) for text in found if not re.search(r"\b[A-Z]{4,}\b", text)]


def _session(text: str, start: int) -> Iterator[Step]:
    """Commands of a block of ``console``, each with the output that follows it."""
    for match in re.finditer(r"^\$ (.*(?:\\\n.*)*)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE):
        low, high = match.span(2)
        yield Step("shell", match[1].replace("\\\n", " "), match[2], (start + low, start + high))


def prepare(folder: Path) -> None:
    """Write the files that pages assume: a model, its inputs and a cell library."""
    small_network(folder / "model.onnx")
    np.save(folder / "inputs.npy", data(8, 2, 6, 5))
    shutil.copy(ROOT / "tests/data/small.lib", folder / "my.lib")


def arguments(command: str) -> list[str]:
    """Arguments that run a command with this Python."""
    words = shlex.split(command)
    if words[0] == "bytemac":
        return [sys.executable, "-m", *words]
    return [sys.executable, *words[1:]] if words[0] == "python" else words


def printed(step: Step, folder: Path) -> str:
    """What a step prints; AssertionError if it fails."""
    run = [sys.executable, "-c", step.text] if step.kind == "python" else arguments(step.text)
    done = subprocess.run(
        run,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "COLUMNS": "100", "NO_COLOR": "1"},
    )
    assert done.returncode == 0, f"{step.text}\n{done.stdout}{done.stderr}"
    return done.stdout


def agrees(shown: str, got: str) -> bool:
    """Whether ``got`` matches the shown output, in which dots match anything."""
    lines = [
        r"(?:.*\n)*?" if line.strip() == "..." else _pattern(line.rstrip()) + r"[ ]*\n"
        for line in shown.splitlines()
    ]
    return re.fullmatch("".join(lines), got) is not None


#: Commands that are not run, by prefix, and why; only their options are checked.
CHECKED_ONLY = {
    "make ": "is what this test is run by, or takes minutes",
    ". .venv/bin/activate": "changes the shell",
    "bytemac fpga --mac": "places and routes for minutes, with tools that come by themselves",
    "bytemac flash --board": "builds a bitstream for minutes and needs a board",
    "bytemac board": "serves until it is stopped",
    "bytemac selftest": "needs a board",
    "dask ": "runs until it is stopped; tests.synth.test_sweep runs both",
    "bytemac sweep grid.toml --scheduler": "needs a scheduler that runs",
    "bytemac study": "measures for minutes to hours",
}


def checked_only(command: str) -> bool:
    """Whether a command is checked but not run."""
    return command.startswith(tuple(CHECKED_ONLY))


def _pattern(line: str) -> str:
    return ".*?".join(map(re.escape, line.split("...")))


def run(page: str, folder: Path, *, chosen: Callable[[Step], bool]) -> list[tuple[Step, str]]:
    """Chosen steps of a page, run in order in a folder, and what each printed."""
    prepare(folder)
    outcome = []
    for step in steps(page):
        if step.kind == "file":
            assert step.shown
            (folder / step.shown).write_text(step.text)
        elif chosen(step):
            outcome.append((step, printed(step, folder)))
    return outcome


def main() -> int:
    """Update outputs that no longer match; return the exit status."""
    for path in PAGES:
        page = path.read_text()
        with tempfile.TemporaryDirectory() as folder:
            outcome = run(page, Path(folder), chosen=lambda step: not checked_only(step.text))
        for step, got in reversed(outcome):
            if step.shown is not None and not agrees(step.shown, got):
                page = page[: step.span[0]] + got + page[step.span[1] :]
                print(f"{path.name}: {step.text.splitlines()[0]}")
        path.write_text(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
