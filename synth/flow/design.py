# SPDX-License-Identifier: Apache-2.0
"""Designs for the flow: generated units, and Verilog files of users.

A carry-save MAC can be built without the logic that an array shares between MACs, to measure the
accumulate loop alone:

>>> of_unit(parse_mac("int8,acc=int27,adder=carry-save"), resolve=False, always_valid=True)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw.build import build
from hw.spec import Adder, ArraySpec, GemmSpec, MacSpec, OutputSpec
from hw.spec.errors import require
from synth.flow.cache import cached_step
from synth.flow.gates import Gates, count
from synth.flow.netlists import placed, repeated
from synth.flow.sources import Sources, elaborate

#: Units that can be generated.
Unit = MacSpec | ArraySpec | OutputSpec | GemmSpec


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog of a unit.

    Parameters
    ----------
    name
        Name in records.
    top
        Name of the top module.
    verilog
        Source texts by name.
    reader
        Yosys pass that reads the sources.
    keep
        Modules that are mapped separately, once each, and counted once per instance.
    element
        Module that determines the timing: the top, or an array's processing element.
    configuration
        Configuration for the record.
    clock_port
        The port that is the clock, where the netlist alone does not tell.
    mac, array, gemm
        The unit, if it is a complete generated MAC, a generated array, or an engine without its
        array and memories.
    """

    name: str
    top: str
    verilog: dict[str, str]
    element: str
    reader: str = "read_verilog"
    keep: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)
    clock_port: str | None = None
    mac: MacSpec | None = None
    array: ArraySpec | None = None
    gemm: GemmSpec | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether a user wrote it."""
        return "files" in self.configuration


def of_unit(
    spec: Unit, *, flat: bool = False, resolve: bool = True, always_valid: bool = False
) -> Design:
    """Generate a unit and return its design.

    Parameters
    ----------
    spec
        The unit. An engine is measured without its array and memories.
    flat
        Whether to map an array or engine flat.
    resolve, always_valid
        Whether a MAC keeps logic that an array shares between MACs; see `hw.build.build`. Values
        other than the defaults are stated in the record.

    Raises
    ------
    SpecError
        If the unit does not have these options, or cannot be built.
    """
    require(
        resolve or (isinstance(spec, MacSpec) and spec.adder is Adder.CARRY_SAVE),
        "Unresolved unit",
        "a MAC with the adder carry-save",
        str(spec),
    )
    require(isinstance(spec, MacSpec) or not always_valid, "Always-valid unit", "a MAC", str(spec))
    data = _generate(spec, resolve=resolve, always_valid=always_valid)
    bare = (
        {} if resolve and not always_valid else {"resolve": resolve, "always_valid": always_valid}
    )
    keep = () if flat else _parts(spec, data["verilog"])
    configuration: dict[str, Any] = {"unit": str(spec)}
    if isinstance(spec, ArraySpec | GemmSpec):
        configuration |= {"flat": flat, "parts": list(keep)}
    top = data["element"] if bare else spec.name
    return Design(
        name=top,
        top=top,
        verilog={f"{top}.v": data["verilog"]},
        keep=keep,
        element=data["element"],
        configuration=configuration | bare,
        mac=spec if isinstance(spec, MacSpec) and not bare else None,
        array=spec if isinstance(spec, ArraySpec) else None,
        gemm=spec if isinstance(spec, GemmSpec) else None,
    )


def _parts(spec: Unit, verilog: str) -> tuple[str, ...]:
    """Modules to map separately: those that an array repeats or that an engine contains."""
    if isinstance(spec, ArraySpec):
        return tuple(repeated(verilog))
    return (
        tuple(dict.fromkeys(placed(verilog, spec.name).values()))
        if isinstance(spec, GemmSpec)
        else ()
    )


@cached_step
def _generate(spec: Unit, *, resolve: bool, always_valid: bool) -> dict[str, str]:
    """Verilog of a unit and name of its element, under the keys ``verilog`` and ``element``."""
    built = build(
        spec, shell=isinstance(spec, GemmSpec), resolve=resolve, always_valid=always_valid
    )
    return {"verilog": built.verilog(), "element": built.element}


def of_files(
    files: Iterable[str | Path] | Sources, top: str, *, clock_port: str | None = None
) -> Design:
    """Design from SystemVerilog files.

    Raises
    ------
    SpecError
        If a file cannot be read, or ``top`` is not a module name.
    YosysError
        If no reader accepts the files.
    """
    require(re.fullmatch(r"[A-Za-z_]\w*", top) is not None, "Top", "the name of a module", top)
    if not isinstance(files, Sources):
        files = Sources(files=tuple(map(str, files)))
    read = elaborate(files, top)
    given = {
        "include_dirs": files.include_dirs,
        "defines": files.defines,
        "params": files.params,
        "clock_port": clock_port,
        "reader_messages": read.notes,
    }
    return Design(
        name=top,
        top=top,
        verilog={f"{top}.il": read.text},
        element=top,
        reader="read_rtlil",
        clock_port=clock_port,
        configuration={
            "files": [Path(file).name for file in files.files],
            "top": top,
            "reader": read.reader,
            **{
                name: list(value) if isinstance(value, tuple) else value
                for name, value in given.items()
                if value
            },
        },
    )


def count_mac(spec: MacSpec, recipe: str = "default") -> Gates:
    """Two-input gates of a MAC; see `synth.flow.gates.count`."""
    design = of_unit(spec)
    return count(design.verilog, design.top, recipe)
