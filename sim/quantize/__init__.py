# SPDX-License-Identifier: Apache-2.0
"""Quantise real tensors to codes and back, with scales per tensor, channel or block.

`calibrate` chooses scales from data according to a `Scheme`. `encode_blocks` implements OCP MX,
NVFP4 and blocks with binary32 scales, where the scale of each block follows from its numbers.
"""

from sim.quantize.blocks import BLOCK, MX, RULES, Blocks, decode_blocks, encode_blocks
from sim.quantize.quantizer import Quantizer, calibrate, load_quantizers, save_quantizers
from sim.quantize.scheme import Per, Range, ScaleKind, Scheme, parse_scheme

__all__ = [
    "BLOCK",
    "MX",
    "RULES",
    "Blocks",
    "Per",
    "Quantizer",
    "Range",
    "ScaleKind",
    "Scheme",
    "calibrate",
    "decode_blocks",
    "encode_blocks",
    "load_quantizers",
    "parse_scheme",
    "save_quantizers",
]
