# SPDX-License-Identifier: Apache-2.0
"""Write files atomically: a file appears complete, or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hw.spec import SpecError


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing. It is moved to ``path`` only if the block succeeds.

    Raises
    ------
    SpecError
        If the file cannot be created there. This is checked before the block runs.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "is a directory")
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = tempfile.TemporaryDirectory(dir=path.parent, prefix=".writing-")
    except OSError as error:
        raise SpecError(
            f"Output file {str(path)!r} cannot be written: {(error.strerror or str(error)).lower()}"
        ) from error
    with scratch:
        whole = Path(scratch.name, path.name)
        with whole.open("wb") as file:
            yield file
        os.replace(whole, path)
