# SPDX-License-Identifier: Apache-2.0
"""Builds hardware from a spec: component, ports, Verilog, and all generated files.

Other packages use Amaranth only through this module. Amaranth is slow to import, so it is imported
when something is built, and a wrong option is reported at once.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any

from hw.emit.files import write_files
from hw.spec import ArraySpec, GemmSpec, MacSpec, OutputSpec
from hw.spec.board import BoardSpec
from hw.version import VERSION

if TYPE_CHECKING:
    from hw.emit.netlist import Port

#: Every spec that can be built.
Spec = MacSpec | ArraySpec | OutputSpec | GemmSpec | BoardSpec
#: Held during elaboration: Amaranth is not documented to be thread-safe.
_ELABORATION = RLock()


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Hardware:
    """Hardware built from a spec.

    Parameters
    ----------
    top
        Amaranth component, or netlist.
    name
        Name of its Verilog module.
    element
        Module that determines the timing: the top, or an array's processing element.
    ports
        Ports of the top, clock and reset first.
    descriptions
        Meaning of each port.
    """

    top: Any
    name: str
    element: str
    ports: "list[Port]"
    descriptions: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Hardware({self.name!r}, {len(self.ports)} ports)"

    def verilog(self) -> str:
        """Verilog of the top and of every module below it."""
        from hw.emit.verilog import to_verilog

        with _ELABORATION:
            return to_verilog(self.top)


def build(
    spec: Spec, *, resolve: bool = True, always_valid: bool = False, shell: bool = False
) -> Hardware:
    """Build ``spec``: its component, and its ports with their meaning.

    Parameters
    ----------
    spec
        Description of the unit.
    resolve
        Whether the carry-save sum of a MAC is resolved; if not, ``o_data`` is the accumulator as
        stored.
    always_valid
        Whether ``i_valid`` of a MAC is tied to 1 instead of being a port.
    shell
        Whether to build an engine without its array and memories.

    Raises
    ------
    SpecError
        If the unit cannot be built.
    """
    from hw import array, gemm, output
    from hw.board.top import DESCRIPTIONS as BOARD_DESCRIPTIONS
    from hw.board.top import board
    from hw.emit.netlist import Netlist, module_ports
    from hw.gemm.shell import Shell
    from hw.mac import mac
    from hw.mac.unit import DESCRIPTIONS as MAC_DESCRIPTIONS
    from hw.mac.unit import AlwaysValid

    with _ELABORATION:
        element, top, descriptions = None, None, {}
        match spec:
            case MacSpec():
                unit = mac(spec, resolve=resolve)
                top, descriptions = AlwaysValid(unit) if always_valid else unit, MAC_DESCRIPTIONS
            case OutputSpec():
                top, descriptions = output.Output(spec), output.descriptions(spec)
            case ArraySpec():
                top, descriptions = array.array(spec), array.descriptions(spec)
                element = array.element(spec).module_name
            case GemmSpec():
                top = gemm.engine(spec, Shell if shell else Netlist)
                descriptions = gemm.descriptions(spec)
            case BoardSpec():
                top, descriptions = board(spec), BOARD_DESCRIPTIONS
        return Hardware(
            top=top,
            name=top.module_name,
            element=element or top.module_name,
            ports=module_ports(top),
            descriptions=descriptions,
        )


def verilog(spec: Spec) -> str:
    """Verilog text of ``spec``."""
    return build(spec).verilog()


def generate(spec: Spec, out: str | Path = ".") -> Path:
    """Write the files of ``spec`` into the folder ``out``; return the path of the manifest.

    The files are named ``spec.name`` with the endings .v (Verilog), .json (manifest) and, except
    for a board, .core (FuseSoC) and .md (ports and protocol). A GEMM engine also has its register
    map as JSON, Markdown, C header and Python. Equal specs give equal bytes; only the manifest
    names tool versions.

    Raises
    ------
    SpecError
        If the unit cannot be built or the folder cannot be written; nothing is written.
    """
    return write_files(Path(out), _texts(spec))[-1]


def _texts(spec: Spec) -> dict[str, str]:
    """Text of each file by name, the manifest last."""
    from hw.emit.manifest import core_file, describe
    from hw.emit.register_map import map_texts
    from hw.emit.sheet import sheet

    built = build(spec)
    texts = {f"{spec.name}.v": built.verilog()}
    if isinstance(spec, BoardSpec):
        texts |= map_texts(spec.gemm)
    else:
        manifest = describe(spec, built.ports, built.descriptions, texts)
        texts[f"{spec.name}.core"] = core_file(spec.name, f"{spec.name}.v", str(spec), VERSION)
        texts[f"{spec.name}.md"] = sheet(manifest, spec)
        texts |= map_texts(spec) if isinstance(spec, GemmSpec) else {}
    manifest = describe(spec, built.ports, built.descriptions, texts)
    return texts | {f"{spec.name}.json": json.dumps(manifest, indent=2) + "\n"}
