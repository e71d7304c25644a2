# SPDX-License-Identifier: Apache-2.0
"""Factors of the cost of FP8 that a sweep shows: width, clock, lanes, array, process."""

from collections.abc import Mapping
from typing import Any

from reports.plots import Curve, bars, curves
from reports.silicon import FORMATS, Units, over, percent, unit_of

__all__ = [
    "ARRAY_UNITS", "arrays_plot", "arrays_sentence", "clock_plot", "clock_sentence", "guards_plot",
    "guards_sentence", "lanes_plot", "lanes_sentence", "nodes_plot", "nodes_sentence",
]

Sources = Mapping[str, Units]
GATES = "two_input_gates_keep"
E4M3, E5M2 = FORMATS["E4M3"], FORMATS["E5M2"]


def _guard_points(units: Units, pair: str) -> list[tuple[float, float]]:
    widths = [(_width(unit), unit) for unit in units.values("unit")
              if unit.startswith(f"{pair},acc=fx") and unit.count(",") == 1]
    return [(width, value) for width, unit in sorted(widths)
            if (value := units.value(GATES, unit=unit)) is not None]


def _width(unit: str) -> int:
    """Bits of a fixed-point accumulator in a unit's spelling."""
    digits = unit.partition("acc=fx")[2]
    return int(digits[:next((i for i, c in enumerate(digits) if not c.isdecimal()), len(digits))])


def guards_plot(units: Sources) -> str:
    return curves("Width of the exact accumulator", x="accumulator [bit]",
                  y="two-input gates, no flip-flops",
                  shown=[Curve(name, _guard_points(units["factors"], pair))
                         for name, pair in (("INT8", "int8"), ("E4M3", E4M3))])


def guards_sentence(units: Sources) -> str:
    parts = []
    for name, pair in (("INT8", "int8"), ("E4M3", E4M3)):
        (low, few), *_, (high, many) = _guard_points(units["factors"], pair)
        parts.append(f"{name} {(many - few) / (high - low):.1f} gates a bit from {low} to {high} "
                     "bits")
    return f"What a guard bit costs: {', '.join(parts)}."


def _front(units: Units, pair: str, adder: str) -> tuple[float, float] | None:
    """Shortest period with its area, over all recipes and targets."""
    points = [(record["metrics"]["min_period"]["value"], record["metrics"]["area"]["value"])
              for record in units.find(unit=lambda unit: _has_adder(unit, pair, adder))
              if {"min_period", "area"} <= record["metrics"].keys()]
    return min(points, default=None)


def _has_adder(unit: Any, pair: str, adder: str) -> bool:
    named = f",adder={adder}" if adder != "ripple" else ""
    return (isinstance(unit, str) and unit.startswith(f"{pair},acc=fx")
            and (unit.endswith(named) if named else "adder=" not in unit))


ADDERS = ("carry-save", "prefix", "ripple")


def clock_plot(units: Sources) -> str:
    shown = []
    for name, pair in (("INT8, 27 bits", "int8"), ("E4M3, 49 bits", E4M3), ("E5M2, 79 bits", E5M2)):
        points = {adder: _front(units["fronts"], pair, adder) for adder in ADDERS}
        known = [(point, adder) for adder, point in points.items() if point]
        shown.append(Curve(name, [point for point, _ in known], [adder for _, adder in known]))
    return curves("Area at the clock that each adder reaches", x="clock period [ns]",
                  y="cell area [um2]", shown=shown, log_x=True)


def clock_sentence(units: Sources) -> str:
    fronts = units["fronts"]
    parts = []
    for adder in ADDERS:
        int8, fp8 = (_front(fronts, pair, adder) for pair in ("int8", E4M3))
        if int8 and fp8:
            parts.append(f"{percent(fp8[1], int8[1])} at {fp8[0]:.1f} ns with {adder} "
                         f"(INT8 at {int8[0]:.1f} ns)")
    return ("Area without a clock flatters wide sums; each at its fastest, E4M3 takes, in area, "
            f"{', '.join(parts)}.")


LANES = (1, 4, 16, 32)
LANE_UNITS = {"INT8 exact": ("int8", "fx"), "E4M3 exact": (E4M3, "fx"),
              "INT8 to FP32": ("int8", "fp32"), "E4M3 to FP16": (E4M3, "fp16"),
              "E4M3 to FP32": (E4M3, "fp32"), "INT8 aligned:13": ("int8", "aligned:13"),
              "E4M3 aligned:13": ("e4m3", "aligned:13")}


def _per_lane(units: Units, pair: str, acc: str) -> list[tuple[float, float]]:
    found = []
    for lanes in LANES:
        wanted = unit_of(pair, acc, lanes=lanes) if lanes > 1 else unit_of(pair, acc)
        value = units.value(GATES, **wanted)
        if value is not None:
            found.append((float(lanes), value / lanes))
    return found


