# SPDX-License-Identifier: Apache-2.0
"""Parts of an engine, joined by wires of their ports' names."""

from hw.emit.netlist import CLOCKING, Netlist, module_ports
from hw.spec import GemmSpec

__all__ = ["place_part", "sizes"]


def place_part(top: Netlist, child, name: str, *, declare: tuple[str, ...] = (),
               **wires: str) -> None:
    """Place ``child``; ports that are not in ``wires`` are joined to the wire of their own name.

    Those among ``declare`` are declared here.
    """
    ports = [port for port in module_ports(child) if port not in CLOCKING]
    for port in ports:
        if port.name in declare:
            top.wire(port.name, port.width)
    top.place(child, name, **{port.name: wires.get(port.name, port.name) for port in ports})


def sizes(spec: GemmSpec, names: str) -> dict[str, str]:
    """Low bits of the sizes: what is left of them when they have been checked."""
    return {size: f"o_{size}_{size}[{spec.size_bits - 1}:0]" for size in names}
