# SPDX-License-Identifier: Apache-2.0
"""Codes taken apart, an array at a time: the numpy twin of `hw.spec.Format.unpack`."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, Format, Specials

__all__ = ["CLASS_FLAGS", "FLAGS", "Class", "Unpacked", "unpack"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Class(IntEnum):
    """What a product's flag depends on; indexes `FLAGS`. Finite classes come first."""

    ZERO = 0
    POS = 1
    NEG = 2
    POS_INF = 3
    NEG_INF = 4
    NAN = 5


def _flags() -> npt.NDArray[np.uint8]:
    """Flag of a product by the classes of its operands."""
    c = Class
    table = np.zeros((len(c), len(c)), dtype=np.uint8)
    for inf, flag in ((c.POS_INF, Flag.POS_INF), (c.NEG_INF, Flag.NEG_INF)):
        other = Flag(flag ^ Flag.NAN)
        for sign, product in ((c.POS, flag), (c.POS_INF, flag), (c.NEG, other), (c.NEG_INF, other)):
            table[inf, sign] = table[sign, inf] = product
        table[inf, c.ZERO] = table[c.ZERO, inf] = Flag.NAN
    table[c.NAN, :] = table[:, c.NAN] = Flag.NAN
    return table


#: ``FLAGS[class of a, class of b]`` is the `Flag` of the product.
FLAGS = _flags()
#: `Flag` of a value by its `Class`.
CLASS_FLAGS = np.array([Flag.FINITE] * 3 + [Flag.POS_INF, Flag.NEG_INF, Flag.NAN], np.uint8)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Arrays of one shape; a finite value is ``sig * 2**(exp + lsb)`` with ``exp >= 0``.

    Attributes
    ----------
    sig, exp
        As in `hw.spec.Unpacked`, int64.
    negative
        Sign, also of zeros and infinities.
    classes
        `Class`, uint8.
    """

    sig: Ints
    exp: Ints
    negative: Bools
    classes: npt.NDArray[np.uint8]

    def __getitem__(self, index: Any) -> "Unpacked":
        """Part of the arrays."""
        return Unpacked(self.sig[index], self.exp[index], self.negative[index],
                        self.classes[index])

    @property
    def special(self) -> Bools:
        """Where the value is infinite or NaN."""
        return self.classes >= Class.POS_INF


def unpack(codes: Ints, fmt: Format) -> Unpacked:
    """Take checked codes of at most 63 bits apart."""
    if fmt.is_integer:
        sig = codes - ((codes & fmt.sign_code) << 1)
        return Unpacked(sig, np.zeros_like(sig), sig < 0, _classes(sig, sig < 0))
    negative = (codes & fmt.sign_code) != 0
    magnitude = codes & ~fmt.sign_code
    field = magnitude >> fmt.man_bits
    sig = magnitude & ((1 << fmt.man_bits) - 1)
    sig |= (field > 0).astype(np.int64) << fmt.man_bits
    if not fmt.subnormals:
        sig[field == 0] = 0
    exp = np.maximum(field, 1) - 1
    inf, nan = _specials(codes, magnitude, fmt)
    special = inf | nan
    sig[special] = exp[special] = 0
    negative = negative & ~nan
    classes = _classes(sig, negative)
    classes[inf] = np.where(negative[inf], Class.NEG_INF, Class.POS_INF)
    classes[nan] = Class.NAN
    return Unpacked(np.where(negative, -sig, sig), exp, negative, classes)


def _classes(sig: Ints, negative: Bools) -> npt.NDArray[np.uint8]:
    """Classes of finite values."""
    sign = np.where(negative, Class.NEG, Class.POS).astype(np.uint8)
    return np.where(sig == 0, Class.ZERO, sign).astype(np.uint8)


def _specials(codes: Ints, magnitude: Ints, fmt: Format) -> tuple[Bools, Bools]:
    """Where codes of a format with exponent bits are infinite, and where NaN."""
    none = np.zeros(codes.shape, dtype=np.bool_)
    inf = none if fmt.inf_code is None else magnitude == fmt.inf_code
    match fmt.specials:
        case Specials.NONE:
            nan = none
        case Specials.IEEE | Specials.FN:
            nan = (magnitude > fmt.max_code) & ~inf
        case _:
            nan = codes == fmt.nan_code
    return inf, nan