def lanes_plot(units: Sources) -> str:
    shown = [Curve(name, points, dashed=name.startswith("INT8"))
             for name, (pair, acc) in LANE_UNITS.items()
             if (points := _per_lane(units["factors"], pair, acc))]
    return curves("Lanes share the accumulator", x="lanes (products a cycle)", log_x=True,
                  y="two-input gates a lane", shown=shown)


def lanes_sentence(units: Sources) -> str:
    ends = {name: dict(_per_lane(units["factors"], *unit)) for name, unit in LANE_UNITS.items()}
    base = ends["INT8 exact"]
    parts = []
    for name in ("E4M3 exact", "E4M3 to FP16", "E4M3 to FP32", "E4M3 aligned:13"):
        known = sorted(ends[name].keys() & base.keys())
        if known:
            first, last = known[0], known[-1]
            parts.append(f"{name} from {percent(ends[name][first], base[first])} with "
                         f"{first:.0f} to {percent(ends[name][last], base[last])} with {last:.0f}")
    return ("Lanes share alignment, addition and rounding; against INT8 exact with as many lanes: "
            f"{'; '.join(parts)}.")


ARRAY_UNITS = {"INT8/27": ("int8", "fx27"), "E4M3 exact": (E4M3, "fx"),
               "E4M3 to FP16": (E4M3, "fp16"), "E4M3 to FP32": (E4M3, "fp32")}


def _array_value(units: Units, pair: str, acc: str, metric: str) -> float | None:
    return units.value(metric, unit=lambda unit: isinstance(unit, str)
                       and unit.startswith(f"{pair},acc={acc}") and "array=16x16" in unit)


def arrays_plot(units: Sources) -> str:
    names = list(ARRAY_UNITS)
    alone = [units["paper"].value("area", **unit_of(pair, acc))
             for pair, acc in ARRAY_UNITS.values()]
    whole = [_array_value(units["arrays"], *unit, "area") for unit in ARRAY_UNITS.values()]
    return bars("A MAC alone, and its share of a 16x16 array", unit="cell area a MAC [um2]",
                groups=names, series={"MAC alone": alone, "a 256th of the array": [
                    None if value is None else value / 256 for value in whole]})


def arrays_sentence(units: Sources) -> str:
    base = _array_value(units["arrays"], *ARRAY_UNITS["INT8/27"], "area")
    parts = [f"{name} {over(_array_value(units['arrays'], *unit, 'area'), base)}"
             for name, unit in list(ARRAY_UNITS.items())[1:]]
    return ("In a 16x16 array registers and drain join the MAC, and a wide exact sum is registered "
            f"twice: the area against that of INT8/27 is, for {', '.join(parts)}.")


NODE_UNITS = {"E4M3 exact": (E4M3, "fx"), "E4M3 to FP16": (E4M3, "fp16"),
              "E4M3 to FP32": (E4M3, "fp32"), "E5M2 exact": (E5M2, "fx")}


def _node_ratio(units: Units, library: str, unit: tuple[str, str],
                metric: str = "area") -> float | None:
    value = units.value(metric, library=library, **unit_of(*unit))
    base = units.value(metric, library=library, **unit_of("int8", "fx"))
    return None if value is None or base is None else value / base


def nodes_plot(units: Sources) -> str:
    nodes = units["nodes"]
    libraries = nodes.values("library")
    return bars("The same netlists in five processes", unit="cell area, INT8/27 = 1",
                groups=[_short_library(library) for library in libraries], line=1.0,
                line_name="INT8/27", series={
                    name: [_node_ratio(nodes, library, unit) for library in libraries]
                    for name, unit in NODE_UNITS.items()})


def _short_library(name: str) -> str:
    """Name of a library without its corner."""
    for known in ("osu018", "Nangate", "sky130", "sg13g2", "asap7"):
        if known.lower() in name.lower():
            return known
    return name


def _node_ranges(nodes: Units, metric: str) -> str:
    """Smallest and largest ratio to INT8/27 of each unit, over the libraries."""
    parts = []
    for name, unit in NODE_UNITS.items():
        ratios = [ratio for library in nodes.values("library")
                  if (ratio := _node_ratio(nodes, library, unit, metric)) is not None]
        if ratios:
            parts.append(f"{name} from {min(ratios):.2f} to {max(ratios):.2f}")
    return ", ".join(parts)


def nodes_sentence(units: Sources) -> str:
    nodes = units["nodes"]
    energy = _node_ranges(nodes, "energy_gaussian_glitches")
    return ("From library to library the area, that of INT8/27 being 1, ranges for "
            f"{_node_ranges(nodes, 'area')}"
            + (f"; the energy on Gaussian operands, glitches included, for {energy}." if energy
               else "."))
