# SPDX-License-Identifier: Apache-2.0
"""What the hardware must compute: exact integers to be read, numpy to be used. Codes in and out."""

from sim.convert import decode, encode, values
from sim.linear import dot, dot_with_flags, matmul, matmul_with_flags
from sim.outputs import output

__all__ = [
    "decode",
    "dot",
    "dot_with_flags",
    "encode",
    "matmul",
    "matmul_with_flags",
    "output",
    "values",
]
