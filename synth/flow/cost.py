# SPDX-License-Identifier: Apache-2.0
"""Gate cost as in appendix B of arXiv 2303.17951, in equivalent two-input gates.

There are two methods: `hand_count` adds up the blocks of the paper's figures, and `price`
synthesises the RTL, maps it for the lowest cost, and adds up the netlist.
"""

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from hw.spec import FixedAccumulator, FloatAccumulator, Format, MacSpec
from hw.spec.command import Parser, add_mac_options, chosen_mac, run_command
from hw.spec.errors import SpecError, require
from synth.flow import yosys
from synth.flow.gates import recipe_passes
from synth.record import NotDone

# Appendix B, table of costs.
AND2, MUX2, HALF_ADDER, FULL_ADDER, FLIP_FLOP = 1, 3, 3, 7, 6


@dataclass(frozen=True, kw_only=True, slots=True)
class HandCount:
    """Equivalent two-input gates of a MAC by block. ``missing`` lists parts without a cost."""

    multiply: int
    align_add: int
    normalise: int
    missing: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Gates of the unit without the missing parts."""
        return self.multiply + self.align_add + self.normalise


def add(bits: int) -> int:
    """Adder of ``bits`` bits."""
    return (bits - 1) * FULL_ADDER + HALF_ADDER


def multiply(bits: int) -> int:
    """Multiplier of two numbers of ``bits`` bits: partial products and their reduction."""
    return bits**2 * AND2 + (bits - 1) ** 2 * FULL_ADDER + (bits - 1) * HALF_ADDER


def shift_left(bits: int, most: int) -> int:
    """Left shifter of ``bits`` bits by 0 to ``most`` places."""
    return bits * most.bit_length() * MUX2 - most * (MUX2 - AND2)


def shift_left_widening(bits: int, most: int) -> int:
    """Left shifter that widens from ``bits`` to ``bits + most`` bits."""
    return (bits - 2) * most.bit_length() * MUX2 + most * (MUX2 + AND2)


def shift_right(bits: int, most: int) -> int:
    """Right shifter of a signed number by 0 to ``most`` places."""
    return (bits - 1) * most.bit_length() * MUX2


def hand_count(spec: MacSpec) -> HandCount:
    """Gates of ``spec``, counted as in the paper.

    Raises
    ------
    SpecError
        For a unit that the paper does not describe: several lanes, two operand formats, formats
        that are not 8 bits wide, an aligned accumulator.
    """
    require(
        spec.lanes == 1 and spec.a == spec.b and spec.a.width == 8 and spec.a.signed,
        "Hand count unit",
        "one lane of two signed operands in the same 8-bit format",
        str(spec),
    )
    if isinstance(spec.acc, FixedAccumulator):
        return _fixed(spec.a, spec.acc.width)
    if not isinstance(spec.acc, FloatAccumulator):
        raise SpecError(
            f"Hand count accumulator must be fixed or floating point, not {str(spec.acc)!r}"
        )
    return _floating(spec.a, spec.acc.fmt)


def _fixed(fmt: Format, width: int) -> HandCount:
    """Fixed-point accumulation, figure 2a: align the product, add, increment the guard bits."""
    sig = _significand_bits(fmt)
    product = 2 * sig - 1
    if fmt.is_integer:
        return HandCount(
            multiply=multiply(sig),
            align_add=add(product),
            normalise=_register(width) + _guard(width - product),
        )
    most = 2 * ((1 << fmt.exp_bits) - 2)
    aligned = product + most
    return HandCount(
        multiply=multiply(sig) + add(fmt.exp_bits),
        align_add=(
            _register(product + fmt.exp_bits + 1)
            + shift_left_widening(product, most)
            + add(aligned)
        ),
        normalise=_register(width) + _guard(width - aligned),
    )


def _floating(fmt: Format, acc: Format) -> HandCount:
    """Floating-point accumulation, figure 2b: sort by exponent, align, add, normalise, round.

    Appendix B has no cost for the leading-zero detector, so it is missing. Sorting is counted as
    the multiplexers that swap the significands and select the exponent.
    """
    sig, exp = _significand_bits(fmt), fmt.exp_bits or 2
    product, sum_bits = 2 * sig - 1, acc.precision + 1
    acc_exp = max(acc.exp_bits, exp + 2)
    window = sum_bits + 2
    sort = (2 * sum_bits + acc_exp) * MUX2
    return HandCount(
        multiply=multiply(sig) + add(exp + 1),
        align_add=(
            _register(product + exp + 2)
            + add(acc_exp + 1)
            + sort
            + shift_right(window, window - 1)
            + add(window)
            + _register(window + 1)
        ),
        normalise=(
            shift_left(window, window - 1)
            + add(acc_exp + 1)
            + _guard(sum_bits)
            + _register(sum_bits + acc_exp)
        ),
        missing=("leading-zero detector",),
    )


def _significand_bits(fmt: Format) -> int:
    """Bits of a significand including its sign."""
    return fmt.width if fmt.is_integer else fmt.man_bits + 2


def _register(bits: int) -> int:
    return bits * FLIP_FLOP


def _guard(bits: int) -> int:
    """Incrementer."""
    return bits * HALF_ADDER


GENLIB = Path(__file__).with_name("appendix_b.genlib")
#: Kinds of registers: whether with enable, and whether with synchronous reset.
_FLIP_FLOP = re.compile(r"\$_(?P<reset>S?)DFF(?P<enable>C?E?)_[A-Z0-9]+_")
_UNCOUNTED = {"$scopeinfo"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """Cost by kind of part.

    ``logic`` is all combinational logic, ``flip_flops`` the plain flip-flops. ``control`` is the
    cost of register enables (a multiplexer per bit) and resets (an AND per bit), which the paper's
    figures do not include.
    """

    logic: int
    flip_flops: int
    control: int

    @property
    def total(self) -> int:
        """Total as in the paper, without ``control``."""
        return self.logic + self.flip_flops


def price(
    verilog: Mapping[str, str] | Iterable[str | Path],
    top: str,
    recipe: str = "keep",
    *,
    keep: Sequence[str] = (),
    reader: str = "read_verilog",
) -> Cost:
    """Map a design for the lowest cost and add it up. Arguments are as in `gates.count`.

    Raises
    ------
    SpecError
        For a recipe without a list ``cost``, or a missing file.
    NotDone
        If a cell has no cost.
    YosysError
        If Yosys reports an error.
    """
    passes = recipe_passes(recipe, "cost")
    with tempfile.TemporaryDirectory(prefix="cost-") as scratch:
        folder = Path(scratch)
        (folder / "cost.genlib").write_text(GENLIB.read_text(encoding="utf-8"), encoding="utf-8")
        data = yosys.statistics(verilog, top, passes, keep=keep, reader=reader, folder=folder)
    cells = yosys.cells(data, top)
    gates = {
        match[1]: int(match[2])
        for match in re.finditer(
            r"^GATE (\w+) +(\d+)", GENLIB.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    registers = {name: match for name in cells if (match := _FLIP_FLOP.fullmatch(name))}
    strange = sorted(cells.keys() - gates.keys() - registers.keys() - _UNCOUNTED)
    if strange:
        raise NotDone(f"the appendix has no cost for {', '.join(strange)}")
    return Cost(
        logic=sum(cells.get(name, 0) * cost for name, cost in gates.items()),
        flip_flops=sum(cells[name] for name in registers) * FLIP_FLOP,
        control=sum(
            cells[name] * (MUX2 * bool(match["enable"]) + AND2 * bool(match["reset"]))
            for name, match in registers.items()
        ),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: hand count of one unit. Returns 0, or 2 if the arguments are wrong."""
    parser = Parser(
        prog="python -m synth.flow.cost",
        description="Count the gates of a MAC with the costs in appendix B of arXiv 2303.17951.",
    )
    add_mac_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run_command(parser, _body, arguments)


def _body(options: argparse.Namespace) -> None:
    if options.mac is None:
        raise SpecError("There is no MAC to count: give --mac PAIR, for instance --mac e4m3")
    spec = chosen_mac(options)
    gates = hand_count(spec)
    if options.json:
        print(json.dumps({"mac": str(spec), "total": gates.total, **asdict(gates)}, indent=2))
        return
    without = f", without {', '.join(gates.missing)}" if gates.missing else ""
    print(
        f"{spec}: {gates.multiply} multiply + {gates.align_add} align and add + "
        f"{gates.normalise} normalise = {gates.total} gates{without}"
    )


if __name__ == "__main__":
    sys.exit(main())
