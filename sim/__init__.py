# SPDX-License-Identifier: Apache-2.0
"""Bit-exact models of MACs, arrays and output stages. Operands and results are codes."""

from hw.spec import startup as startup  # Imported first: it reports missing packages.
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
