# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.flow.osu018``: download the OSU 0.18 um standard cells, the default library.

The Debian package qflow-tech-osu018 is downloaded and unpacked into the data folder of the project
(`hw.spec.folders`), not installed: it would install tools that conflict with those used here. The
file is not part of this project because of its licence (GPL).
"""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hw.manners import folder_in
from hw.spec import folders
from hw.spec.command import Parser, run_command

PACKAGE = "qflow-tech-osu018"
INSIDE = folders.CELL_LIBRARY
FOLDER = folders.data("osu018")


class FetchError(RuntimeError):
    """The package cannot be downloaded. The message is one line."""


def find(folder: Path = FOLDER) -> Path | None:
    """The Liberty file, downloaded by `fetch` or installed by the package; None if missing."""
    places = [folder / INSIDE, Path("/") / INSIDE]
    return next((place for place in places if place.is_file()), None)


def fetch(folder: Path = FOLDER) -> Path:
    """Path of the Liberty file, downloaded into ``folder`` if missing.

    Raises
    ------
    FetchError
        If there is no apt-get or no network, or the package has no such file.
    """
    library = find(folder)
    if library is not None:
        return library
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder_in(folder.parent) as name:
        scratch = Path(name)
        _download(scratch)
        (package,) = scratch.glob("*.deb")
        _run(["dpkg-deb", "-x", package.name, "unpacked"], scratch)
        unpacked = scratch / "unpacked"
        if not (unpacked / INSIDE).is_file():
            raise FetchError(f"the package {PACKAGE} has no file {INSIDE}")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unpacked, folder)
    return folder / INSIDE


def _download(scratch: Path) -> None:
    """Download the package into ``scratch``. If apt does not find it, update apt's lists first."""
    try:
        _run(["apt-get", "-qq", "download", PACKAGE], scratch)
    except FetchError:
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        _run([*as_root, "apt-get", "-qq", "update"], scratch)
        _run(["apt-get", "-qq", "download", PACKAGE], scratch)


def _run(command: list[str], folder: Path) -> None:
    """Run ``command`` in ``folder``. If it fails, raise FetchError with its last line."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]} cannot be run ({error})") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise FetchError(f"{' '.join(command)} failed ({said[-1]})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 if the library is there, or 1 if it cannot be downloaded."""
    parser = Parser(
        prog="python -m synth.flow.osu018",
        description="Download the OSU 0.18 um cell library, if missing, and print its path.",
    )
    return run_command(parser, _body, arguments, tool_errors=(FetchError,))


def _body(_options: argparse.Namespace) -> None:
    try:
        print(fetch())
    except FetchError as error:
        raise FetchError(
            f"OSU018 cell library is missing: {error}. Gate counts and hand counts work without it."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
