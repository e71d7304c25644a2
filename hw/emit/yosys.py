# SPDX-License-Identifier: Apache-2.0
"""Yosys in a child process: an error in a pass ends the process that runs it."""

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
    """A pass failed; the message is the tool's own last error."""


def run_yosys(script: str, *, cwd: Path) -> str:
    """Run the passes of ``script``, one a line, in the folder ``cwd``; gives the log.

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
        # The frontend for SystemVerilog says what is wrong first, and then that it failed.
        errors = [
            line.removeprefix("ERROR: ")
            for line in child.stdout.splitlines()
            if "ERROR: " in line and "see full log" not in line
        ]
        raise YosysError(errors[0] if errors else f"Yosys ended with status {child.returncode}")
    return child.stdout


def yosys_version() -> str:
    """Version of the Yosys that is used."""
    return version("pyosys")
