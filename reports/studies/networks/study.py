# SPDX-License-Identifier: Apache-2.0
"""Effect of formats, ranges and accumulators on one network, as records.

Each run is cached when it finishes, so an interrupted study resumes.
"""

import itertools
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from hw.progress import Progress
from reports.studies.networks.settings import (
    ACCUMULATORS,
    COLUMNS,
    SIZE,
    Measures,
    Ranges,
    Result,
    accumulated,
    calibration,
    choices,
    finite,
    mac_of,
    measures,
    plan_of,
    reference,
    simulate,
)
from reports.studies.networks.task import Outputs, Task, relative_error
from sim.network.plan import Observed
from synth.flow.cache import cached
from synth.record import Metric, Provenance, Record

#: Formats tried with every accumulator.
ACCUMULATED = ("E4M3", "INT8")
EXACT = "exact"
NOT_DONE = (
    "larger data sets",
    "layers left in higher precision",
    "corrections of bias, equalised ranges, learned rounding",
)


class Runs:
    """Runs of one task; ``progress`` reports them, ``search`` is as in `choices`."""

    def __init__(
        self, task: Task, origin: Provenance, progress: Progress, *, search: bool = True
    ) -> None:
        self.task, self._origin, self._progress, self._search = task, origin, progress, search
        #: The same network on the calibration data.
        self._rehearsal = replace(task, feeds=task.calibration, compared=0)

    def records(
        self,
        columns: Sequence[str] = tuple(COLUMNS),
        accumulators: Sequence[str] = tuple(ACCUMULATORS),
    ) -> Iterator[Record]:
        """The network in FP32, in each format with its best ranges, and with other accumulators."""
        exact: dict[str, tuple[Ranges, Measures]] = {}
        for column in columns:
            best, tried = self._best(column, EXACT, choices(column, search=self._search))
            measured = self._run(column, EXACT, best)
            if not exact:  # The layers are the same in every format.
                yield self._record(
                    "fp32",
                    self._reference(),
                    {
                        "data": self.task.data,
                        "licence": self.task.licence,
                        "shapes": measured["shapes"],
                        "macs": measured["macs"],
                    },
                )
            exact[column] = best, measured
            yield self._quantized(
                "formats", measured, column, EXACT, best, tried, self._reference()
            )
        others = [name for name in accumulators if name != EXACT]
        for column, accumulator in itertools.product(ACCUMULATED, others):
            if column in exact:
                yield self._accumulated(column, accumulator, *exact[column])

    def _accumulated(self, column: str, accumulator: str, best: Ranges, beside: Measures) -> Record:
        """Record of a format with another accumulator, compared with exact sums."""
        ranges, tried = self._best(column, accumulator, accumulated(column, accumulator, best))
        measured = self._run(column, accumulator, ranges)
        return self._quantized("accumulators", measured, column, accumulator, ranges, tried, beside)

    def _best(
        self, column: str, accumulator: str, among: Sequence[Ranges]
    ) -> tuple[Ranges, dict[str, float]]:
        """Ranges with the lowest output error on the calibration data, and all errors in percent.

        No errors if there is only one choice.
        """
        if len(among) == 1:
            return among[0], {}
        errors = [self._rehearsed(column, accumulator, ranges) for ranges in among]
        tried = {
            str(ranges): float(f"{error:.6g}") for ranges, error in zip(among, errors, strict=True)
        }
        return among[errors.index(min(errors))], tried

    def _quantized(
        self,
        study: str,
        measured: Measures,
        column: str,
        accumulator: str,
        ranges: Ranges,
        tried: dict[str, float],
        beside: Measures,
    ) -> Record:
        """Record of a format with an accumulator, with the change from ``beside``."""
        return self._record(
            study,
            measured,
            {
                "column": column,
                "accumulator": accumulator,
                "unit": mac_of(column, accumulator),
                "ranges": str(ranges),
                "tried": tried,
                "sqnr": measured["sqnr"],
                "compared_runs": self.task.compared,
            },
            beside,
        )

    def _record(
        self,
        study: str,
        measured: Measures,
        conditions: dict[str, Any],
        beside: Measures | None = None,
    ) -> Record:
        """Record of measures, with their change from ``beside`` if given."""
        measures: dict[str, float] = measured["measures"]
        metrics = {
            key: Metric(float(f"{value:.6g}"), "" if "cosine" in key else "%")
            for key, value in measures.items()
        }
        if beside is not None:
            metrics |= _change(measured, beside) | {
                "macs": Metric(measured["macs"], "MAC"),
                "cycles": Metric(measured["cycles"], "cycle"),
                "median_sqnr": Metric(round(statistics.median(measured["sqnr"].values()), 2), "dB"),
            }
        shared = {
            "study": study,
            "metric": next(iter(measures)),
            "samples": self.task.samples,
            "array": SIZE,
        }
        return Record(
            subject=self.task.name,
            metrics=metrics,
            conditions=shared | conditions,
            provenance=self._origin,
            not_done=NOT_DONE,
        )

    def _reference(self) -> Measures:
        """Measures in FP32."""
        return self._cached("fp32", lambda: measures(self.task, self._exact, self._exact))

    def _run(self, column: str, accumulator: str, ranges: Ranges) -> Measures:
        """Measures of one setting."""

        def compute() -> Measures:
            result = self._simulated(self.task, column, accumulator, ranges)
            return measures(self.task, result.outputs, self._exact) | {
                "sqnr": result.sqnr,
                "shapes": result.shapes,
                "macs": result.macs,
                "cycles": result.cycles,
            }

        return self._cached([column, mac_of(column, accumulator), str(ranges)], compute)

    def _rehearsed(self, column: str, accumulator: str, ranges: Ranges) -> float:
        """Error of the output in percent, on the calibration data."""

        def compute() -> Measures:
            result = self._simulated(self._rehearsal, column, accumulator, ranges)
            return {"error": relative_error(finite(result.outputs), self._rehearsed_exactly)}

        setting = ["calibration", column, mac_of(column, accumulator), str(ranges)]
        return float(self._cached(setting, compute)["error"])

    def _simulated(self, task: Task, column: str, accumulator: str, ranges: Ranges) -> Result:
        """One run."""
        self._progress.at_once(f"{task.name}: {column}, {accumulator} sums, {ranges}")
        return simulate(
            task,
            plan_of(column, accumulator, ranges),
            self._progress,
            compared=task.compared,
            seen=self._seen,
        )

    def _cached(self, setting: Any, compute: Callable[[], Measures]) -> Measures:
        task = self.task
        code: list[Callable[..., Any]] = [measures, task.score]
        code += [task.each] if task.each else []
        return dict(
            cached(
                "network",
                {
                    "setting": setting,
                    "model": task.model,
                    "feeds": task.feeds,
                    "calibration": task.calibration,
                },
                compute,
                code=code,
            )
        )

    @cached_property
    def _seen(self) -> dict[str, Observed]:
        """Values from which scales are chosen."""
        return calibration(self.task, self._progress)

    @cached_property
    def _exact(self) -> Outputs:
        """Outputs in FP32."""
        return reference(self.task, self._progress)

    @cached_property
    def _rehearsed_exactly(self) -> Outputs:
        """Outputs in FP32 on the calibration data."""
        return reference(self._rehearsal, self._progress)


def _change(measured: Measures, beside: Measures) -> dict[str, Metric]:
    """Change of the metric, and the number of samples that do better and worse."""
    now, then = (next(iter(each["measures"].values())) for each in (measured, beside))
    changes = np.subtract(measured["each"], beside["each"])
    counts = {"better": changes > 0, "worse": changes < 0} if changes.size else {}
    return {
        **{name: Metric(int(each.sum()), "sample") for name, each in counts.items()},
        "change": Metric(round(now - then, 4), "%"),
    }
