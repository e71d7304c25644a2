# SPDX-License-Identifier: Apache-2.0
"""Copies the tree, plants a fault in the copy and runs tests there."""

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

from hw.generate import generate
from hw.spec import parse_array, parse_mac
from tests.mutation.fault import Fault

__all__ = ["PARTS", "ROOT", "Outcome", "PlantingError", "copy_tree", "plant", "run_fault",
           "run_tests"]

ROOT = Path(__file__).resolve().parents[2]
#: What the tests need of the tree.
PARTS = ("hw", "sim", "synth", "reports", "tests", "pyproject.toml")
TIMEOUT_S = 600

EMITTER = "hw/emit/verilog.py"
#: Put behind the emitter: one text of one unit's Verilog is another one.
WRAPPER = """

_sound = to_verilog


def to_verilog(top):
    return _sound(top).replace({old!r}, {new!r})
"""


class PlantingError(Exception):
    """A fault that cannot be planted, or tests that do not run; the message is one line."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the tests went: the first that failed (empty if none did), and the time they took."""

    failed: str
    seconds: float


def copy_tree(folder: Path, source: Path = ROOT) -> None:
    """Copy what the tests need from the tree ``source`` into ``folder``."""
    for part in PARTS:
        if (source / part).is_dir():
            shutil.copytree(source / part, folder / part,
                            ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source / part, folder / part)


def plant(fault: Fault, tree: Path) -> None:
    """Change the text in ``tree``; a fault must apply exactly once."""
    if fault.room == "Verilog":
        _require_once(fault, _verilog(fault.file))
        path = tree / EMITTER
        text = path.read_text() + WRAPPER.format(old=fault.old, new=fault.new)
    else:
        path = tree / fault.file
        sound = path.read_text() if path.is_file() else ""
        _require_once(fault, sound)
        text = sound.replace(fault.old, fault.new)
    path.write_text(text)


def _require_once(fault: Fault, text: str) -> None:
    """Raise unless the old text occurs once, and something changes."""
    count = text.count(fault.old)
    if count != 1 or fault.old == fault.new:
        raise PlantingError(f"Fault {fault.name!r} must change text that occurs once in "
                            f"{fault.file}, not {count} times")


@cache
def _verilog(spelling: str) -> str:
    """Verilog of a MAC, or of an array spelled ``SIZE:MAC``, as it should be."""
    size, _, mac = spelling.rpartition(":")
    spec = parse_array(size, mac) if size else parse_mac(mac)
    with tempfile.TemporaryDirectory() as folder:
        return generate(spec, folder).with_suffix(".v").read_text()


def run_fault(fault: Fault, source: Path = ROOT) -> Outcome:
    """Plant ``fault`` in a fresh copy of the tree ``source`` and run its tests there."""
    try:
        return _in_copy(source, lambda tree: plant(fault, tree), fault.tests, stop_early=True)
    except PlantingError as error:
        raise PlantingError(f"{fault.file}, {fault.name}: {error}") from None


def run_tests(tests: Iterable[str], source: Path = ROOT) -> Outcome:
    """Run ``tests`` in a fresh copy of the tree ``source`` without a fault."""
    return _in_copy(source, lambda tree: None, tests, stop_early=False)


def _share_models(tree: Path) -> None:
    """Let the copy use the compiled models of this tree: they are named by all that is in them."""
    models = ROOT / "build" / "rtl"
    models.mkdir(parents=True, exist_ok=True)
    (tree / "build").mkdir()
    (tree / "build" / "rtl").symlink_to(models)


def _in_copy(source: Path, change: Callable[[Path], None], tests: Iterable[str], *,
             stop_early: bool) -> Outcome:
    """Copy, change, run pytest; a run that is neither all passed nor failed raises."""
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        tree = Path(folder)
        copy_tree(tree, source)
        change(tree)
        _share_models(tree)
        options = ["-x", "-p", "no:xdist"] if stop_early else ["-n", "2"]
        started = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pytest", "-q", "--no-header", "-p", "no:cacheprovider",
                 "--basetemp", str(tree / "build" / "pytest"), *options, *tests],
                cwd=tree, capture_output=True, text=True, check=False, timeout=TIMEOUT_S,
                env={name: value for name, value in os.environ.items()
                     if not name.startswith("PYTEST_")})
        except subprocess.TimeoutExpired:
            raise PlantingError(f"Tests must end within {TIMEOUT_S} s, and did not") from None
    failed = re.search(r"^FAILED (\S+)", done.stdout, re.MULTILINE)
    if done.returncode not in (0, 1) or (done.returncode == 1) != bool(failed):
        lines = (done.stdout + done.stderr).strip().splitlines() or ["no output"]
        raise PlantingError(f"Tests must pass or fail, not end with status {done.returncode}: "
                            f"{lines[-1]}")
    return Outcome(failed[1] if failed else "", time.monotonic() - started)
