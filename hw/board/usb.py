# SPDX-License-Identifier: Apache-2.0
"""Permissions for the USB devices of boards: udev rules and the group of serial ports."""

import getpass
import grp
import os
from collections.abc import Iterable
from pathlib import Path

RULES_FILE = Path("/etc/udev/rules.d/60-bytemac.rules")
FOLDERS = tuple(
    Path(folder)
    for folder in (
        "/etc/udev/rules.d",
        "/run/udev/rules.d",
        "/usr/lib/udev/rules.d",
        "/lib/udev/rules.d",
    )
)
SERIAL_GROUP = "dialout"


def rule(usb: str) -> str:
    """Rule that gives the logged-in user access to a device (vendor:product).

    Some programmers are HID devices, hence the second subsystem.
    """
    vendor, product = usb.split(":")
    return (
        f'SUBSYSTEM=="usb|hidraw", ATTRS{{idVendor}}=="{vendor}", '
        f'ATTRS{{idProduct}}=="{product}", MODE="0660", TAG+="uaccess"'
    )


def has_rule(usb: str, folders: Iterable[Path] = FOLDERS) -> bool:
    """Whether a file of rules gives access to the device."""
    vendor, product = usb.split(":")
    return any(
        vendor in line and product in line
        for folder in folders
        for file in sorted(folder.glob("*.rules"))
        for line in _lines(file)
        if not line.lstrip().startswith("#")
    )


def _lines(file: Path) -> list[str]:
    """Lines of a file of rules; empty if it cannot be read."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def in_serial_group() -> bool:
    """Whether this user may open serial ports, as root or as a member of the group."""
    if os.geteuid() == 0:
        return True
    try:
        group = grp.getgrnam(SERIAL_GROUP)
    except KeyError:
        return False
    return group.gr_gid in os.getgroups() or getpass.getuser() in group.gr_mem
