# SPDX-License-Identifier: Apache-2.0
"""Scales that leave the accumulator room: codes so small that the sums of a layer fit into it.

Scales that fill the operands' formats make the largest products; 448 * 448 of E4M3 is beyond the
65,504 where FP16 ends. Raising a scale by a power of two lowers the codes' exponents: that costs
floating-point operands no bit until they become subnormal, integers one bit each time.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from hw.spec import FixedAccumulator, MacSpec
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.layer import Layer
from sim.quantize import Quantizer

__all__ = ["MARGIN", "largest_sum", "with_headroom"]

#: Share of the accumulator's range that the sums seen in calibration may take; other data and the
#: sums on the way to the last one may be larger.
MARGIN = 0.5


def largest_sum(mac: MacSpec) -> float:
    """Largest finite sum that the accumulator of ``mac`` holds, as a number."""
    acc = mac.acc
    return math.ldexp(acc.max, acc.lsb) if isinstance(acc, FixedAccumulator) else float(acc.fmt.max)


def with_headroom(mac: MacSpec, layer: Layer, sums: Sequence[NDArray],
                  by: tuple[Quantizer, Quantizer]) -> tuple[Quantizer, Quantizer]:
    """Both operands' quantisers, their scales doubled as often as the sums need.

    Parameters
    ----------
    mac
        Unit that computes the sums.
    layer
        The layer, which tells the channels of the weights.
    sums
        Largest magnitudes (P, 1, N) of its products in FP32, of each run.
    by
        Quantisers without zero points. The doublings are shared out, the odd one to the first.
    """
    scale = by[0].scale * (by[1].scale if by[1].axis is None
                           else layer.lowering.channels(by[1].scale))
    largest = max(float((each / scale).max()) for each in sums)
    require(math.isfinite(largest), f"{layer.step.noun} sums in calibration", "finite", largest)
    ratio = largest / (MARGIN * largest_sum(mac))
    doublings = max(0, math.ceil(math.log2(ratio))) if ratio > 0 else 0
    first, second = (replace(each, scale=each.scale * 2.0**times) for each, times
                     in zip(by, (doublings - doublings // 2, doublings // 2), strict=True))
    return first, second
