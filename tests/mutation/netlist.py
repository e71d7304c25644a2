# SPDX-License-Identifier: Apache-2.0
"""Mutations of a unit's netlist, chosen by Yosys ``mutate``: all of them in one compiled model.

An input ``mutsel`` selects the mutation, 0 none, so a unit is compiled once however many there are.
"""

import ctypes
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import sim.rtl
from hw.emit.netlist import Port, module_ports
from hw.emit.verilog import to_verilog
from hw.emit.yosys import run_yosys
from sim.rtl import Model

#: The input that selects a mutation.
SELECT = "mutsel"
SELECT_BITS = 8

_OPTION = re.compile(r"-(\w+) (\S+)")
#: Part of a cell's name in which Yosys notes where the cell comes from.
_ORIGIN = re.compile(r"\$flatten|\$auto\$[\w.]+:\d+:|\$techmap")
#: From Verilog to gates of one bit, in one module, named by where they were. Where ``opt`` finds
#: that a register's input does not count, it leaves an undefined bit.
_CHOOSE = """read_verilog unit.v
hierarchy -check -top {top}
proc
opt
techmap
flatten
opt
setundef -zero
opt
write_rtlil sound.il
mutate -list {count} -seed {seed} -o chosen.ys {cells}"""
_MUTATE = """read_rtlil sound.il
{mutations}
opt_clean
write_verilog -noattr mutated.v"""
#: Clock port of a register, which is not mutated.
_CLOCK_PORT = "C"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change of a netlist: options of the Yosys command that makes it, by name."""

    options: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, line: str) -> "Mutation":
        """Mutation of a line of the list; where its cell comes from in the Verilog is left out."""
        return cls(tuple(option for option in _OPTION.findall(line) if option[0] != "src"))

    def command(self, place: int) -> str:
        """Yosys command that applies it where the input that selects has the value ``place``."""
        options = " ".join(f"-{name} {value}" for name, value in self.options)
        return f"mutate -ctrl {SELECT} {SELECT_BITS} {place} {options}"

    @property
    def port(self) -> str:
        """Port of the cell."""
        return dict(self.options)["port"]

    @property
    def name(self) -> str:
        """Name of the mutation: its kind, cell, bit and wire."""
        get = dict(self.options).get
        cell = _ORIGIN.sub("", get("cell"))
        control = f" if bit {get('ctrlbit')}" if get("ctrlbit") else ""
        wire = f" ({get('wire')}[{get('wirebit')}])" if get("wire") else ""
        text = f"{get('mode')}{control} {cell}.{get('port')}[{get('portbit')}]{wire}"
        return text.replace("\\", "")


class MutatedNetlist:
    """Netlist of ``component`` with mutations, written as Verilog into ``folder``.

    Parameters
    ----------
    component
        What is built: a component or a netlist of modules.
    folder
        Where the files go.
    count
        Mutations that Yosys chooses, evenly over the cells.
    seed
        Of the choice.
    cells
        Pattern of the cells that get mutations, as Yosys selects objects.
    """

    def __init__(self, component, folder: Path, *, count: int, seed: int, cells: str = "*"):
        assert count < 1 << SELECT_BITS
        self.folder = folder
        self.top = component.module_name
        self.ports = [*module_ports(component), Port(SELECT, SELECT_BITS, "input")]
        (folder / "unit.v").write_text(to_verilog(component))
        # Some of the chosen mutations may be at a clock.
        run_yosys(
            _CHOOSE.format(top=self.top, count=count + count // 2, seed=seed, cells=cells),
            cwd=folder,
        )
        chosen = map(Mutation.of, (folder / "chosen.ys").read_text().splitlines())
        self.mutations = [one for one in chosen if one.port != _CLOCK_PORT][:count]
        assert len(set(self.mutations)) == count, len(set(self.mutations))
        commands = (one.command(place) for place, one in enumerate(self.mutations, 1))
        run_yosys(_MUTATE.format(mutations="\n".join(commands)), cwd=folder)

    @property
    def verilog(self) -> str:
        """Text of the netlist with all its mutations."""
        return (self.folder / "mutated.v").read_text()

    def compile(self, build_dir: Path | None = None) -> Model:
        """Compile the netlist with all its mutations."""
        return sim.rtl.compile(
            [self.folder / "mutated.v"],
            self.top,
            map(asdict, self.ports),
            build_dir=build_dir,
            optimize="-O1",
        )


class SelectedModel(Model):
    """A compiled netlist with its mutations, one of them selected for good; 0 is none.

    The input that selects is none of its ports.
    """

    def __init__(self, model: Model, place: int):
        super().__init__(model.library, model.ports.values())
        del self.ports[SELECT]
        self._driven = [port for port in self._driven if port.name != SELECT]
        value = np.array([place], np.uint64)
        self.code.bench_write(self.bench, self.index[SELECT], ctypes.c_void_p(value.ctypes.data))
        self.reset()
