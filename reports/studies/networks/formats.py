# SPDX-License-Identifier: Apache-2.0
"""The columns of the tables: operand formats, accumulators, and the ranges that are tried."""

from typing import NamedTuple

from hw.spec import CATALOG, PAPER_FORMATS, parse_mac
from sim.network.headroom import largest_sum

__all__ = ["ACCUMULATORS", "COLUMNS", "Column", "Ranges", "accumulated", "choices", "mac_of"]


class Column(NamedTuple):
    """Formats of activations and weights; ``blocks`` of 32 numbers share a scale (OCP MX)."""

    activations: str
    weights: str
    blocks: bool = False


class Ranges(NamedTuple):
    """How scales are chosen: of weights per what, which numbers are kept, whether integer
    activations have a zero point, whether sums have headroom in the accumulator.
    """

    weights_per: str
    kept: str
    zero_point: bool = False
    headroom: bool = False

    def __str__(self) -> str:
        zero = ", zero point" if self.zero_point else ""
        room = ", headroom" if self.headroom else ""
        return f"{self.weights_per}, {self.kept}{zero}{room}"


#: The formats of arXiv 2303.17951, and others; MX has OCP's own.
COLUMNS = {
    **{name: Column(fmt, fmt) for name, fmt in PAPER_FORMATS.items()},
    "W4A8": Column("int8", "int4"),
    "MXFP8": Column("e4m3", "e4m3", blocks=True),
}
#: Spellings by name. Floats saturate, as those units do whose cost was measured.
ACCUMULATORS = {"exact": "exact", "fp32": "fp32-sat", "fp16": "fp16-sat", "bf16": "bf16-sat",
                "hopper": "hopper"}
#: Tried for each column; activations have one scale a tensor.
RANGES = (Ranges("tensor", "minmax"), Ranges("channel", "minmax"), Ranges("channel", "mse"))
#: Tried for integers, too.
SHIFTED = (Ranges("channel", "minmax", zero_point=True),)


def mac_of(column: str, accumulator: str) -> str:
    """Spelling of the unit that multiplies a column's operands."""
    activations, weights, _ = COLUMNS[column]
    pair = activations if activations == weights else f"{activations}x{weights}"
    # The exact sum of the paper's INT8 unit: 4,096 products of operands from -127 to 127.
    same_integers = activations == weights and CATALOG[activations].is_integer
    exact = "int27" if same_integers else "exact"
    return f"{pair},acc={exact if accumulator == 'exact' else ACCUMULATORS[accumulator]}"


def _may_overflow(column: str, accumulator: str) -> bool:
    """Whether an accumulator ends before the largest sum that the exact one is made for."""
    mac = parse_mac(mac_of(column, accumulator))
    return largest_sum(mac) < largest_sum(parse_mac(mac_of(column, "exact")))


def accumulated(column: str, accumulator: str, best: Ranges) -> tuple[Ranges, ...]:
    """Ranges that are tried with an accumulator: the ``best`` with exact sums; where sums may
    overflow, too, such with headroom, which goes without zero points and blocks.
    """
    if best.weights_per == "block" or not _may_overflow(column, accumulator):
        return (best,)
    return best, best._replace(zero_point=False, headroom=True)


def choices(column: str, *, search: bool = True) -> tuple[Ranges, ...]:
    """Ranges that are tried for a column; blocks choose their own.

    Without ``search`` those of least squared error are left out: they take minutes to find for a
    large network.
    """
    activations, _, blocks = COLUMNS[column]
    if blocks:
        return (Ranges("block", "minmax"),)
    tried = RANGES + (SHIFTED if CATALOG[activations].is_integer else ())
    return tuple(ranges for ranges in tried if search or ranges.kept != "mse")
