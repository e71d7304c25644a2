# SPDX-License-Identifier: Apache-2.0
"""What formats, ranges and accumulators do to one network, as records.

Each run is kept as soon as it is done, so that a study that was killed goes on where it was.
"""

import hashlib
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from sim.network.plan import Seen
from sim.progress import Progress
from synth.cache import cached, digest_of_files
from synth.networks.formats import ACCUMULATORS, COLUMNS, Ranges, choices, mac_of
from synth.networks.simulate import SIZE, calibration, plan_of, reference, simulate
from synth.networks.task import Outputs, Task, relative_error
from synth.record import ROOT, Metric, Provenance, Record

__all__ = ["ACCUMULATED", "Study"]

Measures = dict[str, Any]

#: Formats that are tried with every accumulator.
ACCUMULATED = ("E4M3", "INT8")
EXACT = "exact"
#: Files that a result depends on, and names of those among them that it does not.
CODE = ("sim/network/*.py", "sim/quantize/*.py", "sim/fast/*.py", "sim/vector/*.py",
        "sim/outcome.py", "hw/spec/formats.py", "hw/spec/accumulators.py", "hw/spec/macs.py",
        "hw/spec/arrays.py", "hw/spec/schedules.py", "synth/networks/simulate.py",
        "synth/networks/task.py", *(f"synth/networks/{name}.py" for name in (
            "digits", "text", "lines", "sentences", "photographs")))
ASIDE = ("__main__.py", "feeds.py", "store.py", "table.py")
NOT_DONE = ("larger data sets", "layers left in higher precision",
            "corrections of bias, equalised ranges, learned rounding")


class Study:
    """Runs of one task; ``say`` tells which, ``search`` is as in `choices`."""

    def __init__(self, task: Task, origin: Provenance, say: Progress, *, search: bool = True
                 ) -> None:
        self.task, self._origin, self._say, self._search = task, origin, say, search
        self._known: Outputs | None = None
        self._seen: dict[str, Seen] | None = None

    def records(self, columns: Sequence[str] = tuple(COLUMNS),
                accumulators: Sequence[str] = tuple(ACCUMULATORS)) -> Iterator[Record]:
        """The network in FP32, in each format with its best ranges, and with other accumulators."""
        best: dict[str, Ranges] = {}
        for column in columns:
            only = len(self._choices(column)) == 1
            tried = {str(ranges): self._run(column, EXACT, ranges, compare=only)
                     for ranges in self._choices(column)}
            name = min(tried, key=lambda each: tried[each]["measures"]["relative_error"])
            best[column] = next(each for each in self._choices(column) if str(each) == name)
            found = self._run(column, EXACT, best[column])
            if len(best) == 1:  # The layers are the same in every format.
                yield self._record("fp32", self._reference(), {
                    "data": self.task.data, "licence": self.task.licence,
                    "shapes": found["shapes"], "macs": found["macs"]})
            yield self._record("formats", found, {
                "column": column, "accumulator": EXACT, "unit": mac_of(column, EXACT),
                "ranges": name, "sqnr": found["sqnr"],
                "tried": {each: float(f"{found['measures']['relative_error']:.6g}")
                          for each, found in tried.items()}})
        for column in ACCUMULATED:
            for accumulator in accumulators if column in columns else ():
                if accumulator != EXACT:
                    yield self._accumulated(column, accumulator, best[column])

    def _accumulated(self, column: str, accumulator: str, ranges: Ranges) -> Record:
        """Record of a format with given ranges and an accumulator."""
        found = self._run(column, accumulator, ranges)
        return self._record("accumulators", found, {
            "column": column, "accumulator": accumulator, "unit": mac_of(column, accumulator),
            "ranges": str(ranges), "sqnr": found["sqnr"]})

    def _choices(self, column: str) -> tuple[Ranges, ...]:
        return choices(column, search=self._search)

    def _metric(self, found: Measures) -> float:
        return float(next(iter(found["measures"].values())))

    def _record(self, study: str, found: Measures, conditions: dict[str, Any]) -> Record:
        measures: dict[str, float] = found["measures"]
        name = next(iter(measures))
        metrics = {key: Metric(float(f"{value:.6g}"), "" if "cosine" in key else "%")
                   for key, value in measures.items()}
        if study != "fp32":
            metrics |= {key: Metric(count, "sample") for key, count in found["samples"].items()}
            first = self._metric(self._reference())
            metrics["change"] = Metric(round(measures[name] - first, 4), "%")
            metrics |= {"macs": Metric(found["macs"], "MAC"),
                        "cycles": Metric(found["cycles"], "cycle"),
                        "median_sqnr": Metric(
                            round(statistics.median(found["sqnr"].values()), 2), "dB")}
        shared = {"study": study, "metric": name, "samples": self.task.samples, "array": SIZE}
        return Record(subject=self.task.name, metrics=metrics, conditions=shared | conditions,
                      provenance=self._origin, not_done=NOT_DONE)

    def _reference(self) -> Measures:
        """Measures in FP32."""
        return self._cached("fp32", lambda: self._measured(self._exact()))

    def _run(self, column: str, accumulator: str, ranges: Ranges, *, compare: bool = True
             ) -> Measures:
        """Measures of one setting; those of its layers only if asked for."""
        def compute() -> Measures:
            self._say.at_once(f"{self.task.name}: {column}, {accumulator} sums, {ranges}")
            plan = plan_of(column, accumulator, ranges)
            if self._seen is None:
                self._seen = calibration(self.task, self._say)
            found = simulate(self.task, plan, self._say, compare=compare, seen=self._seen)
            return self._measured(found.outputs) | {
                "sqnr": found.sqnr, "shapes": found.shapes, "macs": found.macs,
                "cycles": found.cycles}

        setting = [column, mac_of(column, accumulator), str(ranges)]
        return self._cached([*setting, compare], compute)

    def _cached(self, setting: Any, compute: Callable[[], Measures]) -> Measures:
        return dict(cached("network", self._inputs(setting), compute))

    def _exact(self) -> Outputs:
        """Outputs in FP32, computed once."""
        if self._known is None:
            self._known = reference(self.task, self._say)
        return self._known

    def _measured(self, outputs: Outputs) -> Measures:
        """Measures of outputs, what is not finite counted as zero, and how many samples do better
        and worse than in FP32.
        """
        exact = self._exact()
        sound = [np.nan_to_num(each, nan=0.0, posinf=0.0, neginf=0.0) for each in outputs]
        measures = self.task.score(sound, exact) | {"relative_error": relative_error(sound, exact)}
        if self.task.each is None:
            return {"measures": measures, "samples": {}}
        change = self.task.each(sound, exact) - self.task.each(exact, exact)
        return {"measures": measures, "samples": {"better": int((change > 0).sum()),
                                                  "worse": int((change < 0).sum())}}

    def _inputs(self, setting: Any) -> dict[str, Any]:
        """All that a run depends on."""
        return {"setting": setting, "model": digest_of_files((self.task.model,)),
                "code": _code(), "data": _digest(self.task)}


def _code() -> str:
    """Digest of what computes: of the model all but command lines and files, the descriptions."""
    files = [file for pattern in CODE for file in sorted(ROOT.glob(pattern))
             if file.name not in ASIDE]
    return digest_of_files(tuple(files))


def _digest(task: Task) -> str:
    """Digest of the inputs of all runs."""
    digest = hashlib.sha256()
    for feed in (*task.feeds, *task.calibration):
        for name, array in sorted(feed.items()):
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
