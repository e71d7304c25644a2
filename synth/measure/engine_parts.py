# SPDX-License-Identifier: Apache-2.0
"""Where the cells of a GEMM engine are: bus, registers, feeders and the rest around the array."""

from collections import Counter

from hw.spec import GemmSpec
from synth.flow.design import Design
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped, measures
from synth.flow.netlists import instances, modules, placed
from synth.measure.job import Part
from synth.record import Metric

__all__ = ["NOT_DONE", "engine_parts"]

NOT_DONE = "cells of the array"


def engine_parts(design: Design, spec: GemmSpec, mapped: Mapped, library: Library) -> Part:
    """Flip-flops, bits of the memories, area by part; a part is what the top places."""
    texts = modules(mapped.verilog)
    metrics = {"flip_flops": Metric(sum(number for name, number in mapped.cells.items()
                                        if library.cells[name].flip_flop), "flip-flop"),
               "memory_bits": Metric(spec.depth_a * spec.a_width + spec.depth_b * spec.b_width
                                     + spec.depth_c * spec.c_width, "bit")}
    if design.keep:
        parts = placed(design.verilog[f"{design.top}.v"], design.top) | {"rest": design.top}
        for name, module in parts.items():
            cells = Counter(cell.cell for cell in instances(texts[module])
                            if cell.cell not in texts)
            metrics[f"area_{name}"] = Metric(measures(cells, library)["area_um2"], "um2")
    return Part(metrics=metrics, conditions={"bus": spec.bus.value, "depths": spec.depths,
                                             "dataflow": spec.array.dataflow.value,
                                             "array": spec.array.size},
                not_done=(NOT_DONE,))
