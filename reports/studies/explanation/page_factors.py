# SPDX-License-Identifier: Apache-2.0
"""What decides the cost of FP8 relative to INT8: a plot and numbers for each factor.

The sentences are in ``factors.md.j2``, one macro per factor.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from reports.plots import Curve, bars, curves, stacks
from reports.studies.explanation.page_units import (
    ACCUMULATORS,
    COMPARED,
    FORMATS,
    PAPER_UNITS,
    Units,
    front_of,
    netlists_of,
    ratio,
    smallest,
)

Sources = Mapping[str, Units]
GATES = "two_input_gates_keep"
E4M3, E5M2 = FORMATS["E4M3"], FORMATS["E5M2"]
#: Energy on Gaussian operands: without glitches, and what glitches add.
ENERGY, GLITCHES = "energy_gaussian", "energy_gaussian_glitches"


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor: its sources, its plot, and the numbers of its sentence.

    ``metrics`` is the start of the name of a metric that each source must have.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    plot: Callable[[Sources], str]
    numbers: Callable[[Sources], Any]
    metrics: str = ""

    def is_ready(self, units: Sources) -> bool:
        """Whether its records exist."""
        return all(
            units[name] and (not self.metrics or units[name].metrics(self.metrics))
            for name in self.sources
        )


def _figure_plot(units: Sources) -> str:
    shown = {
        "this project's netlists": "paper_cost",
        "hand count of appendix B": "hand_total",
        "figure 3 of the paper": "figure_low",
    }
    return bars(
        "Netlists and the paper's figure 3",
        unit="the paper's gates, with flip-flops",
        groups=list(map("\n".join, PAPER_UNITS)),
        series={
            name: [units["paper"].of(metric, *unit) for unit in PAPER_UNITS.values()]
            for name, metric in shown.items()
        },
    )


def _figure_numbers(units: Sources) -> list[tuple[str, float | None, float | None]]:
    """Accumulator, and cost of E4M3 with it relative to INT8: here and in the figure."""
    paper = units["paper"]
    own, theirs = (
        [
            ratio(paper.of(metric, E4M3, acc), paper.of(metric, "int8", "fx"))
            for acc in ACCUMULATORS.values()
        ]
        for metric in ("paper_cost", "figure_low")
    )
    return list(zip(ACCUMULATORS, own, theirs, strict=True))


#: Blocks of a MAC by the end of their metric's name.
BLOCKS = {
    "multiply": "multiplier",
    "align_add": "alignment and addition",
    "normalise": "normalisation",
    "registers": "registers",
}


def _blocks_plot(units: Sources) -> str:
    paper = units["paper"]
    blocks = paper.metrics("area_")
    known = {
        "\n".join(names): unit
        for names, unit in PAPER_UNITS.items()
        if paper.of(f"area_{blocks[0]}", *unit) is not None
    }
    return stacks(
        "Area by block",
        unit="cell area [um2], each block mapped separately",
        groups=list(known),
        parts={
            BLOCKS.get(block, block): [
                paper.of(f"area_{block}", *unit) or 0 for unit in known.values()
            ]
            for block in blocks
        },
    )


def _blocks_numbers(units: Sources) -> list[tuple[str, list[tuple[str, float]]]]:
    """Unit, and the share in percent of each of its blocks."""
    paper, numbers = units["paper"], []
    for name, unit in COMPARED.items():
        areas = {block: paper.of(f"area_{block}", *unit) or 0 for block in paper.metrics("area_")}
        numbers.append(
            (
                name,
                [
                    (BLOCKS.get(block, block), 100 * area / sum(areas.values()))
                    for block, area in areas.items()
                    if area
                ],
            )
        )
    return numbers


def _alike_plot(units: Sources) -> str:
    return bars(
        "Same accumulator on both sides",
        unit="two-input gates, without flip-flops",
        groups=list(ACCUMULATORS),
        series={
            name: [units["paper"].of(GATES, pair, acc) for acc in ACCUMULATORS.values()]
            for name, pair in FORMATS.items()
        },
    )


def _alike_numbers(units: Sources) -> list[tuple[str, float | None]]:
    """Accumulator, and gates of E4M3 relative to INT8 with it."""
    return [
        (name, ratio(*(units["paper"].of(GATES, pair, acc) for pair in (E4M3, "int8"))))
        for name, acc in ACCUMULATORS.items()
    ]


def _guard_points(units: Sources) -> dict[str, list[tuple[int, float]]]:
    """Gates by width of a fixed-point accumulator."""
    points = {}
    for name, pair in (("INT8", "int8"), ("E4M3", E4M3)):
        widths = [
            (int(match[1]), unit)
            for unit in units["factors"].values("unit")
            if (match := re.match(rf"{re.escape(pair)},acc=fx(\d+)[^,]*$", unit))
        ]
        points[name] = [
            (width, value)
            for width, unit in sorted(widths)
            if (value := units["factors"].value(GATES, unit=unit)) is not None
        ]
    return points


def _guards_plot(units: Sources) -> str:
    return curves(
        "Width of the exact accumulator",
        x="accumulator [bit]",
        y="two-input gates, without flip-flops",
        shown=[Curve(*each) for each in _guard_points(units).items()],
    )


def _guards_numbers(units: Sources) -> list[tuple[str, float, float, float]]:
    """Format, gates per bit, smallest and largest width."""
    return [
        (name, (many - few) / (high - low), low, high)
        for name, ((low, few), *_, (high, many)) in _guard_points(units).items()
    ]


#: Clock periods in ns at which units are compared.
PERIODS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
SHOWN = {
    "INT8, 27 bits": FORMATS["INT8"],
    "E4M3, 49 bits": FORMATS["E4M3"],
    "E5M2, 79 bits": FORMATS["E5M2"],
}


def _clock_plot(units: Sources) -> str:
    """Pareto fronts; those of loops are dashed."""
    shown = []
    for loop in (False, True):
        for place, (name, pair) in enumerate(SHOWN.items()):
            front = front_of(netlists_of(units["fronts"], pair, loop=loop))
            # The first netlist with an adder carries its name.
            marks = [
                "" if index and front[index - 1].adder == netlist.adder else netlist.adder
                for index, netlist in enumerate(front)
            ]
            shown.append(
                Curve(
                    f"{name}, loop only" if loop else name,
                    [netlist[:2] for netlist in front],
                    () if loop else marks,
                    dashed=loop,
                    colour=place,
                    below=not place,
                )
            )
    return curves(
        "Area by clock period",
        x="clock period [ns]",
        y="cell area [um2]",
        shown=[curve for curve in shown if curve.points],
        log_x=True,
    )


def _clock_numbers(units: Sources) -> list[tuple[float, float]]:
    """Area of E4M3 relative to INT8, and the period, for each period that both reach."""
    int8, fp8 = (
        netlists_of(units["fronts"], SHOWN[name]) for name in ("INT8, 27 bits", "E4M3, 49 bits")
    )
    return [
        (ours.area / theirs.area, period)
        for period in PERIODS
        if (ours := smallest(fp8, period)) and (theirs := smallest(int8, period))
    ]


LANES = (1, 4, 16, 32)
LANE_UNITS = {
    "INT8 exact": ("int8", "fx"),
    "E4M3 exact": (E4M3, "fx"),
    "INT8 to FP32": ("int8", "fp32"),
    "E4M3 to FP16": (E4M3, "fp16"),
    "E4M3 to FP32": (E4M3, "fp32"),
    "INT8 aligned:13": ("int8", "aligned:13"),
    "E4M3 aligned:13": ("e4m3", "aligned:13"),
}


def _per_lane(units: Units, pair: str, acc: str) -> list[tuple[float, float]]:
    """Lanes and area per lane, with the accumulator of the units with several lanes."""
    by_lanes = {}
    for unit in units.values("unit"):
        one, several, _ = unit.partition(",lanes=")
        if several and unit.startswith(f"{pair},acc={acc}"):
            for lanes in LANES:
                value = units.value(
                    "area", recipe="keep", unit=f"{one},lanes={lanes}" if lanes > 1 else one
                )
                if value is not None:
                    by_lanes[float(lanes)] = value / lanes
    return sorted(by_lanes.items())


def _lanes_plot(units: Sources) -> str:
    shown = [
        Curve(name, points, dashed=name.startswith("INT8"))
        for name, unit in LANE_UNITS.items()
        if (points := _per_lane(units["factors"], *unit))
    ]
    return curves(
        "Lanes share the accumulator",
        x="lanes (products per cycle)",
        log_x=True,
        y="cell area per lane [um2]",
        shown=shown,
    )


def _lanes_numbers(units: Sources) -> list[tuple[str, float, float, float, float]]:
    """Unit, and its area relative to INT8 exact with the fewest and with the most lanes."""
    ends = {name: dict(_per_lane(units["factors"], *unit)) for name, unit in LANE_UNITS.items()}
    base, numbers = ends["INT8 exact"], []
    for name in ("E4M3 exact", "E4M3 to FP16", "E4M3 to FP32", "E4M3 aligned:13"):
        known = sorted(ends[name].keys() & base.keys())
        if len(known) > 1:
            first, last = known[0], known[-1]
            numbers.append(
                (name, ends[name][first] / base[first], first, ends[name][last] / base[last], last)
            )
    return numbers


def _size(unit: str) -> int:
    """Processing elements of an array by its spelling; 0 if it is not an array."""
    match = re.search(r",array=(\d+)x(\d+)", unit)
    return int(match[1]) * int(match[2]) if match else 0


def _largest(units: Units, metric: str) -> int:
    """Processing elements of the largest arrays that have the metric."""
    return max(
        (
            _size(unit)
            for unit in units.values("unit")
            if units.value(metric, unit=unit) is not None
        ),
        default=0,
    )


def _values(units: Units, metric: str, size: int) -> list[float | None]:
    """Metric of each of `COMPARED` in arrays of this size, mapped module by module."""
    return [
        units.value(
            metric,
            flat=False,
            unit=lambda unit, start=f"{pair},acc={acc}": (
                unit.startswith(start) and _size(unit) == size
            ),
        )
        for pair, acc in COMPARED.values()
    ]


def _alone(units: Units, metric: str) -> list[float | None]:
    """Metric of each of `COMPARED` alone."""
    return [units.of(metric, *unit) for unit in COMPARED.values()]


def _over_first(values: list[float | None]) -> list[tuple[str, float | None]]:
    """Each unit except the first, relative to the first."""
    return [
        (name, ratio(value, values[0]))
        for name, value in list(zip(COMPARED, values, strict=True))[1:]
    ]


def _arrays_plot(units: Sources) -> str:
    size = _largest(units["arrays"], "area")
    shares = [ratio(value, size) for value in _values(units["arrays"], "area", size)]
    return bars(
        "A MAC alone and one element of an array",
        unit="cell area per MAC [um2]",
        groups=list(COMPARED),
        series={"MAC alone": _alone(units["paper"], "area"), f"in an array of {size}": shares},
    )


def _arrays_numbers(units: Sources) -> dict[str, Any]:
    size = _largest(units["arrays"], "area")
    return {"size": size, "units": _over_first(_values(units["arrays"], "area", size))}


def _array_energy_plot(units: Sources) -> str:
    size = _largest(units["arrays"], ENERGY)
    return bars(
        "One operation, in a MAC alone and in an array",
        unit="energy per operation [fJ]",
        groups=list(COMPARED),
        series={
            "MAC alone": _alone(units["paper"], ENERGY),
            f"in an array of {size}": _values(units["arrays"], ENERGY, size),
        },
    )


def _array_energy_numbers(units: Sources) -> dict[str, Any]:
    size = _largest(units["arrays"], ENERGY)
    shown = units["arrays"].find(unit=lambda unit: _size(unit) == size)[0]["conditions"]["energy"]
    return {
        "size": size,
        "stream": shown["stream"],
        "inside": _over_first(_values(units["arrays"], ENERGY, size)),
        "alone": _over_first(_alone(units["paper"], ENERGY)),
    }


NODE_UNITS = {
    "E4M3 exact": (E4M3, "fx"),
    "E4M3 to FP16": (E4M3, "fp16"),
    "E4M3 to FP32": (E4M3, "fp32"),
    "E5M2 exact": (E5M2, "fx"),
}


def _node_ratio(nodes: Units, library: str, unit: tuple[str, str], *metrics: str) -> float | None:
    """Sum of some metrics relative to INT8/27."""
    values = [
        [nodes.of(metric, *chosen, library=library) for metric in metrics]
        for chosen in (unit, ("int8", "fx"))
    ]
    if any(None in each for each in values):
        return None
    return ratio(*(sum(filter(None, each)) for each in values))


def _node_bars(nodes: Units, title: str, name: str, *metrics: str) -> str:
    """Bars of the ratio to INT8/27 by library; names of libraries omit the corner."""
    libraries = nodes.values("library")
    known = ("osu018", "Nangate", "sky130", "sg13g2", "asap7")
    return bars(
        title,
        unit=f"{name}, INT8/27 = 1",
        line=1.0,
        line_name="INT8/27",
        groups=[
            next((short for short in known if short.lower() in library.lower()), library)
            for library in libraries
        ],
        series={
            unit: [_node_ratio(nodes, library, spelling, *metrics) for library in libraries]
            for unit, spelling in NODE_UNITS.items()
        },
    )


def _node_ranges(nodes: Units, *metrics: str) -> list[tuple[str, float, float]]:
    """Smallest and largest ratio of each unit to INT8/27 over all libraries."""
    ranges = []
    for name, unit in NODE_UNITS.items():
        ratios = [
            ratio
            for library in nodes.values("library")
            if (ratio := _node_ratio(nodes, library, unit, *metrics)) is not None
        ]
        if ratios:
            ranges.append((name, min(ratios), max(ratios)))
    return ranges


def _plain_int8(units: Sources, recipe: str) -> float | None:
    """Gates of the naive INT8 unit."""
    return units["gates"].value("two_input_gates", recipe=recipe, subject="int8_plain")


def _recipe_plot(units: Sources) -> str:
    groups = {
        "INT8/27": ("int8", "fx"),
        "E4M3 exact": (E4M3, "fx"),
        "E4M3 to FP16": (E4M3, "fp16"),
        "E4M3 to FP32": (E4M3, "fp32"),
    }
    return bars(
        "Effect of the recipe",
        unit="two-input gates, without flip-flops",
        groups=["INT8 as acc + a * b", *groups],
        series={
            recipe: [
                _plain_int8(units, recipe),
                *(
                    units["paper"].of(f"two_input_gates_{recipe}", *unit)
                    for unit in groups.values()
                ),
            ]
            for recipe in ("default", "keep")
        },
    )


def _recipe_numbers(units: Sources) -> dict[str, float | None]:
    """E4M3 relative to the naive and to the best INT8 unit, with the default recipe."""
    fair, fp8 = (
        units["paper"].of("two_input_gates_default", pair, "fx") for pair in ("int8", E4M3)
    )
    return {"naive": ratio(fp8, _plain_int8(units, "default")), "fair": ratio(fp8, fair)}


def _energy(paper: Units, unit: tuple[str, str], stream: str) -> float | None:
    """Energy of one multiply-accumulation in pJ."""
    return ratio(paper.of(f"energy_{stream}", *unit), 1000)


def _energy_plot(units: Sources) -> str:
    paper = units["paper"]
    return bars(
        "Energy by operands",
        unit="energy per multiply-accumulation [pJ]",
        groups=paper.streams,
        series={
            name: [_energy(paper, unit, stream) for stream in paper.streams]
            for name, unit in COMPARED.items()
        },
    )


def _energy_numbers(units: Sources) -> list[tuple[str, float, float]]:
    """Unit, and its lowest and highest energy relative to the first unit on the same stream."""
    paper = units["paper"]
    (_, base), *others = COMPARED.items()
    numbers = []
    for name, unit in others:
        ratios = [
            value / reference
            for stream in paper.streams
            if (value := _energy(paper, unit, stream)) is not None
            and (reference := _energy(paper, base, stream)) is not None
        ]
        if ratios:
            numbers.append((name, min(ratios), max(ratios)))
    return numbers


def _with_glitches(units: Sources) -> dict[str, tuple[float, float] | None]:
    """Energy in pJ of each of `COMPARED`, without and with glitches."""
    energies: dict[str, tuple[float, float] | None] = {}
    for name, unit in COMPARED.items():
        calm = _energy(units["paper"], unit, "gaussian")
        added = units["paper"].of(GLITCHES, *unit)
        energies[name] = None if calm is None or added is None else (calm, calm + added / 1000)
    return energies


def _glitch_plot(units: Sources) -> str:
    energies = _with_glitches(units)
    return bars(
        "Energy of glitches",
        unit="energy per multiply-accumulation [pJ]",
        groups=list(energies),
        series={
            side: [None if pair is None else pair[place] for pair in energies.values()]
            for place, side in enumerate(("without glitches", "with glitches"))
        },
    )


def _glitch_numbers(units: Sources) -> dict[str, Any]:
    """Each unit relative to the first, without and with glitches."""
    (base, reference), *others = _with_glitches(units).items()
    return {
        "base": base,
        "units": [
            (name, pair[0] / reference[0], pair[1] / reference[1])
            for name, pair in others
            if pair is not None and reference is not None
        ],
    }


FACTORS = (
    Factor("paper_units", "The paper's 15 units", ("paper",), _figure_plot, _figure_numbers),
    Factor("split", "Area by block", ("paper",), _blocks_plot, _blocks_numbers, metrics="area_"),
    Factor("alike", "Same accumulator on both sides", ("paper",), _alike_plot, _alike_numbers),
    Factor(
        "guards", "Accumulator width and guard bits", ("factors",), _guards_plot, _guards_numbers
    ),
    Factor("equal_clock", "Equal clock", ("fronts",), _clock_plot, _clock_numbers),
    Factor("lanes", "Lanes and tensor-core sums", ("factors",), _lanes_plot, _lanes_numbers),
    Factor("array_level", "In an array", ("arrays", "paper"), _arrays_plot, _arrays_numbers),
    Factor(
        "array_energy",
        "Energy in an array",
        ("arrays", "paper"),
        _array_energy_plot,
        _array_energy_numbers,
        metrics=ENERGY,
    ),
    Factor(
        "node",
        "Process",
        ("nodes",),
        lambda units: _node_bars(
            units["nodes"], "The same units in five processes", "cell area", "area"
        ),
        lambda units: _node_ranges(units["nodes"], "area"),
    ),
    Factor(
        "node_energy",
        "Process and energy",
        ("nodes",),
        lambda units: _node_bars(
            units["nodes"], "Energy in five processes", "energy with glitches", ENERGY, GLITCHES
        ),
        lambda units: _node_ranges(units["nodes"], ENERGY, GLITCHES),
        metrics=GLITCHES,
    ),
    Factor("recipe", "Recipe", ("paper", "gates"), _recipe_plot, _recipe_numbers),
    Factor(
        "operands",
        "Operand statistics",
        ("paper",),
        _energy_plot,
        _energy_numbers,
        metrics="energy_",
    ),
    Factor("glitches", "Glitches", ("paper",), _glitch_plot, _glitch_numbers, metrics=GLITCHES),
)
