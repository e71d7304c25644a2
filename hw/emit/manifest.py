# SPDX-License-Identifier: Apache-2.0
"""The manifest (JSON, for testbenches and reports) and the core file (for FuseSoC)."""

import dataclasses
import hashlib
import platform
from collections.abc import Mapping
from enum import Enum
from importlib.metadata import version
from typing import Any

from hw.emit.netlist import Port
from hw.emit.yosys import yosys_version
from hw.spec import ArraySpec, FixedAccumulator, GemmSpec, MacSpec, OutputSpec
from hw.spec.board import BoardSpec

#: Every unit that has a manifest.
Spec = MacSpec | ArraySpec | OutputSpec | GemmSpec | BoardSpec


def describe(
    spec: Spec, ports: list[Port], descriptions: Mapping[str, str], texts: dict[str, str]
) -> dict[str, Any]:
    """Manifest of ``spec``: spelling, fields, derived facts, ports, files with hashes, tools."""
    kind, derived = _subject(spec)
    signed = _signed_ports(spec)
    return {
        "name": spec.name,
        "kind": kind,
        "spec": str(spec),
        "fields": _plain(dataclasses.asdict(spec)),
        "derived": derived,
        "latency": (spec.mac if isinstance(spec, ArraySpec) else spec).latency,
        "ports": [
            {
                "name": port.name,
                "direction": port.direction,
                "width": port.width,
                "signed": port.name in signed,
                "description": descriptions[port.name],
            }
            for port in ports
        ],
        "files": [{"path": name, "sha256": sha256(text)} for name, text in texts.items()],
        "tools": {
            "python": platform.python_version(),
            "amaranth": version("amaranth"),
            "yosys": yosys_version(),
        },
    }


def sha256(text: str) -> str:
    """Hash of a text file."""
    return hashlib.sha256(text.encode()).hexdigest()


def _subject(spec: Spec) -> tuple[str, dict[str, Any]]:
    """Kind of unit, and values derived from its fields."""
    match spec:
        case OutputSpec():
            fixed = spec.source if isinstance(spec.source, FixedAccumulator) else None
            facts = {
                "acc_width": spec.source.width,
                "acc_signed": fixed is not None,
                "flag_bits": spec.flag_bits,
                "to_width": spec.to.width,
                "scale_bits": spec.scale_bits,
                "zero_point_bits": spec.zero_point_bits,
            }
            return "output", facts | ({"acc_lsb": fixed.lsb_exp} if fixed else {})
        case MacSpec():
            return "mac", _derived(spec, None)
        case ArraySpec():
            return "array", _derived(spec.mac, spec)
        case GemmSpec():
            return "gemm", _subject(spec.array)[1] | {"digest": spec.digest}
        case _:
            return "board", _subject(spec.gemm)[1] | {"divider": spec.divider}


def _derived(mac: MacSpec, array: ArraySpec | None) -> dict[str, Any]:
    """Values derived from the fields."""
    fixed = mac.result if isinstance(mac.result, FixedAccumulator) else None
    facts = {
        "a_width": mac.a.width,
        "b_width": mac.b.width,
        "product_lsb": mac.product_lsb,
        "acc_width": mac.acc.width,
        "acc_signed": fixed is not None,
        "flag_bits": mac.flag_bits,
    }
    if fixed:
        facts |= {"acc_lsb": fixed.lsb_exp, "acc_min": fixed.min, "acc_max": fixed.max}
    if array:
        facts |= {"slot_width": array.slot_width, "beats_without_bubble": array.rows}
    if array and array.out:
        facts |= {
            "result_width": array.result_width,
            "result_signed": array.result_signed,
            "scale_bits": array.out.scale_bits,
            "zero_point_bits": array.out.zero_point_bits,
        }
    return facts


def _signed_ports(spec: Spec) -> set[str]:
    """Ports that hold two's complement."""
    if isinstance(spec, ArraySpec | GemmSpec | BoardSpec):
        return set()
    if isinstance(spec, MacSpec):
        return {"o_data"} if spec.acc.is_fixed else set()
    signed = {"i_data"} if isinstance(spec.source, FixedAccumulator) else set()
    formats = {"i_scale": spec.scale_format, "i_zero_point": spec.to, "o_data": spec.to}
    return signed | {name for name, fmt in formats.items() if fmt and fmt.is_integer and fmt.signed}


def _plain(value: Any) -> Any:
    """``value`` with enumerations replaced by their text."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.value if isinstance(value, Enum) else value


def core_file(name: str, verilog: str, description: str, revision: str) -> str:
    """Text of a ``.core`` file; ``revision`` is the version of the core."""
    return f"""CAPI=2:

name: ::{name}:{revision}
description: "{description}"

filesets:
  rtl:
    files:
      - {verilog}
    file_type: verilogSource

targets:
  default:
    filesets: [rtl]
    toplevel: {name}
"""
