# SPDX-License-Identifier: Apache-2.0
"""Compiles a module to a model; a function may change its Verilog first."""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import sim.rtl
from hw.emit.netlist import CLOCKING, module_ports
from hw.emit.verilog import to_verilog

#: Returns changed Verilog, from a module's Verilog and its name.
Change = Callable[[str, str], str]


def unchanged(verilog: str, top: str) -> str:
    """The Verilog as it was generated."""
    return verilog


def compile_module(
    module, folder: Path, *, clocked: bool = True, change: Change = unchanged, optimize: str = "-O0"
) -> sim.rtl.Model:
    """Compile a component or netlist; ``change`` may map it to gates or mutate it."""
    top = module.module_name
    source = folder / f"{top}.v"
    source.write_text(change(to_verilog(module), top))
    ports = [asdict(port) for port in module_ports(module) if clocked or port not in CLOCKING]
    model = sim.rtl.compile([source], top, ports, optimize=optimize)
    if clocked:
        model.reset()
    return model
