# SPDX-License-Identifier: Apache-2.0
"""Run Yosys passes on a design and read its statistics."""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hw.emit.yosys import YosysError, run_yosys, yosys_version
from hw.spec.errors import require

__all__ = ["YosysError", "cells", "statistics", "yosys_version"]

STATISTICS = "stat.json"


def statistics(
    verilog: Mapping[str, str] | Iterable[str | Path],
    top: str,
    passes: Sequence[str],
    *,
    keep: Sequence[str] = (),
    reader: str = "read_verilog",
    folder: Path | None = None,
) -> dict[str, Any]:
    """Read Verilog, run ``passes``, and return ``stat -json`` as data.

    Each design has its own process and folder, and its sources get fixed names. Otherwise results
    could change by a few gates: Yosys derives wire names from both, and their order affects ABC.

    Parameters
    ----------
    verilog
        Sources: texts by name, or paths.
    top
        Top module.
    passes
        Passes, which may read and write files in ``folder``.
    keep
        Modules that are kept when the rest is flattened.
    reader
        Pass that reads the sources.
    folder
        Folder for this run; by default a temporary folder.

    Raises
    ------
    SpecError
        If a file cannot be read.
    YosysError
        If a pass fails.
    """
    if not isinstance(verilog, Mapping):
        verilog = list(verilog)
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="yosys-") as scratch:
            return statistics(verilog, top, passes, keep=keep, reader=reader, folder=Path(scratch))
    names = []
    for number, content in enumerate(_contents(verilog)):
        names.append(f"source{number}.v")
        (folder / names[-1]).write_bytes(content)
    script = [
        f"{reader} {' '.join(names)}",
        f"hierarchy -check -top {top}",
        *(f"setattr -mod -set keep_hierarchy 1 {name}" for name in keep),
        *passes,
        f"tee -q -o {STATISTICS} stat -json",
    ]
    try:
        run_yosys("\n".join(script), cwd=folder)
    except YosysError as error:
        named = list(map(str, verilog))
        raise YosysError(
            re.sub(r"\bsource(\d+)\.v\b", lambda match: named[int(match[1])], str(error))
        ) from None
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
    """Cells in and below ``top`` by type, from `statistics`. Modules count once per instance."""
    modules = {name.removeprefix("\\"): module for name, module in data["modules"].items()}
    require(top in modules, "Netlist", f"one with the module {top}", ", ".join(sorted(modules)))

    def below(name: str) -> Counter[str]:
        counts: Counter[str] = Counter()
        for kind, number in modules[name]["num_cells_by_type"].items():
            parts = below(kind) if kind in modules else {kind: 1}
            counts.update({part: number * count for part, count in parts.items()})
        return counts

    return dict(below(top))
