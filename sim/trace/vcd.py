# SPDX-License-Identifier: Apache-2.0
"""Recorded waveforms (VCD) as values clock cycle by clock cycle."""

from collections.abc import Iterator
from pathlib import Path

from vcd.reader import TokenKind, tokenize

__all__ = ["samples"]

#: Value of each wire by its full name, for instance "bench.dut.error"; None where a bit is unknown.
Sample = dict[str, int | None]


def samples(file: str | Path, clock: str) -> Iterator[Sample]:
    """Values of all wires just before each rising edge of ``clock``: what registers then take.

    A wire with several names has its value under each of them.
    """
    names: dict[str, list[str]] = {}
    values: Sample = {}
    changed: Sample = {}
    scope: list[str] = []
    with open(file, "rb") as stream:
        for token in tokenize(stream):
            match token.kind:
                case TokenKind.SCOPE:
                    scope.append(token.scope.ident)
                case TokenKind.UPSCOPE:
                    scope.pop()
                case TokenKind.VAR:
                    full = ".".join([*scope, token.var.reference])
                    names.setdefault(token.var.id_code, []).append(full)
                case TokenKind.CHANGE_SCALAR:
                    bit = token.scalar_change
                    changed |= dict.fromkeys(names[bit.id_code], _number(bit.value))
                case TokenKind.CHANGE_VECTOR:
                    bits = token.vector_change
                    changed |= dict.fromkeys(names[bits.id_code], _number(bits.value))
                case TokenKind.CHANGE_TIME:
                    # What changes with the edge is there after it.
                    if changed.get(clock) and values.get(clock) == 0:
                        yield dict(values)
                    values |= changed
                    changed.clear()


def _number(value: int | str) -> int | None:
    """Bits as a number; pyvcd gives those with an x or z as text."""
    return value if isinstance(value, int) else {"0": 0, "1": 1}.get(value)
