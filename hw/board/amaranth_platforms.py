# SPDX-License-Identifier: Apache-2.0
"""Amaranth platforms for boards that are not in amaranth-boards.

Pins are from LiteX-Boards, and for the Colorlight boards from Colorlight-FPGA-Projects (i5 v7.0,
i9 v7.2).
"""

from amaranth.build import Attrs, Clock, Pins, Resource
from amaranth.vendor import GowinPlatform, LatticeECP5Platform
from amaranth_boards.resources import UARTResource


class _Colorlight(LatticeECP5Platform):
    """Shared by both modules: the clock, and the serial port of the extension board."""

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


class TangNano20kPlatform(GowinPlatform):
    """Tang Nano 20k: the clock, and the serial port of the BL616."""

    part = "GW2AR-LV18QN88C8/I7"
    family = "GW2AR-18C"
    default_clk = "clk27"
    resources = (
        Resource("clk27", 0, Pins("4", dir="i"), Clock(27e6), Attrs(IO_TYPE="LVCMOS33")),
        UARTResource(0, rx="70", tx="69", attrs=Attrs(IO_TYPE="LVCMOS33")),
    )
    connectors = ()
