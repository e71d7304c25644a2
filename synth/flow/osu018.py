# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.flow.osu018``: get the OSU 0.18 um standard cells, the default library.

They come with Debian's package qflow-tech-osu018, which is downloaded and unpacked into
the data folder of the project (`hw.spec.folders`): an
installation would bring tools along that get in the way of ours, and its licence (GPL) is why the
file is not part of this project.
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
    """The package could not be had; the message is one line."""


def find(folder: Path = FOLDER) -> Path | None:
    """The Liberty file where `fetch` puts it or where the package installs it, if it is there."""
    places = [folder / INSIDE, Path("/") / INSIDE]
    return next((place for place in places if place.is_file()), None)


def fetch(folder: Path = FOLDER) -> Path:
    """Path of the Liberty file, which is downloaded into ``folder`` if it is missing.

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
            raise FetchError(f"{PACKAGE} has no file {INSIDE}")
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(unpacked, folder)
    return folder / INSIDE


def _download(scratch: Path) -> None:
    """Get the package into ``scratch``; where apt knows nothing of it yet, update apt's lists."""
    try:
        _run(["apt-get", "-qq", "download", PACKAGE], scratch)
    except FetchError:
        as_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        _run([*as_root, "apt-get", "-qq", "update"], scratch)
        _run(["apt-get", "-qq", "download", PACKAGE], scratch)


def _run(command: list[str], folder: Path) -> None:
    """Run ``command`` in ``folder``; FetchError with its last words if it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, timeout=120
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FetchError(f"{command[0]} did not run ({error})") from error
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        raise FetchError(f"{' '.join(command)} failed ({said[-1]})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if the library is there, 1 if it cannot be had."""
    parser = Parser(
        prog="python -m synth.flow.osu018",
        description="Get the OSU 0.18 um cell library and print its path.",
    )
    return run_command(parser, _body, arguments, tool_errors=(FetchError,))


def _body(_options: argparse.Namespace) -> None:
    try:
        print(fetch())
    except FetchError as error:
        raise FetchError(
            f"OSU018 cell library is missing: {error}. Gate counts and the hand count need none."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
