# SPDX-License-Identifier: Apache-2.0
"""Netlists in the Verilog that OpenSTA reads: nothing signed, one bit an assignment."""

import re
from functools import partial

from synth.flow.netlists import modules

__all__ = ["plain"]

_NAME = r"\\\S+ |[A-Za-z_$][\w$]*"
_DECLARED = re.compile(rf"^  (?:wire|input|output) (?:\[(\d+):(\d+)\] )?({_NAME});$", re.MULTILINE)
_ASSIGN = re.compile(r"^  assign (.+?) = (.+);$", re.MULTILINE)
_PART = re.compile(rf"(\d+)'[bh]([01xz]+)|({_NAME})\s*(?:\[(\d+)(?::(\d+))?\])?")


def plain(verilog: str) -> str:
    """The same netlist without ``signed`` and with assignments of single bits only."""
    text = re.sub(r"\bsigned ", "", verilog)
    for module in modules(text).values():
        widths = {name.strip(): (int(left or 0), int(right or 0), bool(left))
                  for left, right, name in _DECLARED.findall(module)}
        changed = _ASSIGN.sub(partial(_single, widths), module)
        text = text.replace(module, changed, 1)
    return text


def _single(widths: dict[str, tuple[int, int, bool]], match: re.Match[str]) -> str:
    """An assignment as assignments of its bits, the highest first."""
    left, right = _bits(match[1], widths), _bits(match[2], widths)
    assert len(left) == len(right), match[0]
    return "\n".join(f"  assign {x} = {y};" for x, y in zip(left, right, strict=True))


def _bits(expression: str, widths: dict[str, tuple[int, int, bool]]) -> list[str]:
    """Bits of a name, a part of one, a constant, or of several in braces."""
    found = []
    for width, digits, name, high, low in _PART.findall(expression):
        if width:
            found += [f"1'b{digit}" for digit in digits.rjust(int(width), "0")]
            continue
        left, right, vector = widths[name.strip()]
        if high:
            left, right = int(high), int(low or high)
        step = -1 if left >= right else 1
        found += [f"{name}[{bit}]" for bit in range(left, right + step, step)] if vector else [name]
    return found
