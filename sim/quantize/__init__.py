# SPDX-License-Identifier: Apache-2.0
"""Real tensors to codes and back: scales per tensor, per channel and per block of 32.

`calibrate` chooses scales from data as a `Scheme` says; `encode_blocks` is OCP MX, where each block
chooses its own.
"""

from sim.quantize.blocks import BLOCK, MX, Blocks, decode_blocks, encode_blocks
from sim.quantize.quantizer import Quantizer, calibrate, load_quantizers, save_quantizers
from sim.quantize.scheme import Per, Range, ScaleKind, Scheme, parse_scheme

__all__ = [
    "BLOCK",
    "MX",
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
