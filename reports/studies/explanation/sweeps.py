# SPDX-License-Identifier: Apache-2.0
"""Factors of the cost of FP8 that a sweep shows: width, lanes, process."""

from collections.abc import Mapping

from reports.plots import Curve, bars, curves
from reports.studies.explanation.silicon import FORMATS, Units, percent, unit_of

__all__ = [
    "guards_plot", "guards_sentence", "lanes_plot",
    "lanes_sentence", "node_energy_plot", "node_energy_sentence", "nodes_plot", "nodes_sentence",
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


LANES = (1, 4, 16, 32)
LANE_UNITS = {"INT8 exact": ("int8", "fx"), "E4M3 exact": (E4M3, "fx"),
              "INT8 to FP32": ("int8", "fp32"), "E4M3 to FP16": (E4M3, "fp16"),
              "E4M3 to FP32": (E4M3, "fp32"), "INT8 aligned:13": ("int8", "aligned:13"),
              "E4M3 aligned:13": ("e4m3", "aligned:13")}


def _per_lane(units: Units, pair: str, acc: str) -> list[tuple[float, float]]:
    """Lanes and area a lane, of the accumulator that units of several lanes have."""
    found = {}
    for unit in units.values("unit"):
        one, several, _ = unit.partition(",lanes=")
        if several and unit.startswith(f"{pair},acc={acc}"):
            for lanes in LANES:
                value = units.value("area", recipe="keep",
                                    unit=f"{one},lanes={lanes}" if lanes > 1 else one)
                if value is not None:
                    found[float(lanes)] = value / lanes
    return sorted(found.items())


def lanes_plot(units: Sources) -> str:
    shown = [Curve(name, points, dashed=name.startswith("INT8"))
             for name, (pair, acc) in LANE_UNITS.items()
             if (points := _per_lane(units["factors"], pair, acc))]
    return curves("Lanes share the accumulator", x="lanes (products a cycle)", log_x=True,
                  y="cell area a lane [um2]", shown=shown)


def lanes_sentence(units: Sources) -> str:
    ends = {name: dict(_per_lane(units["factors"], *unit)) for name, unit in LANE_UNITS.items()}
    base = ends["INT8 exact"]
    parts = []
    for name in ("E4M3 exact", "E4M3 to FP16", "E4M3 to FP32", "E4M3 aligned:13"):
        known = sorted(ends[name].keys() & base.keys())
        if len(known) > 1:
            first, last = known[0], known[-1]
            parts.append(f"{name} from {percent(ends[name][first], base[first])} with "
                         f"{first:.0f} to {percent(ends[name][last], base[last])} with {last:.0f}")
    if not parts:
        return "More than one lane is not measured under the recipe of this figure."
    return ("Lanes share alignment, addition and rounding; in area, against INT8 exact with as "
            f"many lanes: {'; '.join(parts)}. A floating-point sum adds the exact products of "
            "several lanes and is rounded once, so they need an adder as wide as products reach, "
            "which one lane does without.")


NODE_UNITS = {"E4M3 exact": (E4M3, "fx"), "E4M3 to FP16": (E4M3, "fp16"),
              "E4M3 to FP32": (E4M3, "fp32"), "E5M2 exact": (E5M2, "fx")}


#: What an operation takes with the changes that delays cause, on Gaussian operands.
ENERGY = ("energy_gaussian", "energy_gaussian_glitches")


def _node_ratio(nodes: Units, library: str, unit: tuple[str, str], *metrics: str) -> float | None:
    """Sum of some metrics over that of INT8/27."""
    value, base = ([nodes.value(metric, library=library, **unit_of(*chosen)) for metric in metrics]
                   for chosen in (unit, ("int8", "fx")))
    if None in value or None in base:
        return None
    return sum(filter(None, value)) / sum(filter(None, base))


def nodes_plot(units: Sources) -> str:
    return _node_bars(units["nodes"], "The same units in five processes", "cell area", "area")


def node_energy_plot(units: Sources) -> str:
    return _node_bars(units["nodes"], "Energy in five processes",
                      "energy with glitches", *ENERGY)


def _node_bars(nodes: Units, title: str, name: str, *metrics: str) -> str:
    """Bars of the ratio to INT8/27, by library."""
    libraries = nodes.values("library")
    return bars(title, unit=f"{name}, INT8/27 = 1",
                groups=[_short_library(library) for library in libraries], line=1.0,
                line_name="INT8/27", series={
                    name: [_node_ratio(nodes, library, unit, *metrics) for library in libraries]
                    for name, unit in NODE_UNITS.items()})


def _short_library(name: str) -> str:
    """Name of a library without its corner."""
    for known in ("osu018", "Nangate", "sky130", "sg13g2", "asap7"):
        if known.lower() in name.lower():
            return known
    return name


def _node_ranges(nodes: Units, *metrics: str) -> str:
    """Smallest and largest ratio to INT8/27 of each unit, over the libraries."""
    parts = []
    for name, unit in NODE_UNITS.items():
        ratios = [ratio for library in nodes.values("library")
                  if (ratio := _node_ratio(nodes, library, unit, *metrics)) is not None]
        if ratios:
            parts.append(f"{name} from {min(ratios):.2f} to {max(ratios):.2f}")
    return ", ".join(parts)


def nodes_sentence(units: Sources) -> str:
    return ("From library to library the area, that of INT8/27 being 1, ranges for "
            f"{_node_ranges(units['nodes'], 'area')}.")


def node_energy_sentence(units: Sources) -> str:
    return ("From library to library the energy on Gaussian operands, glitches included and that "
            f"of INT8/27 being 1, ranges for {_node_ranges(units['nodes'], *ENERGY)}.")
