# SPDX-License-Identifier: Apache-2.0
"""Runs Yosys in a child process, because an error in a pass ends the whole process."""

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_CHILD = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for line in sys.stdin.read().splitlines():
    ys.run_pass(line, design)
"""


class YosysError(RuntimeError):
    """A pass failed; the message is the error that Yosys printed."""


def run_yosys(script: str, *, cwd: Path) -> str:
    """Run the passes of ``script``, one per line, in the folder ``cwd``; return the log.

    Raises
    ------
    YosysError
        If a pass fails.
    """
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=script,
        cwd=cwd,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    if child.returncode:
        # The SystemVerilog frontend prints the actual error first.
        errors = [
            line.removeprefix("ERROR: ")
            for line in child.stdout.splitlines()
            if "ERROR: " in line and "see full log" not in line
        ]
        raise YosysError(errors[0] if errors else f"Yosys ended with status {child.returncode}")
    return child.stdout


def yosys_version() -> str:
    """Version of the installed Yosys."""
    return version("pyosys")
