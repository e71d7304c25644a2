# SPDX-License-Identifier: Apache-2.0
"""Length of a number, as an instruction."""

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

__all__ = ["length"]


@intrinsic
def length(typing: Any, x: Any) -> Any:
    """Bits of a number from 0 on."""
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        return builder.sub(ir.Constant(word, 64), builder.ctlz(args[0], ir.Constant(
            ir.IntType(1), 0)))
    return types.int64(types.int64), generate
