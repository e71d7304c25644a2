# SPDX-License-Identifier: Apache-2.0
"""The units of points.toml on every part, with and without DSP blocks."""

import tomllib
from argparse import Namespace
from pathlib import Path

from hw.emit.yosys import YosysError
from hw.spec import parse_mac
from reports.registry import Measure
from synth.fpga.__main__ import add_options, chosen_parts, measure_all
from synth.fpga.implement import PlacingError
from synth.record import Record

POINTS = Path(__file__).with_name("points.toml")


def run(options: Namespace) -> list[Record]:
    """Records of all points."""
    macs = [parse_mac(text) for text in tomllib.loads(POINTS.read_text(encoding="utf-8"))["macs"]]
    return measure_all(macs, chosen_parts(options), int(options.seeds), options.command)


MEASURE = Measure(run=run, options=add_options, tool_errors=(PlacingError, YosysError))
