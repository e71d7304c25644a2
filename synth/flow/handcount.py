# SPDX-License-Identifier: Apache-2.0
"""The hand count of gates of arXiv 2303.17951: its appendix B as a program.

``python -m synth.flow.handcount`` prints it beside the paper's figure 3. The costs are equivalent
two-input gates, ``sum(inputs - 1)``, flip-flops included. Widths are those of the paper's figure 2.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.spec import FixedAccumulator, Format, MacSpec, parse_mac
from hw.spec.command import Parser, add_mac_options, chosen_mac, run_command
from hw.spec.errors import require

__all__ = ["Bar", "HandCount", "allowed_gates", "figure", "hand_count", "main"]

FIGURE = Path(__file__).with_name("figure3.toml")

# Appendix B, table of costs.
AND2, MUX2, HALF_ADDER, FULL_ADDER, FLIP_FLOP = 1, 3, 3, 7, 6


@dataclass(frozen=True, kw_only=True, slots=True)
class HandCount:
    """Equivalent two-input gates of a MAC by block; ``missing`` are parts that have no cost."""

    multiply: int
    align_add: int
    normalise: int
    missing: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """Gates of the whole unit, the missing parts left out."""
        return self.multiply + self.align_add + self.normalise


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the paper's figure 3: its unit, gates by block, lowest and highest total."""

    mac: MacSpec
    blocks: dict[str, int]
    total: tuple[int, int]


def figure() -> list[Bar]:
    """The bars of the paper's figure 3."""
    data = tomllib.loads(FIGURE.read_text(encoding="utf-8"))
    return [Bar(parse_mac(bar["mac"]), bar["blocks"], (bar["total"][0], bar["total"][1]))
            for bar in data["bar"]]


def allowed_gates() -> dict[MacSpec, int]:
    """Two-input gates of each unit at the figure's ratio to INT8, from a plain INT8 unit's."""
    bars = figure()
    reference = tomllib.loads(FIGURE.read_text(encoding="utf-8"))["reference_gates"]
    return {bar.mac: round(reference * bar.total[0] / bars[0].total[0]) for bar in bars}


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
    """Left shifter that grows from ``bits`` to ``bits + most`` bits."""
    return (bits - 2) * most.bit_length() * MUX2 + most * (MUX2 + AND2)


def shift_right(bits: int, most: int) -> int:
    """Right shifter of a signed number by 0 to ``most`` places."""
    return (bits - 1) * most.bit_length() * MUX2


def hand_count(spec: MacSpec) -> HandCount:
    """Gates of ``spec`` as the paper counts them.

    Raises
    ------
    SpecError
        For a unit that the paper does not describe: several lanes, operands of two formats, a
        format that is not 8 bits wide, an aligned accumulator.
    """
    require(spec.lanes == 1 and spec.a == spec.b and spec.a.width == 8 and spec.a.signed,
            "Hand count unit", "one lane of two signed operands of one format of 8 bits", str(spec))
    if isinstance(spec.acc, FixedAccumulator):
        return _fixed(spec.a, spec.acc.width)
    require(hasattr(spec.acc, "rounding"), "Hand count accumulator", "fixed or floating point",
            str(spec.acc))
    return _floating(spec.a, spec.acc.fmt)


def _fixed(fmt: Format, width: int) -> HandCount:
    """Fixed-point accumulation, figure 2a: align the product, add, step the guard bits."""
    sig = _significand_bits(fmt)
    product = 2 * sig - 1
    if fmt.is_integer:
        return HandCount(multiply=multiply(sig), align_add=add(product),
                         normalise=_register(width) + _guard(width - product))
    most = 2 * ((1 << fmt.exp_bits) - 2)
    aligned = product + most
    return HandCount(
        multiply=multiply(sig) + add(fmt.exp_bits),
        align_add=(_register(product + fmt.exp_bits + 1) + shift_left_widening(product, most)
                   + add(aligned)),
        normalise=_register(width) + _guard(width - aligned))


def _floating(fmt: Format, acc: Format) -> HandCount:
    """Floating-point accumulation, figure 2b: sort by exponent, align, add, normalise, round.

    Appendix B has no leading-zero detector, so that is missing. Sorting is counted as the
    multiplexers that swap both significands and choose the exponent.
    """
    sig, exp = _significand_bits(fmt), fmt.exp_bits or 2
    product, sum_bits = 2 * sig - 1, acc.precision + 1
    acc_exp = max(acc.exp_bits, exp + 2)
    window = sum_bits + 2
    sort = (2 * sum_bits + acc_exp) * MUX2
    return HandCount(
        multiply=multiply(sig) + add(exp + 1),
        align_add=(_register(product + exp + 2) + add(acc_exp + 1) + sort
                   + shift_right(window, window - 1) + add(window) + _register(window + 1)),
        normalise=(shift_left(window, window - 1) + add(acc_exp + 1) + _guard(sum_bits)
                   + _register(sum_bits + acc_exp)),
        missing=("leading-zero detector",))


def _significand_bits(fmt: Format) -> int:
    """Bits of a significand with its sign."""
    return fmt.width if fmt.is_integer else fmt.man_bits + 2


def _register(bits: int) -> int:
    return bits * FLIP_FLOP


def _guard(bits: int) -> int:
    """Incrementer."""
    return bits * HALF_ADDER


def _row(spec: MacSpec, bar: Bar | None) -> dict[str, Any]:
    """Count of ``spec``, and what the figure shows for it."""
    count = hand_count(spec)
    row: dict[str, Any] = {"mac": str(spec), "multiply": count.multiply,
                           "align_add": count.align_add, "normalise": count.normalise,
                           "total": count.total, "missing": list(count.missing)}
    return row if bar is None else row | {"figure": list(bar.total)}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = Parser(prog="python -m synth.flow.handcount",
                    description="Count the gates of a MAC as appendix B of arXiv 2303.17951 does.")
    add_mac_options(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return run_command(parser, _body, arguments)


def _body(options: argparse.Namespace) -> None:
    rows = ([_row(bar.mac, bar) for bar in figure()] if options.mac is None
            else [_row(chosen_mac(options), None)])
    if options.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        beside = "; the figure shows {} to {}".format(*row["figure"]) if "figure" in row else ""
        without = f", without {', '.join(row['missing'])}" if row["missing"] else ""
        print(f"{row['mac']}: {row['multiply']} multiply + {row['align_add']} align and add + "
              f"{row['normalise']} normalise = {row['total']} gates{without}{beside}")


if __name__ == "__main__":
    sys.exit(main())
