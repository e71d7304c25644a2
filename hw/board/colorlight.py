# SPDX-License-Identifier: Apache-2.0
"""Colorlight i5 and i9 on their extension boards, as Amaranth platforms.

Pins as LiteX-Boards has them, after Colorlight-FPGA-Projects (i5 v7.0, i9 v7.2).
"""

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import LatticeECP5Platform
from amaranth_boards.resources import UARTResource

__all__ = ["ColorlightI5Platform", "ColorlightI9Platform"]


class _Colorlight(LatticeECP5Platform):
    """What both modules share: the clock, and the serial port of the extension board."""

    package = "BG381"
    speed = "6"
    default_clk = "clk25"
    resources = (
        Resource("clk25", 0, Pins("P3", dir="i"), Clock(25e6), Attrs(IO_TYPE="LVCMOS33")),
        UARTResource(0, rx="H18", tx="J17", attrs=Attrs(IO_TYPE="LVCMOS33")),
    )
    connectors = ()


class ColorlightI5Platform(_Colorlight):
    """Colorlight i5 v7.0."""

    device = "LFE5U-25F"


class ColorlightI9Platform(_Colorlight):
    """Colorlight i9 v7.2."""

    device = "LFE5U-45F"
