# SPDX-License-Identifier: Apache-2.0
"""What a code can stand for: kinds, policies for special codes, and a code taken apart."""

from enum import Enum
from typing import NamedTuple

__all__ = ["Kind", "Specials", "Unpacked"]


class Specials(Enum):
    """Which codes of a format are not finite numbers."""

    NONE = "none"  #: Every code is finite (integers, OCP MX element formats).
    IEEE = "ieee"  #: Highest exponent: Inf where the mantissa is 0, else NaN (binary16, OCP E5M2).
    FN = "fn"  #: No Inf; NaN is the all-ones magnitude (OCP E4M3).
    FNUZ = "fnuz"  #: No Inf, no minus zero; NaN is the code of minus zero.
    P3109 = "p3109"  #: P3109 finite: as FNUZ; unsigned formats have NaN in the last code.
    P3109E = "p3109e"  #: P3109 extended: Inf is the largest magnitude beside the P3109 NaN.

    @property
    def has_nan(self) -> bool:
        """Whether any code is NaN."""
        return self is not Specials.NONE

    @property
    def has_inf(self) -> bool:
        """Whether any code is an infinity."""
        return self in (Specials.IEEE, Specials.P3109E)

    @property
    def nan_is_minus_zero(self) -> bool:
        """Whether a signed format has NaN in the place of minus zero."""
        return self in (Specials.FNUZ, Specials.P3109, Specials.P3109E)

    def default_bias(self, exp_bits: int) -> int:
        """Exponent bias that the policy's own documents give to ``exp_bits``."""
        return (1 << exp_bits >> 1) - (0 if self.nan_is_minus_zero else 1)


class Kind(Enum):
    """What a code stands for."""

    FINITE = "finite"
    INF = "inf"
    NAN = "nan"


class Unpacked(NamedTuple):
    """One code taken apart; a finite value is ``sig * 2**(exp + lsb)``.

    ``negative`` is the sign bit, which ``sig`` cannot show for a minus zero or an infinity.
    ``sig`` and ``exp`` are 0 unless ``kind`` is finite.
    """

    kind: Kind
    negative: bool
    sig: int
    exp: int
