# SPDX-License-Identifier: Apache-2.0
"""Gates relative to INT8, compared with the ratios of the paper's figure 3.

Each floating-point accumulator of the paper is counted in two-input gates without flip-flops, in
the paper's formats. A second unit reads subnormal operands as zero, to show their share of the
difference.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hw.emit.yosys import YosysError
from hw.spec import FloatAccumulator
from reports.registry import Measure
from reports.studies.features.measure import FEATURES
from reports.studies.paper.figure import Bar, figure
from synth.flow.design import count_mac
from synth.flow.gates import recipes
from synth.record import Metric, Record, provenance

#: Gates of INT8 with a 27-bit accumulator, to which the paper's ratios are applied. The value is
#: fixed, although this project's own unit has become smaller.
REFERENCE = 472
RECIPES = ("keep", "default")
WITHOUT = FEATURES["subnormals of the operands"]


def paper_ratio(bar: Bar, int8: Bar) -> float:
    """Ratio of two bars of the figure, at the lower end of their readings."""
    return bar.total[0] / int8.total[1]


def allowed_gates(bar: Bar, int8: Bar) -> int:
    """Gates of a unit at the paper's ratio to `REFERENCE`."""
    return int(paper_ratio(bar, int8) * REFERENCE)


def measure(command: str, bars: Sequence[Bar] | None = None) -> list[Record]:
    """Records of the paper's floating-point units, or of some of them; its first bar is INT8."""
    if bars is None:
        bars = [bar for bar in figure() if isinstance(bar.mac.acc, FloatAccumulator)]
    int8 = figure()[0]
    with ThreadPoolExecutor() as pool:
        base = {recipe: count_mac(int8.mac, recipe).two_input for recipe in RECIPES}
        return list(pool.map(partial(_record, int8=int8, base=base, command=command), bars))


def _record(bar: Bar, *, int8: Bar, base: dict[str, int], command: str) -> Record:
    """Record of one unit."""
    allowed = allowed_gates(bar, int8)
    metrics = {
        "paper_ratio": Metric(round(paper_ratio(bar, int8), 3)),
        "gates_at_paper_ratio": Metric(allowed, "gate"),
    }
    flushed = WITHOUT(bar.mac)
    for recipe in RECIPES:
        gates = count_mac(bar.mac, recipe).two_input
        # Integers have no subnormal operands.
        without = gates if flushed == bar.mac else count_mac(flushed, recipe).two_input
        metrics |= {
            f"two_input_gates_{recipe}": Metric(gates, "gate"),
            f"beyond_{recipe}": Metric(max(gates - allowed, 0), "gate"),
            f"ratio_{recipe}": Metric(round(gates / base[recipe], 3)),
            f"without_subnormal_operands_{recipe}": Metric(without, "gate"),
        }
    print(
        f"{bar.mac}: {metrics['two_input_gates_keep'].value} gates, {allowed} at the paper's ratio",
        file=sys.stderr,
    )
    known = recipes()
    return Record(
        subject=bar.mac.name,
        metrics=metrics,
        conditions={
            "reference": REFERENCE,
            "int8": int8.mac.name,
            "passes": {name: known[name] for name in RECIPES},
        },
        not_done=("mapping to a cell library", "timing", "placement and routing"),
        provenance=provenance(command, tools=("amaranth", "pyosys")),
    )


MEASURE = Measure(run=lambda options: measure(options.command), tool_errors=(YosysError,))
