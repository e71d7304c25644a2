# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""An engine without array and memories, to measure what it adds around them."""

from hw.emit.netlist import Netlist, Port, module_ports

#: Name under which an engine places its array.
_ARRAY = "array"


class Shell(Netlist):
    """Module with memories and array outside: their pins become its ports.

    Pins of memories are passed up to the top module; the names of the instances become prefixes.
    """

    def memory(
        self,
        name: str,
        width: int,
        depth: int,
        *,
        write: tuple[str, str],
        data: dict[str, str],
        read: tuple[str, str],
    ) -> str:
        """As `Netlist.memory`, but adds ports instead of a memory."""
        address, sources = (depth - 1).bit_length(), list(dict.fromkeys(data.values()))
        self._output(f"{name}_w_en", len(data), write[0])
        self._output(f"{name}_w_addr", address, write[1])
        for number, source in enumerate(sources):
            places = [bits.split(":") for bits, own in data.items() if own == source]
            width_of = int(places[0][0]) - int(places[0][1]) + 1
            self._output(f"{name}_w_data_{number}", width_of, source)
        self._output(f"{name}_r_en", 1, read[0])
        self._output(f"{name}_r_addr", address, read[1])
        self.ports.append(Port(f"{name}_q", width, "input"))
        return f"{name}_q"

    def instantiate(self, child, name: str, **connections: str) -> None:
        """As `Netlist.instantiate`, but adds ports instead of the array."""
        ports = {port.name: port for port in module_ports(child)}
        if name == _ARRAY:
            for own, wire in connections.items():
                self._evert(ports[own], f"{name}_{own}", wire)
            return
        if isinstance(child, Shell):
            for own in child.outside:
                connections[own] = f"{name}_{own}"
                self.ports.append(Port(f"{name}_{own}", ports[own].width, ports[own].direction))
        super().instantiate(child, name, **connections)

    @property
    def outside(self) -> list[str]:
        """Ports of memories."""
        return [port.name for port in self.ports if port.name.startswith("words_")]

    def _evert(self, pin: Port, name: str, wire: str) -> None:
        """Add a port for a pin of an outside module, connected to ``wire``."""
        if pin.direction == "input":
            self._output(name, pin.width, wire)
        else:
            self.ports.append(Port(name, pin.width, "input"))
            self.assign(wire, name)

    def _output(self, name: str, width: int, source: str) -> None:
        self.ports.append(Port(name, width, "output"))
        self.assign(name, source)
