# SPDX-License-Identifier: Apache-2.0
"""What goes through the flow: generated units and Verilog of others, as texts.

A carry-save MAC may go without what an array has once for many, so that the loop alone is measured:

>>> of_unit(parse_mac("int8,acc=int27,adder=carry-save"), resolve=False, always_valid=True)
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hw.build import build
from hw.spec import Adder, ArraySpec, GemmSpec, MacSpec, OutputSpec
from hw.spec.errors import SpecError, require
from synth.flow.cache import cached_step
from synth.flow.gates import Gates, count
from synth.flow.netlists import placed, repeated

#: What can be generated.
Unit = MacSpec | ArraySpec | OutputSpec | GemmSpec


@dataclass(frozen=True, kw_only=True)
class Design:
    """Verilog of a unit.

    Parameters
    ----------
    name
        What records call it.
    top
        Its top module.
    verilog
        Texts by name.
    reader
        Yosys pass that reads them.
    keep
        Modules that are mapped apart, each once, and counted as often as they are placed.
    element
        Module whose timing is that of the whole: the top, or an array's processing element.
    configuration
        What a record says about it.
    mac, array, gemm
        What it computes, if it is a generated MAC, whole, or a generated array, or the engine of
        which it is all but array and memories.
    """

    name: str
    top: str
    verilog: dict[str, str]
    element: str
    reader: str = "read_verilog"
    keep: tuple[str, ...] = ()
    configuration: dict[str, Any] = field(default_factory=dict)
    mac: MacSpec | None = None
    array: ArraySpec | None = None
    gemm: GemmSpec | None = None


def of_unit(
    spec: Unit, *, flat: bool = False, resolve: bool = True, always_valid: bool = False
) -> Design:
    """Design of a unit that is generated.

    Parameters
    ----------
    spec
        The unit; of an engine what it adds around array and memories.
    flat
        Whether an array or engine is mapped as a whole.
    resolve, always_valid
        What is left of a MAC, see `hw.build.build`: the loop alone, without what an array has once
        for many. A record says so if they are not as by default.

    Raises
    ------
    SpecError
        If the unit has no such part, or cannot be built.
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
    """Modules that are mapped apart: those that an array repeats, those that an engine places."""
    if isinstance(spec, ArraySpec):
        return tuple(repeated(verilog))
    return (
        tuple(dict.fromkeys(placed(verilog, spec.name).values()))
        if isinstance(spec, GemmSpec)
        else ()
    )


@cached_step
def _generate(spec: Unit, *, resolve: bool, always_valid: bool) -> dict[str, str]:
    """Verilog of a unit and the name of its element, as ``verilog`` and ``element``."""
    built = build(
        spec, shell=isinstance(spec, GemmSpec), resolve=resolve, always_valid=always_valid
    )
    return {"verilog": built.verilog(), "element": built.element}


def of_files(files: Iterable[str | Path], top: str) -> Design:
    """Design in SystemVerilog files of anyone.

    Raises
    ------
    SpecError
        If a file cannot be read as text, or ``top`` is no name of a module.
    """
    require(re.fullmatch(r"[A-Za-z_]\w*", top) is not None, "Top", "the name of a module", top)
    paths = [Path(file) for file in files]
    texts: dict[str, str] = {}
    for path in paths:
        require(path.is_file(), "Verilog file", "a readable file", str(path))
        if any(path.samefile(other) for other in texts):
            raise SpecError(f"Verilog file {str(path)!r} is given twice; name it once")
        texts[str(path)] = path.read_bytes().decode("utf-8", errors="replace")
    return Design(
        name=top,
        top=top,
        verilog=texts,
        element=top,
        reader=f"read_slang --top {top}",
        configuration={"files": [path.name for path in paths], "top": top},
    )


def count_mac(spec: MacSpec, recipe: str = "default") -> Gates:
    """Two-input gates of a MAC; see `synth.flow.gates.count`."""
    design = of_unit(spec)
    return count(design.verilog, design.top, recipe)
