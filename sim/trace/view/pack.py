# SPDX-License-Identifier: Apache-2.0
"""Arrays as short texts that a page unpacks with a few lines.

A plane (cycles, elements) of small numbers is kept as its changes: a bit for each number that is
not the one of the cycle before, and those numbers, 1, 2 or 4 bytes each, lowest byte first. Words
(codes with flags) are numbers of entries in a table.
"""

from base64 import b64encode
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Plane", "Table", "base64", "changes", "numbered"]

Ints = npt.NDArray[Any]
Plane = dict[str, int | str]
Table = dict[str, int | str]


def base64(array: Ints) -> str:
    """Bytes of an array, little-endian."""
    return b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def changes(numbers: Ints) -> Plane:
    """Plane of numbers from 0 on, the cycle along the first axis; before it all are 0."""
    flat = numbers.reshape(len(numbers), -1)
    before = np.concatenate([np.zeros_like(flat[:1]), flat[:-1]])
    changed = flat != before
    size = next(size for size in (1, 2, 4) if int(flat.max(initial=0)) >> 8 * size == 0)
    return {"size": size, "cycles": len(flat), "elements": flat.shape[1],
            "changed": base64(np.packbits(changed, bitorder="little")),
            "numbers": base64(flat[changed].astype(f"u{size}"))}


def numbered(*words: Ints) -> tuple[Ints, list[Ints]]:
    """Distinct words (the last axis), sorted, and the number of each word in every array."""
    flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in words])
    distinct, numbers = np.unique(flat, axis=0, return_inverse=True)
    numbers = numbers.reshape(-1)
    ends = np.cumsum([part.size // part.shape[-1] for part in words])
    return distinct, [number.reshape(part.shape[:-1]) for number, part in zip(
        np.split(numbers, ends[:-1]), words, strict=True)]
