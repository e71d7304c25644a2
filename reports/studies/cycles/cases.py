# SPDX-License-Identifier: Apache-2.0
"""Which arrays, shapes and stalls are compared."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from hw.spec import ArraySpec, parse_array

__all__ = ["ARRAYS", "LARGE", "Case", "cases"]

#: Shares of cycles in which streams stall.
STALLS: tuple[Mapping[str, float], ...] = (
    {}, {"a": 0.4}, {"b": 0.6}, {"c": 0.5}, {"a": 0.3, "b": 0.3, "c": 0.3}, {"a": 0.05, "c": 0.9})
SHAPES = ((1, 1, 1), (2, 3, 3), (4, 1, 4), (5, 7, 8), (9, 4, 5), (3, 16, 7), (4, 40, 3))
LARGE_SHAPES = ((40, 50, 70), (16, 16, 16), (33, 64, 17))


class Case(NamedTuple):
    """One product: M, K and N, and shares of stalls by stream."""

    shape: tuple[int, int, int]
    stalls: Mapping[str, float]


def _arrays(*points: tuple[str, str]) -> list[ArraySpec]:
    """Arrays of both dataflows; the memories of sums are small, so that tiles take several."""
    return [parse_array(size, mac, dataflow=flow, depth=7 if flow == "ws" else None)
            for flow in ("os", "ws") for size, mac in points]


#: Small ones of every kind of accumulator.
ARRAYS = _arrays(("2x3", "e4m3"), ("3x2", "int8"), ("4x4", "e4m3,acc=fp16,pipeline=2"),
                 ("2x3", "e5m2,acc=fp32"), ("3x2", "e4m3,acc=aligned:13,lanes=2"),
                 ("3x3", "int8,adder=carry-save"))
LARGE = [parse_array("16x16", mac, dataflow=flow) for flow in ("os", "ws")
         for mac in ("e4m3", "e4m3,acc=fp32")]


def cases(spec: ArraySpec) -> Iterator[Case]:
    """Every shape with every set of stalls."""
    shapes = LARGE_SHAPES if spec in LARGE else SHAPES
    yield from (Case(shape, stalls) for shape in shapes for stalls in STALLS)
