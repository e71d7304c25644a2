# SPDX-License-Identifier: Apache-2.0
"""Runs Yosys in a child process, because an error in a pass ends the whole process."""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

_CHILD = """
import json, sys
from pyosys import libyosys as ys
design = ys.Design()
for command in json.load(sys.stdin):
    ys.Pass.call(design, command)
"""


class YosysError(RuntimeError):
    """A pass failed; the message is the error that Yosys printed."""


def run_yosys(script: str | Sequence[Sequence[str]], *, cwd: Path) -> str:
    """Run the passes of ``script`` in the folder ``cwd``; return the log.

    A script is a text with a pass per line, or a list of passes, each a list of words. Words may
    have spaces.

    Raises
    ------
    YosysError
        If a pass fails.
    """
    child = subprocess.run(
        [sys.executable, "-c", _CHILD],
        input=json.dumps(script.splitlines() if isinstance(script, str) else script),
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
