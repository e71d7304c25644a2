# SPDX-License-Identifier: Apache-2.0
"""The operands that flow through the array, and what must become of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import ArraySpec, FixedAccumulator, Format
from hw.spec.errors import require

__all__ = ["TILES", "Tiles"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """Operands of successive tiles as values: ``a`` of shape (T, M, K), ``b`` (T, K, N)."""

    a: npt.NDArray[np.float64]
    b: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.a)

    @property
    def depth(self) -> int:
        """K."""
        return int(self.a.shape[2])

    def codes(self, spec: ArraySpec) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Codes of ``a`` and ``b``, whose values the formats must have."""
        return _exact("a", self.a, spec.mac.a), _exact("b", self.b, spec.mac.b)

    def sums(self, spec: ArraySpec) -> npt.NDArray[np.float64]:
        """Values of the sums by the model, after each product: shape (K, T, M, N)."""
        acc = spec.mac.acc
        require(isinstance(acc, FixedAccumulator), "Wavefront accumulator", "fixed point",
                acc.spelling)
        a, b = self.codes(spec)
        return np.array([[sim.matmul(x[:, :k + 1], y[:k + 1], spec.mac)
                          for x, y in zip(a, b, strict=True)]
                         for k in range(self.depth)]) * 2.0 ** acc.lsb  # type: ignore[union-attr]


def _exact(name: str, values: npt.NDArray[np.float64], fmt: Format) -> npt.NDArray[Any]:
    """Codes of ``values``, none of which may be rounded."""
    codes: npt.NDArray[Any] = sim.encode(values, fmt)
    require(bool((sim.decode(codes, fmt) == values).all()), f"Wavefront operand {name}",
            f"values of {fmt.name}", values.tolist())
    return codes


#: Small whole numbers, such that all sums of a column differ: each can be told where it appears.
TILES = Tiles(
    a=np.array([[[1, 1, 1, 2], [3, 1, 3, 2], [1, 1, 1, 3], [1, 1, 3, 2]],
                [[2, 1, 3, 2], [3, 3, 2, 3], [3, 3, 2, 2], [2, 2, 3, 3]]], np.float64),
    b=np.array([[[1, 2, 3, 3], [1, 2, 3, 1], [3, 2, 1, 1], [1, 2, 1, 1]],
                [[3, 2, 2, 1], [1, 3, 3, 2], [1, 3, 1, 2], [2, 3, 3, 2]]], np.float64))
