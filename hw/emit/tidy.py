# SPDX-License-Identifier: Apache-2.0
"""Makes the RTLIL of a module ready to be read: no unused bits, equal widths, plain names.

Amaranth declares all bits of every expression, leaves the extension of operands to the language,
and numbers what has no name. People read the Verilog, and so do lint checks, so

- a bit that nothing reads is left out, together with its logic,
- operands of unlike widths are extended explicitly,
- an expression without a name gets the name of its operation and a number,
- a bit that stays and that nothing reads (of a port, of the output of an instance) is named in
  ``_unused``, which nothing reads either.

What the module computes does not change.
"""

import re
from collections import Counter

from hw.emit.rtlil import Bit, Cell, RtlModule, Signal, Wire
from hw.spec.identifiers import RESERVED

#: Output of a cell. Any other output belongs to an instance or a memory.
_OUTPUTS = {"$dff": "\\Q"}
#: Bit n of the result depends on bit n of these inputs, and on all bits of the other ones.
_BITWISE = {
    "$and": ("\\A", "\\B"),
    "$or": ("\\A", "\\B"),
    "$xor": ("\\A", "\\B"),
    "$xnor": ("\\A", "\\B"),
    "$not": ("\\A",),
    "$mux": ("\\A", "\\B"),
    "$dff": ("\\D",),
}
#: Bit n of the result depends on bits 0 to n of all inputs.
_RIPPLE = ("$add", "$sub", "$mul", "$neg")
#: The result has one bit, and inputs of equal widths.
_COMPARE = ("$eq", "$ne", "$eqx", "$nex", "$lt", "$le", "$gt", "$ge")
_SHIFTS = ("$shr", "$sshr", "$shift")
_WIDTHS = {"\\A": "\\A_WIDTH", "\\B": "\\B_WIDTH", "\\Y": "\\Y_WIDTH"}
UNUSED = "\\_unused"


def tidy(module: RtlModule) -> None:
    """Rewrite ``module``; see the text at the top of the file."""
    _resolve_aliases(module)
    for cell in list(module.cells):
        _extend(cell)
        if cell.kind in _SHIFTS:
            _widen_result(cell, module)
    _remove_dead(module)
    _rename(module)
    _collect_unused(module)


def _output(cell: Cell) -> str | None:
    """Output of a cell whose function is known; None for an instance or a memory."""
    if cell.kind in _OUTPUTS:
        return _OUTPUTS[cell.kind]
    return "\\Y" if "\\Y" in cell.ports and cell.kind.startswith("$") else None


def _resolve_aliases(module: RtlModule) -> None:
    """Replace each wire that only other wires drive by those."""
    alias = {
        bit: driver
        for to, source in module.connections
        for bit, driver in zip(to, source, strict=True)
    }
    # A wire that is driven in parts, and not only by other wires, stays.
    stays = {bit[0] for cell in module.cells if (own := _output(cell)) for bit in cell.ports[own]}
    stays |= {name for name, wire in module.wires.items() if wire.port}
    kept = [([bit], [driver]) for bit, driver in alias.items() if bit[0] in stays]
    alias = {bit: driver for bit, driver in alias.items() if bit[0] not in stays}

    def resolved(bit: Bit) -> Bit:
        while bit in alias:
            bit = alias[bit]
        return bit

    module.connections = [(to, [resolved(bit) for bit in source]) for to, source in kept]
    for cell in module.cells:
        own = _output(cell)
        for port, bits in cell.ports.items():
            if port != own:
                cell.ports[port] = [resolved(bit) for bit in bits]


def _extend(cell: Cell) -> None:
    """Give the operands of a cell the widths that its operation works with."""
    if cell.kind in ("$logic_not", "$logic_and", "$logic_or"):
        _make_bits(cell)
    if cell.kind in _COMPARE:
        width = max(len(cell.ports["\\A"]), len(cell.ports["\\B"]))
    elif cell.kind in _RIPPLE or cell.kind in _BITWISE:
        own = _output(cell)
        width = len(cell.ports[own])
        if cell.kind == "$mul":
            # Verilog takes the full product of equal operands, and so do multipliers of FPGAs.
            width = max(len(cell.ports["\\A"]), len(cell.ports["\\B"]))
    else:
        return
    for port in ("\\A", "\\B"):
        if port in cell.ports and _WIDTHS[port] in cell.parameters:
            bits = cell.ports[port]
            signed = int(cell.parameters[f"{port}_SIGNED"].rpartition("'")[2] or "0", 2)
            fill = bits[-1] if signed and bits else "0"
            cell.ports[port] = (bits + [fill] * (width - len(bits)))[:width]
            if cell.kind in _RIPPLE and cell.kind != "$mul":
                # Signs do not change the sum of operands that are as wide as the result.
                cell.parameters[f"{port}_SIGNED"] = "0"
    _set_widths(cell)


