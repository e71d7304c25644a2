# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units: a component for each kind of accumulator, all with the same ports."""

from hw.mac.aligned import AlignedMac
from hw.mac.block import BlockMac
from hw.mac.fixed import CarrySaveMac, FixedMac
from hw.mac.floating import FloatMac
from hw.spec import (
    Adder,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    MacSpec,
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
    """
    if spec.blocks:
        return BlockMac(spec, mac(spec.inner_mac, enable=enable), enable=enable)
    unit = CarrySaveMac if spec.adder is Adder.CARRY_SAVE else _UNITS[type(spec.acc)]
    return unit(spec, enable=enable, resolve=resolve)
