# SPDX-License-Identifier: Apache-2.0
"""Statistics of a design after some Yosys passes."""

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hw.emit.yosys import YosysError, run_yosys, yosys_version
from hw.spec.errors import require

__all__ = ["YosysError", "cells", "statistics", "yosys_version"]

STATISTICS = "stat.json"


def statistics(verilog: Mapping[str, str] | Iterable[str | Path], top: str,
               passes: Sequence[str], *, folder: Path | None = None) -> dict[str, Any]:
    """Read Verilog, run ``passes`` on it and hand back ``stat -json`` as data.

    The design has a process and a folder to itself, and its sources get fixed names: Yosys builds
    names of wires from both, and their order reaches ABC and moves a result by some gates.

    Parameters
    ----------
    verilog
        Sources: texts by name, or paths.
    top
        Top module.
    passes
        Passes, which may read files that are in ``folder`` and write some there.
    folder
        Folder of this one run; a temporary one by default.

    Raises
    ------
    SpecError
        If a file cannot be read.
    YosysError
        If a pass fails.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="yosys-") as scratch:
            return statistics(verilog, top, passes, folder=Path(scratch))
    names = []
    for number, content in enumerate(_contents(verilog)):
        names.append(f"source{number}.v")
        (folder / names[-1]).write_bytes(content)
    script = [f"read_verilog {' '.join(names)}", f"hierarchy -check -top {top}", *passes,
              f"tee -q -o {STATISTICS} stat -json"]
    run_yosys("\n".join(script), cwd=folder)
    data: dict[str, Any] = json.loads((folder / STATISTICS).read_text(encoding="utf-8"))
    return data


def _contents(verilog: Mapping[str, str] | Iterable[str | Path]) -> list[bytes]:
    """Sources as bytes, in their order."""
    if isinstance(verilog, Mapping):
        return [text.encode() for text in verilog.values()]
    files = [Path(file) for file in verilog]
    for file in files:
        require(file.is_file(), "Verilog file", "a readable file", str(file))
    return [file.read_bytes() for file in files]


def cells(data: Mapping[str, Any], top: str) -> dict[str, int]:
    """Cells of ``top`` by type, from `statistics` of a flattened design."""
    modules = data["modules"]
    require(set(modules) == {f"\\{top}"}, "Netlist", f"the one module {top}", sorted(modules))
    return dict(modules[f"\\{top}"]["num_cells_by_type"])
