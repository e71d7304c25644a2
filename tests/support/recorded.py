# SPDX-License-Identifier: Apache-2.0
"""Results of tensor cores that were recorded on a GPU; tests/data/README.md says where."""

from pathlib import Path

import numpy as np

from hw.spec import MacSpec, parse_mac

__all__ = ["NAMES", "recorded"]

_RECORDED = np.load(Path(__file__).parents[1] / "data" / "h200_fp8_vectors.npz")

#: Names of the sets, spelled ``{a}_{b}_{kind of operands}_k{K}``.
NAMES = [str(name) for name in _RECORDED["names"]]


def recorded(name: str) -> tuple[MacSpec, np.ndarray, np.ndarray, np.ndarray]:
    """MAC, codes of (M, K) and (K, N), and bits of the (M, N) results of a set."""
    a, b, *_ = name.split("_")
    mac = parse_mac(f"{a}x{b}", acc="hopper")
    return mac, *(_RECORDED[f"{name}_{part}"] for part in "ab"), \
        _RECORDED[f"{name}_d"].view(np.uint32)
