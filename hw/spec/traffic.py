# SPDX-License-Identifier: Apache-2.0
"""Bytes that a matrix product moves over an array's streams, in closed form.

Beats have whole bytes; edges of tiles that are filled up with zeros count, since they are moved.
"""

from dataclasses import dataclass

from hw.spec.arrays import ArraySpec

__all__ = ["Traffic", "traffic"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Traffic:
    """Bytes on the streams of A, B and C; flags beside C are not counted."""

    a: int
    b: int
    c: int

    @property
    def total(self) -> int:
        """Bytes on all streams."""
        return self.a + self.b + self.c


def traffic(spec: ArraySpec, m: int, k: int, n: int) -> Traffic:
    """Bytes that ``C[M, N] = A[M, K] @ B[K, N]`` moves, see `ArraySpec.stream_beats`.

    Raises
    ------
    SpecError
        If a side is no size of a product.
    """
    beats, mac = spec.stream_beats(m, k, n), spec.mac
    return Traffic(a=beats.a * _bytes(spec.rows * mac.lanes * mac.a.width),
                   b=beats.b * _bytes(spec.cols * mac.lanes * mac.b.width),
                   c=beats.c * _bytes(spec.cols * spec.slot_width))


def _bytes(bits: int) -> int:
    """Whole bytes of a beat."""
    return -(-bits // 8)