def _widen_result(cell: Cell, module: RtlModule) -> None:
    """Give a shift that leaves out high bits a result as wide as what it shifts."""
    spare = len(cell.ports["\\A"]) - len(cell.ports["\\Y"])
    if spare > 0:
        wire = Wire(f"$spare{len(module.wires)}", spare)
        module.wires[wire.name] = wire
        cell.ports["\\Y"] = cell.ports["\\Y"] + wire.bits
        _set_widths(cell)


def _make_bits(cell: Cell) -> None:
    """Make the operands of a logical operation single bits, or the operation a comparison."""
    if cell.kind == "$logic_not" and len(cell.ports["\\A"]) > 1:
        cell.kind = "$eq"
        own = cell.ports.pop("\\Y")
        cell.ports |= {"\\B": ["0"] * len(cell.ports["\\A"]), "\\Y": own}
        cell.parameters["\\B_SIGNED"] = cell.parameters["\\A_SIGNED"]
        cell.parameters["\\B_WIDTH"] = cell.parameters["\\A_WIDTH"]


def _set_widths(cell: Cell) -> None:
    """Make the parameters of a cell agree with its ports."""
    for port, key in _WIDTHS.items():
        if key in cell.parameters:
            cell.parameters[key] = str(len(cell.ports[port]))
    if "\\WIDTH" in cell.parameters:
        cell.parameters["\\WIDTH"] = str(len(cell.ports[_output(cell) or ""]))


def _is_public(name: str) -> bool:
    """Whether a person gave the name."""
    return name.startswith("\\")


def _remove_dead(module: RtlModule) -> None:
    """Remove bits that no output, instance or memory depends on, and their logic."""
    drivers: dict[Bit, tuple[Cell, int]] = {}
    sources = {bit: source for to, (source,) in module.connections for bit in to}
    live: set[Bit] = set()
    pending: list[Bit] = []
    for cell in module.cells:
        own = _output(cell)
        if own is None:
            # The outputs of an instance are connected whole, whoever reads them.
            for bits in cell.ports.values():
                pending += bits
        else:
            drivers |= {bit: (cell, place) for place, bit in enumerate(cell.ports[own])}
    for wire in module.wires.values():
        if wire.port.startswith("output"):
            pending += wire.bits
    reached: dict[int, int] = {}
    while pending:
        while pending:
            bit = pending.pop()
            if isinstance(bit, str) or bit in live:
                continue
            live.add(bit)
            if bit in drivers:
                pending += _causes(*drivers[bit], reached)
            if bit in sources:
                pending.append(sources[bit])
        # A wire with a name stays in one piece.
        for wire in module.wires.values():
            if _is_public(wire.name) and not wire.port:
                places = [place for place in range(wire.width) if (wire.name, place) in live]
                if places:
                    whole = {(wire.name, place) for place in range(places[0], places[-1])}
                    pending += whole - live
    module.cells = [cell for cell in module.cells if _narrow(cell, live)]
    module.connections = _joined(
        [(bit, source) for bit, source in sources.items() if bit in live], module
    )
    _shrink(module, live)


def _joined(pairs: list[tuple[Bit, Bit]], module: RtlModule) -> list[tuple[Signal, Signal]]:
    """Connections of single bits, those of neighbours in one."""
    order = {name: place for place, name in enumerate(module.wires)}
    joined: list[tuple[Signal, Signal]] = []
    for bit, source in sorted(pairs, key=lambda pair: (order[pair[0][0]], pair[0][1])):
        name, place = bit
        if joined and joined[-1][0][-1] == (name, int(place) - 1):
            joined[-1][0].append(bit)
            joined[-1][1].append(source)
        else:
            joined.append(([bit], [source]))
    return joined


def _causes(cell: Cell, place: int, reached: dict[int, int]) -> Signal:
    """Bits on which bit ``place`` of the output of ``cell`` depends.

    ``reached`` holds how many bits of each rippling cell were asked for before.
    """
    own = _output(cell)
    if cell.kind in _BITWISE:
        even = _BITWISE[cell.kind]
        needed = [cell.ports[port][place] for port in even]
        for port, bits in cell.ports.items():
            if port != own and port not in even:
                needed += bits
        return needed
    first, last = 0, None
    if cell.kind in _RIPPLE:
        first, last = reached.get(id(cell), 0), place + 1
        reached[id(cell)] = max(first, last)
    return [bit for port, bits in cell.ports.items() if port != own for bit in bits[first:last]]


