# SPDX-License-Identifier: Apache-2.0
"""Descriptions of hardware: formats, accumulators, MACs, arrays, engines. Standard library only."""

from hw.spec.accumulators import (
    Accumulator,
    Adder,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Overflow,
    Rounding,
)
from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.blocks import BLOCK_SCALES, BlockAccumulator, BlockScale, ScaleOrder
from hw.spec.catalog import CATALOG, PAPER_FORMATS, SOURCES
from hw.spec.errors import SpecError
from hw.spec.formats import Format, Kind, Specials, Unpacked, integer
from hw.spec.gemm import Bus, GemmSpec
from hw.spec.grammar import (
    parse_accumulator,
    parse_array,
    parse_format,
    parse_gemm,
    parse_mac,
    parse_output,
    parse_spec,
)
from hw.spec.macs import Flag, MacSpec, Multiplier
from hw.spec.outputs import OutputSpec, Scale

__all__ = [
    "BLOCK_SCALES",
    "CATALOG",
    "PAPER_FORMATS",
    "SOURCES",
    "Accumulator",
    "Adder",
    "AlignedAccumulator",
    "ArraySpec",
    "BlockAccumulator",
    "BlockScale",
    "Bus",
    "Dataflow",
    "FixedAccumulator",
    "Flag",
    "FloatAccumulator",
    "Format",
    "GemmSpec",
    "Kind",
    "MacSpec",
    "Multiplier",
    "OutputSpec",
    "Overflow",
    "Rounding",
    "Scale",
    "ScaleOrder",
    "SpecError",
    "Specials",
    "Unpacked",
    "integer",
    "parse_accumulator",
    "parse_array",
    "parse_format",
    "parse_gemm",
    "parse_mac",
    "parse_output",
    "parse_spec",
]
