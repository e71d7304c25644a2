# SPDX-License-Identifier: Apache-2.0
"""The contents of tests/data: hashes of generated Verilog, and results recorded on a GPU.

A refactor does not change the hashes ("same Verilog"); a change of the RTL stores new ones
with ``python -m tests.support.stored``. tests/data/README.md gives the source of the results.
"""

import json
from pathlib import Path

import numpy as np

from hw.build import verilog
from hw.emit.files import write_files
from hw.emit.manifest import sha256
from hw.spec import MacSpec, parse_mac
from tests.support.specs import ARRAYS, GEMMS, MACS, WEIGHT_ARRAYS, WEIGHT_GEMMS

_RECORDED = np.load(Path(__file__).parents[1] / "data" / "h200_fp8_vectors.npz")

#: Names of the sets, spelled ``{a}_{b}_{kind of operands}_k{K}``.
NAMES = [str(name) for name in _RECORDED["names"]]
HASHES = Path(__file__).parents[1] / "data" / "verilog.json"
SPECS = MACS | ARRAYS | GEMMS | WEIGHT_ARRAYS | WEIGHT_GEMMS


def recorded(name: str) -> tuple[MacSpec, np.ndarray, np.ndarray, np.ndarray]:
    """MAC, codes of (M, K) and (K, N), and bits of the (M, N) results of a set."""
    a, b, *_ = name.split("_")
    mac = parse_mac(f"{a}x{b}", acc="hopper")
    return (
        mac,
        *(_RECORDED[f"{name}_{part}"] for part in "ab"),
        _RECORDED[f"{name}_d"].view(np.uint32),
    )


_BLOCKS = np.load(Path(__file__).parents[1] / "data" / "h200_block_sums.npz")
_INDEX = json.loads(_BLOCKS["index"].tobytes())

#: Sets of sums in blocks, spelled ``{a}_{b}_{kind of operands}_k{K}_{mode of the product}``.
BLOCK_NAMES = list(_INDEX)
_MODES = {
    "fast": "acc=hopper",
    "promote": "acc=fp32,inner=hopper,block=128",
    "block_1x128_1x128": "acc=fp32,inner=hopper,block=128,block-scale=fp32-ab",
    "block_1x128_128x128": "acc=fp32,inner=hopper,block=128,block-scale=fp32",
}


def recorded_blocks(
    name: str,
) -> tuple[MacSpec, np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
    """MAC, codes of (M, K) and (K, N), scales by argument, bits of the (M, N) results of a set."""
    fa, fb, _, _, mode = name.split("_", 4)
    part = {key: _BLOCKS[stored] for key, stored in _INDEX[name].items()}
    scales = {}
    if "sa" in part:
        # Recorded as (N, blocks), or (N / 128, blocks) for scales of 128x128.
        times = part["b"].shape[1] // part["sb"].shape[0]
        scales = {"a_scale": part["sa"], "b_scale": np.repeat(part["sb"], times, axis=0).T}
    return parse_mac(f"{fa}x{fb},{_MODES[mode]}"), part["a"], part["b"], scales, part["d"]


def stored() -> dict[str, str]:
    """Hash of each named spec's Verilog, by module name."""
    return json.loads(HASHES.read_text(encoding="utf-8"))


def main() -> None:
    """Generate every named spec and store the hashes."""
    hashes = {spec.name: sha256(verilog(spec)) for spec in SPECS.values()}
    print(*write_files(HASHES.parent, {HASHES.name: json.dumps(hashes, indent=2) + "\n"}))


if __name__ == "__main__":
    main()
