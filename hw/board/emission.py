# SPDX-License-Identifier: Apache-2.0
"""Files of what goes onto a board."""

import json
from dataclasses import dataclass
from pathlib import Path

from hw.board.top import DESCRIPTIONS, board
from hw.emit.files import write_files
from hw.emit.manifest import describe
from hw.emit.netlist import module_ports
from hw.emit.register_map import map_texts
from hw.emit.verilog import to_verilog
from hw.spec import GemmSpec
from hw.spec.board import BoardSpec

__all__ = ["Emitted", "emit"]


@dataclass(frozen=True, slots=True)
class Emitted:
    """Name of the top module, its Verilog files, and the manifest."""

    top: str
    files: list[Path]
    manifest: Path


def emit(spec: GemmSpec, clock_hz: int, baud: int, out: str | Path) -> Emitted:
    """Write the Verilog of `board` into the folder ``out``, with manifest and register map.

    The same arguments give the same bytes; only the manifest names tool versions.

    Raises
    ------
    SpecError
        If there is no such board or the folder cannot be written; nothing is written then.
    """
    whole = BoardSpec(gemm=spec, clock_hz=clock_hz, baud=baud)
    top = board(whole)
    texts = {f"{whole.name}.v": to_verilog(top)} | map_texts(spec)
    manifest = describe(whole, module_ports(top), DESCRIPTIONS, texts)
    texts[f"{whole.name}.json"] = json.dumps(manifest, indent=2) + "\n"
    paths = write_files(Path(out), texts)
    return Emitted(whole.name, [path for path in paths if path.suffix == ".v"], paths[-1])
