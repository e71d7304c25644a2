# SPDX-License-Identifier: Apache-2.0
"""What the hardware must compute: exact integers to be read, numpy to be used. Codes in and out."""

from sim.convert import decode, encode
from sim.linear import dot, matmul
from sim.outputs import output

__all__ = ["decode", "dot", "encode", "matmul", "output"]
