# SPDX-License-Identifier: Apache-2.0
"""Measurement of a study that is a TOML file of points, by `synth.sweep`."""

from functools import partial
from pathlib import Path

from reports.registry import Measure
from synth.sweep import add_options, sweep_file


def measure_of(points: Path) -> Measure:
    """Measurement of the points of a file."""
    return Measure(run=partial(sweep_file, points), options=add_options)
