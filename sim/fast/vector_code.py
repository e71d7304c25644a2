# SPDX-License-Identifier: Apache-2.0
"""LLVM vector code that the tiles of compiled kernels share.

numba keeps compiled kernels by the file that they are in: after a change here, touch those files.
"""

from typing import Any

from llvmlite import binding, ir

__all__ = ["BYTES", "F32", "F64", "I32", "I64", "WIDE", "Memory", "splat"]

_FEATURES = binding.get_host_cpu_features()
#: Bytes of a vector, and whether there are 32 of them: with AVX-512 and on ARM; else 16.
BYTES = 64 if _FEATURES.get("avx512f") else 32 if _FEATURES.get("avx") else 16
WIDE = BYTES == 64 or "neon" in _FEATURES

F32, F64 = ir.FloatType(), ir.DoubleType()
I32, I64 = ir.IntType(32), ir.IntType(64)


def splat(build: Any, x: Any, count: int) -> Any:
    """Vector of ``count`` equal elements."""
    vector = ir.VectorType(x.type, count)
    first = build.insert_element(ir.Constant(vector, ir.Undefined), x, ir.Constant(I32, 0))
    return build.shuffle_vector(first, ir.Constant(vector, ir.Undefined),
                                ir.Constant(ir.VectorType(I32, count), [0] * count))


class Memory:
    """Numbers of one type at an address that is an integer, taken ``lanes`` at a time."""

    def __init__(self, build: Any, address: Any, kind: Any, size: int, lanes: int = 0) -> None:
        self.build, self.kind, self.size = build, kind, size
        self.lanes = lanes or BYTES // size
        self.start = build.inttoptr(address, kind.as_pointer())

    def at(self, index: Any) -> Any:
        """Address of an element."""
        return self.build.gep(self.start, [index], source_etype=self.kind)

    def splat(self, index: Any) -> Any:
        """Vector of one element."""
        return splat(self.build, self.build.load(self.at(index), typ=self.kind), self.lanes)

    def vector(self, index: Any) -> Any:
        """Vector from an element on."""
        kind = ir.VectorType(self.kind, self.lanes)
        loaded = self.build.load(self.build.bitcast(self.at(index), kind.as_pointer()), typ=kind)
        loaded.align = self.size
        return loaded

    def store(self, value: Any, index: Any) -> None:
        """Put a vector there."""
        place = self.build.bitcast(self.at(index), value.type.as_pointer())
        self.build.store(value, place).align = self.size
