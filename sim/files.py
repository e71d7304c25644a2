# SPDX-License-Identifier: Apache-2.0
"""Read arrays from files; write files atomically: a file appears complete, or not at all."""

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

from hw.manners import FULL, folder_in, made
from hw.spec.errors import SpecError, shortened
from hw.spec.files import readable, require_output_file
from sim.dtypes import load_npy


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for writing. It is moved to ``path`` only if the block succeeds.

    Raises
    ------
    SpecError
        If the file cannot be created there. This is checked before the block runs.
    OSError
        If the disk is full; the error names the file.
    """
    with ExitStack() as stack:
        require_output_file(path)
        try:
            stack.enter_context(made(path.parent))
            whole = Path(stack.enter_context(folder_in(path.parent)), path.name)
        except OSError as error:
            raise SpecError(
                f"Output file {shortened(str(path))} cannot be written: "
                f"{(error.strerror or str(error)).lower()}"
            ) from error
        try:
            with whole.open("wb") as file:
                yield file
            os.replace(whole, path)
        except OSError as error:
            # numpy gives no number when it writes less than it should.
            if error.errno in (None, *FULL) and error.filename is None:
                reason = error.strerror or os.strerror(errno.ENOSPC)
                raise OSError(error.errno or errno.ENOSPC, reason, str(path)) from error
            raise


def read_array(path: Path, noun: str) -> Any:
    """Read a .npy file without pickles; see `sim.dtypes.load_npy`.

    Raises
    ------
    SpecError
        If it is not a complete .npy file of numbers.
    """
    try:
        with readable(path).open("rb") as file:
            return load_npy(file)
    # Python parses the header and zipfile reads a .npz file: the exceptions are many.
    except Exception as error:
        reason = getattr(error, "strerror", None) or "not a .npy file of numbers"
        raise SpecError(
            f"{noun} file {shortened(str(path))} cannot be read: {reason.lower()}"
        ) from error
