# SPDX-License-Identifier: Apache-2.0
"""Checks on the files that commands read and write, before anything is computed.

A device or a pipe as an input may never end, and as an output it would be replaced by a file.
"""

import errno
import os
import stat
from pathlib import Path

from hw.spec.errors import SpecError, shortened

#: Reason in messages about devices, pipes and sockets.
SPECIAL = "not a regular file"


def _is_special(path: Path) -> bool:
    """Whether there is a device, a pipe or a socket at ``path``."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def readable(path: str | Path) -> Path:
    """``path`` of a file to read.

    Raises
    ------
    OSError
        If it is a device, a pipe or a socket. Opening a missing file or a folder raises the rest.
    """
    if _is_special(Path(path)):
        raise OSError(errno.EINVAL, SPECIAL, os.fspath(path))
    return Path(path)


def require_output_file(path: str | Path) -> None:
    """Raise SpecError unless ``path`` is a file or nothing, so that it can be replaced."""
    reason = "is a directory" if Path(path).is_dir() else SPECIAL
    if Path(path).is_dir() or _is_special(Path(path)):
        raise SpecError(f"Output file {shortened(str(path))} cannot be written: {reason}")


def require_output_folder(path: str | Path) -> None:
    """Raise SpecError unless ``path`` is a folder or nothing."""
    if os.path.lexists(path) and not Path(path).is_dir():
        raise SpecError(f"Output folder must be writable, not {str(path)!r} (file exists)")
