# SPDX-License-Identifier: Apache-2.0
"""The page of a run as a file."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hw.spec import ArraySpec
from sim.files import whole_file
from sim.trace.view.page import page
from sim.trace.view.record import Recorder, recorder_of
from sim.trace.view.weights import WeightRecorder

__all__ = ["viewed"]


@contextmanager
def viewed(path: Path, spec: ArraySpec, m: int, k: int, n: int
           ) -> Iterator[Recorder | WeightRecorder]:
    """Record a product of these sides, and write its page when all went well."""
    recorder = recorder_of(spec, m, k, n)
    with whole_file(path) as file:
        yield recorder
        file.write(page(recorder.trace()).encode("utf-8"))
