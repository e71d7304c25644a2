# SPDX-License-Identifier: Apache-2.0
"""The demo's one table, and its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hw.spec import ArraySpec
from synth.record import Metric, Provenance, Record

__all__ = ["RECIPES", "Result", "records", "render"]

#: Recipes of synth/flow/recipes.toml that the table shows.
RECIPES = ("default", "keep")
NOT_DONE = ("placement and routing", "timing")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """What the demo found for one array; `gates` by recipe."""

    spec: ArraySpec
    accuracy: float
    cycles: int
    closed_form: int
    utilisation: float
    bits: int
    gates: Mapping[str, int]

    @property
    def heading(self) -> str:
        """Column of the table."""
        return self.spec.mac.pair.upper()


def render(reference: float, results: Sequence[Result], images: int, batch: int) -> str:
    """Table of the results as text, a column for each kind of arithmetic."""
    rows = [
        ("", "FP32", [result.heading for result in results]),
        (f"accuracy on {images} test images", f"{reference:.2%}",
         [f"{result.accuracy:.2%}" for result in results]),
        ("accumulator", "", [result.spec.mac.acc.spelling for result in results]),
        (f"RTL cycles, {batch} images", "", [f"{result.cycles:,}" for result in results]),
        ("cycles by the closed form", "", [f"{result.closed_form:,}" for result in results]),
        ("utilisation", "", [f"{result.utilisation:.1%}" for result in results]),
        ("result bits equal to the model", "", [f"{result.bits:,}" for result in results]),
    ]
    rows += [(f"2-input gates of a MAC, {recipe}", "",
              [f"{result.gates[recipe]:,}" for result in results]) for recipe in RECIPES]
    cells = [[name, first, *others] for name, first, others in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]),
                        *(cell.rjust(width) for cell, width in
                          zip(row[1:], widths[1:], strict=True))]).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])


def records(reference: float, results: Sequence[Result], images: int, batch: int,
            origin: Provenance) -> list[Record]:
    """Records of the float reference and of each array."""
    shared = {"data": "digits of scikit-learn", "network": "64-32-10, ReLU",
              "test images": images}
    found = [Record(
        subject="network in FP32", provenance=origin, not_done=NOT_DONE, conditions=shared,
        metrics={"accuracy": Metric(round(100 * reference, 2), "%")})]
    for result in results:
        metrics = {
            "accuracy": Metric(round(100 * result.accuracy, 2), "%"),
            "rtl_cycles": Metric(result.cycles, "cycle"),
            "closed_form_cycles": Metric(result.closed_form, "cycle"),
            "utilisation": Metric(round(100 * result.utilisation, 1), "%"),
            "bits_checked": Metric(result.bits, "bit"),
        } | {f"two_input_gates_{recipe}": Metric(result.gates[recipe], "gate")
             for recipe in RECIPES}
        found.append(Record(
            subject=result.spec.name, metrics=metrics, provenance=origin, not_done=NOT_DONE,
            conditions=shared | {"images on RTL": batch, "scales": "per tensor, from amax"}))
    return found
