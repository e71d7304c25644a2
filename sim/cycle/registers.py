# SPDX-License-Identifier: Apache-2.0
"""Registers of one width, and codes side by side as they hold them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["WORD", "Wires", "packed"]

Ints = npt.NDArray[Any]

#: Bits that an int64 holds as a number that is not negative.
WORD = 63


@dataclass(frozen=True, slots=True)
class Wires:
    """Registers of one width: their full names below the top, and what gives their bits.

    Bits are numbers from 0 on, (names,): int64, or Python integers where those are too narrow.
    """

    names: Sequence[str]
    width: int
    read: Callable[[Any], Ints]


def packed(codes: Ints, width: int) -> Ints:
    """Codes along the last axis side by side, the first one in the low bits."""
    count = codes.shape[-1]
    if count == 1:
        return codes[..., 0]
    kind = np.int64 if count * width <= WORD else object
    places = np.arange(count).astype(kind) * width
    whole: Ints = (codes.astype(kind) << places).sum(axis=-1)
    return whole
