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


def statistics(files: Iterable[str | Path], top: str, passes: Sequence[str]) -> dict[str, Any]:
    """Read Verilog, run ``passes`` on it and hand back ``stat -json`` as data.

    The design has a process and a folder to itself, and its sources get fixed names: Yosys builds
    names of wires from both, and their order reaches ABC and moves a result by some gates.

    Raises
    ------
    SpecError
        If a file cannot be read.
    YosysError
        If a pass fails.
    """
    with tempfile.TemporaryDirectory(prefix="yosys-") as scratch:
        folder = Path(scratch)
        names = []
        for number, file in enumerate(files):
            require(Path(file).is_file(), "Verilog file", "a readable file", str(file))
            names.append(f"source{number}.v")
            (folder / names[-1]).write_bytes(Path(file).read_bytes())
        script = [f"read_verilog {' '.join(names)}", f"hierarchy -check -top {top}", *passes,
                  f"tee -q -o {STATISTICS} stat -json"]
        run_yosys("\n".join(script), cwd=folder)
        data: dict[str, Any] = json.loads((folder / STATISTICS).read_text(encoding="utf-8"))
    return data


def cells(data: Mapping[str, Any], top: str) -> dict[str, int]:
    """Cells of ``top`` by type, from `statistics` of a flattened design."""
    modules = data["modules"]
    require(set(modules) == {f"\\{top}"}, "Netlist", f"the one module {top}", sorted(modules))
    return dict(modules[f"\\{top}"]["num_cells_by_type"])
