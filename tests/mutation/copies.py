# SPDX-License-Identifier: Apache-2.0
"""Copies the tree, applies a mutant to the copy and runs tests there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hw.build import generate
from hw.spec import parse_spec
from tests.mutation.mutant import Mutant, MutantError, VerilogMutant

ROOT = Path(__file__).resolve().parents[2]
#: What the tests need of the tree.
PARTS = ("hw", "sim", "synth", "reports", "bytemac", "tests", "pyproject.toml")
TIMEOUT_S = 600

EMITTER = "hw/emit/verilog.py"
#: Code appended to the emitter, which replaces one text in the Verilog of one unit.
WRAPPER = """

_sound = to_verilog


def to_verilog(top):
    return _sound(top).replace({old!r}, {new!r})
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests went: the first that failed (empty if none did), and the time they took."""

    failed: str
    seconds: float


def copy_tree(folder: Path, source: Path = ROOT) -> None:
    """Copy what the tests need from the tree ``source`` into ``folder``."""
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(
                source / part, folder / part, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(source / part, folder / part)


def apply(mutant: Mutant | VerilogMutant, tree: Path) -> Path:
    """Change one file of ``tree``, and give it."""
    if isinstance(mutant, VerilogMutant):
        if (count := _verilog(mutant.place).count(mutant.old)) != 1 or mutant.old == mutant.new:
            raise MutantError(
                f"Mutant {mutant.name!r} must change text that occurs once in the "
                f"Verilog of {mutant.place}, not {count} times"
            )
        path = tree / EMITTER
        text = path.read_text() + WRAPPER.format(old=mutant.old, new=mutant.new)
    else:
        path = mutant.file(tree)
        if not path.is_file():
            raise MutantError(f"Mutant {mutant.name!r} must name a module, not {mutant.module!r}")
        text = mutant.mutated(path.read_text())
    path.write_text(text)
    return path


@cache
def _verilog(spelling: str) -> str:
    """Verilog of a MAC or an array as it should be."""
    spec = parse_spec(spelling)
    with tempfile.TemporaryDirectory() as folder:
        return generate(spec, folder).with_suffix(".v").read_text()


def run_mutant(mutant: Mutant | VerilogMutant, source: Path = ROOT) -> Outcome:
    """Apply ``mutant`` to a fresh copy of the tree ``source`` and run its tests there."""
    try:
        return _in_copy(source, lambda tree: apply(mutant, tree), mutant.tests, stop_early=True)
    except MutantError as error:
        raise MutantError(f"{mutant.place}, {mutant.name}: {error}") from None


def run_tests(tests: Iterable[str], source: Path = ROOT) -> Outcome:
    """Run ``tests`` in a fresh copy of the tree ``source`` as it is."""
    return _in_copy(source, lambda tree: tree, tests, stop_early=False)


def _share_models(tree: Path) -> None:
    """Let the copy use the compiled models of this tree, which are named by digests."""
    models = ROOT / "build" / "rtl"
    models.mkdir(parents=True, exist_ok=True)
    (tree / "build").mkdir()
    (tree / "build" / "rtl").symlink_to(models)


def _in_copy(
    source: Path, change: Callable[[Path], Path], tests: Iterable[str], *, stop_early: bool
) -> Outcome:
    """Copy, change, run pytest; a run that is neither all passed nor failed raises."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder)
        copy_tree(tree, source)
        change(tree)
        _share_models(tree)
        options = ["-x", "-p", "no:xdist"] if stop_early else ["-n", "2"]
        started = time.monotonic()
        try:
            done = subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "pytest",
                    "-q",
                    "--no-header",
                    "-p",
                    "no:cacheprovider",
                    "--basetemp",
                    str(tree / "build" / "pytest"),
                    *options,
                    *tests,
                ],
                cwd=tree,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
                env={
                    name: value
                    for name, value in os.environ.items()
                    if not name.startswith("PYTEST_")
                },
            )
        except subprocess.TimeoutExpired:
            raise MutantError(f"Tests must end within {TIMEOUT_S} s, and did not") from None
    failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or (done.returncode == 1) != bool(failed):
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise MutantError(
            f"Tests must pass or fail, not end with status {done.returncode}: {lines[-1]}"
        )
    return Outcome(failed[1] if failed else "", time.monotonic() - started)
