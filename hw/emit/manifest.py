# SPDX-License-Identifier: Apache-2.0
"""The manifest: what was generated, as data for testbenches, drivers and reports."""

import dataclasses
import hashlib
import platform
from enum import Enum
from importlib.metadata import version
from typing import Any

from hw.emit.netlist import Port
from hw.emit.yosys import yosys_version
from hw.spec import ArraySpec, FixedAccumulator, MacSpec

__all__ = ["describe", "sha256"]


def describe(spec: MacSpec | ArraySpec, ports: list[Port], descriptions: dict[str, str],
             texts: dict[str, str]) -> dict[str, Any]:
    """Manifest of ``spec``: fields, derived facts, ports, files with their hashes, tools."""
    array = spec if isinstance(spec, ArraySpec) else None
    mac = array.mac if array else spec
    spelling = {"mac": str(mac)}
    if array:
        spelling |= {"array": array.size, "dataflow": array.dataflow.value}
    return {
        "name": spec.name,
        "kind": "array" if array else "mac",
        "spelling": spelling,
        "spec": _plain(dataclasses.asdict(spec)),
        "derived": _derived(mac, array),
        "latency": mac.latency,
        "ports": [_port(port, descriptions[port.name], mac) for port in ports],
        "files": [{"path": name, "sha256": sha256(text)} for name, text in texts.items()],
        "tools": {"python": platform.python_version(), "amaranth": version("amaranth"),
                  "yosys": yosys_version()},
    }


def sha256(text: str) -> str:
    """Hash of a text file."""
    return hashlib.sha256(text.encode()).hexdigest()


def _derived(mac: MacSpec, array: ArraySpec | None) -> dict[str, Any]:
    """Facts that follow from the fields."""
    fixed = isinstance(mac.acc, FixedAccumulator)
    facts = {"a_width": mac.a.width, "b_width": mac.b.width, "product_lsb": mac.product_lsb,
             "acc_width": mac.acc.width, "acc_signed": fixed, "flag_bits": mac.flag_bits}
    if fixed:
        facts |= {"acc_lsb": mac.acc.lsb, "acc_min": mac.acc.min, "acc_max": mac.acc.max}
    if array:
        facts |= {"slot_width": array.slot_width, "beats_without_bubble": array.rows}
    return facts


def _port(port: Port, description: str, mac: MacSpec) -> dict[str, Any]:
    """Row of the port table."""
    signed = port.name == "o_data" and isinstance(mac.acc, FixedAccumulator)
    return {"name": port.name, "direction": port.direction, "width": port.width,
            "signed": signed, "description": description}


def _plain(value: Any) -> Any:
    """``value`` with its enumerations spelled."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value
