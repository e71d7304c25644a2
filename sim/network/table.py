# SPDX-License-Identifier: Apache-2.0
"""Results of a network as text: a line a layer, the total, the outputs."""

from collections.abc import Mapping
from typing import Any

__all__ = ["table"]

HEADINGS = ("layer", "operator", "product", "MACs", "cycles", "utilisation", "own SQNR [dB]",
            "SQNR [dB]", "energy [nJ]")


def table(facts: Mapping[str, Any]) -> str:
    """Text of what `sim.network.results.Outcome.facts` tells."""
    rows = [_row(layer["name"], layer["operator"], _product(layer), layer)
            for layer in facts["layers"]]
    rows.append(_row("total", "", "", facts["total"]))
    cells = [list(HEADINGS), *rows]
    if "energy_nj" not in facts["total"]:
        cells = [row[:-1] for row in cells]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(_aligned(cell, width, place) for place, (cell, width)
                       in enumerate(zip(row, widths, strict=True))).rstrip() for row in cells]
    outputs = [f"output {name} {tuple(output['shape'])}, runs {output['runs']}: SQNR "
               f"{_decibels(output['sqnr_db'])} dB" for name, output in facts["outputs"].items()]
    source = [f"energy: {_plain(facts['energy_pj'])} pJ a product, {facts['energy_source']}"
              ] if "energy_pj" in facts else []
    return "\n".join([facts["array"], *lines, *outputs, *source])


def _row(name: str, operator: str, product: str, facts: Mapping[str, Any]) -> list[str]:
    """Cells of a layer or of the total."""
    noise = [_decibels(facts[key]) if key in facts else "" for key in ("sqnr_own_db", "sqnr_db")]
    energy = _plain(facts["energy_nj"]) if "energy_nj" in facts else ""
    return [name, operator, product, f"{facts['macs']:,}", f"{facts['cycles']:,}",
            f"{facts['utilisation']:.1%}", *noise, energy]


def _product(layer: Mapping[str, Any]) -> str:
    """Sides of the product, and how many there are."""
    sides = f"{layer['m']}x{layer['k']}x{layer['n']}"
    return sides if layer["products"] == 1 else f"{layer['products']} of {sides}"


def _plain(value: float) -> str:
    """Four digits at least, thousands apart."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.4g}"


def _decibels(value: float | None) -> str:
    """SQNR; a dash where there is none to tell."""
    return "-" if value is None else f"{value:.1f}"


def _aligned(cell: str, width: int, place: int) -> str:
    """Text to the left, numbers to the right."""
    return cell.ljust(width) if place < 3 else cell.rjust(width)
