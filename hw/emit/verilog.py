# SPDX-License-Identifier: Apache-2.0
"""Converts a component or a netlist to Verilog; equal descriptions give equal bytes."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.lib import wiring

from hw.emit.netlist import Hierarchy, Netlist
from hw.emit.yosys import run_yosys

#: Component with a ``module_name``, or netlist.
Module = Any


def to_verilog(top: Module) -> str:
    """Verilog of ``top`` and of every module below it, each once, ``top`` first."""
    modules = _collect(top)
    texts = _convert({name: c for name, c in modules.items() if not isinstance(c, Netlist)})
    texts |= {name: c.verilog() for name, c in modules.items() if isinstance(c, Netlist)}
    return "\n".join(texts[name] for name in [*modules, *(n for n in texts if n not in modules)])


def _collect(top: Module) -> dict[str, Module]:
    """Modules by name, parents before children."""
    modules: dict[str, Module] = {}
    pending = [top]
    while pending:
        current = pending.pop(0)
        modules[current.module_name] = current
        if isinstance(current, Netlist):
            pending += [c for name, c in current.children.items() if name not in modules]
    return modules


def _convert(components: Mapping[str, wiring.Component]) -> dict[str, str]:
    """Verilog of Amaranth components and of the components that they instantiate, by name."""
    hierarchy = Hierarchy()
    hierarchy.components |= components
    parts: dict[str, str] = {}
    while missing := [name for name in hierarchy.components if name not in parts]:
        for name in missing:
            parts[name] = rtlil.convert(
                hierarchy.components[name], name=name, platform=hierarchy, emit_src=False
            )
    if not parts:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.il").write_text("\n".join(parts.values()))
        # Submodules without a module name (library parts) are flattened into their parent.
        # Memories have no initial contents, as in silicon.
        # Yosys would write a parallel multiplexer as a function whose name starts with $, and
        # Icarus reserves such names.
        run_yosys(
            f"read_rtlil design.il\nsetattr -mod -unset top\n"
            f"setattr -mod -set keep_hierarchy 1 {' '.join(parts)}\n"
            "flatten -separator _\ndelete t:$meminit_v2\nproc\npmuxtree\nclean\n"
            "write_verilog -norename -noattr design.v",
            cwd=Path(folder),
        )
        written = Path(folder, "design.v").read_text()
    # The text before the first module names the tool and its version, and is dropped.
    texts = {
        chunk.partition("(")[0].strip(): f"module {chunk.rstrip()}\n"
        for chunk in written.split("\nmodule ")[1:]
    }
    return {name: texts[name] for name in parts}
