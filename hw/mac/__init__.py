# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units: a component for each kind of accumulator, all with the same ports."""

from hw.mac.aligned import AlignedMac
from hw.mac.fixed import CarrySaveMac, FixedMac
from hw.mac.floating import FloatMac
from hw.spec import (
    Adder,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    MacSpec,
    SpecError,
)

__all__ = ["mac"]

_UNITS = {
    FixedAccumulator: FixedMac,
    FloatAccumulator: FloatMac,
    AlignedAccumulator: AlignedMac,
}


def mac(spec: MacSpec, *, enable: bool = False, resolve: bool = True):
    """Component for ``spec``.

    ``enable`` adds a clock enable. Without ``resolve``, ``o_data`` is the accumulator as stored in
    the loop.

    Raises
    ------
    SpecError
        If there is no unit for that kind of accumulator.
    """
    unit = CarrySaveMac if spec.adder is Adder.CARRY_SAVE else _UNITS.get(type(spec.acc))
    if unit is None:
        raise SpecError(
            f"Sums in blocks have no RTL, and {spec} has blocks; sim.matmul computes them"
        )
    return unit(spec, enable=enable, resolve=resolve)
