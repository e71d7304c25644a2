# SPDX-License-Identifier: Apache-2.0
"""Writes sets of files: all of them, or none."""

import os
from collections.abc import Mapping
from pathlib import Path

from hw.manners import FULL, folder_in, made
from hw.spec import SpecError
from hw.spec.files import require_output_file


def write_files(folder: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write ``texts`` (by file name) into ``folder``, which is created if needed.

    All files are written under temporary names first, then renamed: an interrupted run leaves no
    partial file and no incomplete set.

    Parameters
    ----------
    folder
        Target folder.
    texts
        Content by file name. An existing file is replaced, a folder is not.

    Raises
    ------
    SpecError
        If the folder cannot be written.
    OSError
        If the disk is full.
    """
    for name in texts:
        require_output_file(folder / name)
    try:
        with made(folder), folder_in(folder) as scratch:
            for name, text in texts.items():
                Path(scratch, name).write_text(text, encoding="utf-8", newline="\n")
            for name in texts:
                os.replace(Path(scratch, name), folder / name)
    except OSError as error:
        if error.errno in FULL:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise SpecError(
            f"Output folder must be writable, not {str(folder)!r} "
            f"({(error.strerror or str(error)).lower()})"
        ) from error
    return [folder / name for name in texts]