def _narrow(cell: Cell, live: set[Bit]) -> bool:
    """Leave only the live bits of a cell; whether there are any."""
    own = _output(cell)
    if own is None:
        return True
    places = [place for place, bit in enumerate(cell.ports[own]) if bit in live]
    if not places:
        return False
    if cell.kind in _BITWISE:
        for port in (*_BITWISE[cell.kind], own):
            cell.ports[port] = [cell.ports[port][place] for place in places]
    elif cell.kind in _RIPPLE:
        for port, bits in cell.ports.items():
            cell.ports[port] = bits[: places[-1] + 1]
    _set_widths(cell)
    return True


def _shrink(module: RtlModule, live: set[Bit]) -> None:
    """Remove bits of wires that nothing drives or reads any more."""
    driven = live | {
        bit
        for cell in module.cells
        if (own := _output(cell)) is not None
        for bit in cell.ports[own]
    }
    moved: dict[Bit, Bit] = {}
    wires: dict[str, Wire] = {}
    for wire in module.wires.values():
        if wire.port:
            wires[wire.name] = wire
            continue
        places = [place for place in range(wire.width) if (wire.name, place) in driven]
        if not places:
            continue
        if wire.init:
            wire.init = "".join(wire.init[wire.width - 1 - place] for place in reversed(places))
        if _is_public(wire.name):
            wire.offset += places[0]
        moved |= {(wire.name, place): (wire.name, new) for new, place in enumerate(places)}
        wire.width = len(places)
        wires[wire.name] = wire
    module.wires = wires
    _replace(module, moved)


def _replace(module: RtlModule, new: dict[Bit, Bit]) -> None:
    """Replace bits everywhere."""
    for cell in module.cells:
        for port, bits in cell.ports.items():
            cell.ports[port] = [new.get(bit, bit) for bit in bits]
    module.connections = [
        ([new.get(bit, bit) for bit in to], [new.get(bit, bit) for bit in source])
        for to, source in module.connections
    ]


def _rename(module: RtlModule) -> None:
    """Give each wire a name that Verilog and people can read."""
    drivers = {}
    for cell in module.cells:
        own = _output(cell)
        if own is not None:
            drivers |= {bit[0]: cell.kind.strip("$") for bit in cell.ports[own]}
    taken = {name for name, wire in module.wires.items() if wire.port}
    taken |= {line.split()[-1] for line in module.memories}
    taken |= {cell.name for cell in module.cells if not cell.kind.startswith("$")}
    names: dict[str, str] = {}
    numbers: Counter[str] = Counter()
    for public in (True, False):
        for name, wire in module.wires.items():
            if wire.port or _is_public(name) is not public:
                continue
            plain = re.sub(r"\W+", "_", name[1:], flags=re.ASCII).strip("_") if public else ""
            stem = plain if plain[:1].isalpha() else f"net_{plain}".rstrip("_")
            if not public:
                stem = drivers.get(name, "net")
            chosen = f"\\{stem}"
            while not public or chosen in taken or stem in RESERVED:
                numbers[stem] += 1
                chosen = f"\\{stem}_{numbers[stem]}"
                if chosen not in taken:
                    break
            taken.add(chosen)
            names[name] = chosen
    bits = {
        bit: (names[name], bit[1])
        for name, wire in module.wires.items()
        if name in names
        for bit in wire.bits
    }
    wires = {}
    for name, wire in module.wires.items():
        wire.name = names.get(name, name)
        wires[wire.name] = wire
    module.wires = wires
    _replace(module, bits)


def _collect_unused(module: RtlModule) -> None:
    """Name the bits that nothing reads in a wire of their own."""
    read: set[Bit] = set()
    for cell in module.cells:
        own = _output(cell)
        for port, bits in cell.ports.items():
            if port != own:
                read.update(bits)
    for _, source in module.connections:
        read.update(source)
    spare = [
        bit
        for wire in module.wires.values()
        if not wire.port.startswith("output")
        for bit in wire.bits
        if bit not in read
    ]
    if spare:
        module.wires[UNUSED] = Wire(UNUSED, 1)
        widths = {"\\A_SIGNED": "0", "\\A_WIDTH": str(len(spare) + 1), "\\Y_WIDTH": "1"}
        ports = {"\\A": [*spare, "0"], "\\Y": [(UNUSED, 0)]}
        module.cells.append(Cell("$reduce_and", "$unused", widths, ports))
