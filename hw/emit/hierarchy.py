# SPDX-License-Identifier: Apache-2.0
"""Components that are placed as instances, so that each becomes one Verilog module of its own."""

from amaranth import *
from amaranth.lib import wiring

__all__ = ["Hierarchy", "place"]


class Hierarchy:
    """Elaboration platform that places instances and collects the components behind them.

    Elaborated without it, a component is one tree that Amaranth's own simulator runs.
    """

    def __init__(self) -> None:
        #: Components by module name, in order of placing.
        self.components: dict[str, wiring.Component] = {}

    def instance(self, component: wiring.Component) -> Instance:
        """Instance of the component's module, wired to the component's own ports."""
        self.components.setdefault(component.module_name, component)
        ports = {}
        for path, member, value in component.signature.flatten(component):
            prefix = "i" if member.flow is wiring.In else "o"
            ports[f"{prefix}_{'__'.join(map(str, path))}"] = value
        return Instance(component.module_name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)


def place(m: Module, platform, component: wiring.Component, *, name: str) -> None:
    """Add ``component``, which is clocked and has a ``module_name``, to ``m`` as ``name``."""
    if isinstance(platform, Hierarchy):
        component = platform.instance(component)
    m.submodules[name] = component
