# SPDX-License-Identifier: Apache-2.0
"""Gates that each feature of a floating-point MAC costs.

Every unit is counted with all features, then without one feature at a time, then without any.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from hw.spec import (
    FloatAccumulator,
    Format,
    MacSpec,
    Overflow,
    Rounding,
    parse_format,
    parse_mac,
)
from hw.spec.errors import require
from reports.registry import Measure
from synth.flow.design import count_mac
from synth.flow.gates import Gates, recipes
from synth.flow.yosys import YosysError
from synth.record import Metric, Record, provenance

UNITS = tuple(f"{pair},acc={acc}" for pair in ("e4m3", "e5m2", "int8") for acc in ("fp16", "fp32"))
RECIPES = ("default", "keep")
NOT_DONE = ("mapping to a cell library", "timing", "placement and routing")
WHOLE = "nothing"


def _operands(change: Callable[[Format], str], spec: MacSpec) -> MacSpec:
    """``spec`` with other operand formats; integer formats stay."""
    a, b = (fmt if fmt.is_integer else parse_format(change(fmt)) for fmt in (spec.a, spec.b))
    return replace(spec, a=a, b=b)


def _accumulator(spec: MacSpec, **chosen: bool | Overflow | Rounding) -> MacSpec:
    """``spec`` with some fields of its accumulator chosen."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    return replace(spec, acc=replace(acc, **chosen))  # type: ignore[arg-type]


#: Functions that remove a feature from a spec, by name of the feature.
FEATURES: dict[str, Callable[[MacSpec], MacSpec]] = {
    # Subnormal codes mean zero.
    "subnormals of the operands": partial(
        _operands, lambda fmt: f"e{fmt.exp_bits}m{fmt.man_bits}:{fmt.specials.value}-daz"
    ),
    # Every code is a number.
    "NaN and Inf of the operands": partial(
        _operands,
        lambda fmt: f"e{fmt.exp_bits}m{fmt.man_bits}:none{'' if fmt.subnormals else '-daz'}",
    ),
    "subnormals of the accumulator": partial(_accumulator, subnormals=False),
    "Inf of the accumulator (saturates)": partial(_accumulator, overflow=Overflow.SATURATE),
    "rounding to nearest (truncates)": partial(_accumulator, rounding=Rounding.RTZ),
}


def variants(spec: MacSpec) -> Iterator[tuple[str, MacSpec]]:
    """Removed feature and the unit without it; features that the unit lacks are skipped."""
    yield WHOLE, spec
    everything = spec
    for name, without in FEATURES.items():
        everything = without(everything)
        if without(spec) != spec:
            yield name, without(spec)
    yield "all of these", everything


def measure(units: Sequence[str], command: str) -> list[Record]:
    """Records of every unit and its variants, with the gates that each variant saves."""
    jobs = [job for unit in units for job in variants(parse_mac(unit))]
    known, origin = recipes(), provenance(command, tools=("amaranth", "pyosys"))
    records: list[Record] = []
    whole: list[Gates] = []
    with ThreadPoolExecutor() as pool:
        counts = pool.map(lambda job: [count_mac(job[1], recipe) for recipe in RECIPES], jobs)
        for number, ((left_out, spec), counted) in enumerate(zip(jobs, counts, strict=True), 1):
            whole = counted if left_out == WHOLE else whole
            print(
                f"[{number}/{len(jobs)}] {spec.name}, without {left_out}: "
                + ", ".join(str(gates.two_input) for gates in counted),
                file=sys.stderr,
            )
            metrics = {}
            for recipe, gates, before in zip(RECIPES, counted, whole, strict=True):
                metrics[f"two_input_gates_{recipe}"] = Metric(gates.two_input, "gate")
                metrics[f"saved_{recipe}"] = Metric(before.two_input - gates.two_input, "gate")
            metrics["flip_flops"] = Metric(counted[0].flip_flops, "flip-flop")
            records.append(
                Record(
                    subject=spec.name,
                    metrics=metrics,
                    not_done=NOT_DONE,
                    provenance=origin,
                    conditions={
                        "without": left_out,
                        "passes": {name: known[name] for name in RECIPES},
                    },
                )
            )
    return records


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "units",
        metavar="MAC",
        nargs="*",
        default=UNITS,
        help=f"units with a floating-point accumulator (default: {' '.join(UNITS)})",
    )


def _run(options: Namespace) -> list[Record]:
    for unit in options.units:
        acc = parse_mac(unit).acc
        require(isinstance(acc, FloatAccumulator), "MAC acc", "floating point", str(acc))
    return measure(options.units, options.command)


MEASURE = Measure(run=_run, options=_options, tool_errors=(YosysError,))
