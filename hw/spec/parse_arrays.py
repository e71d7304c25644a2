# SPDX-License-Identifier: Apache-2.0
"""The command line's spelling of an array."""

import re

from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.errors import require
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec
from hw.spec.parse import parse_mac
from hw.spec.parse_outputs import parse_output

__all__ = ["parse_array"]


def parse_array(text: str, mac: str | MacSpec, *, dataflow: str = "os",
                out: str | OutputSpec | None = None, depth: int | None = None) -> ArraySpec:
    """Array of the size ``ROWSxCOLS`` with ``mac`` in every processing element.

    ``out`` is the output stage at its drain, spelled ``e4m3`` or, in full,
    ``int8,saturate=no,scale=fp32,zero_point=yes``: what it takes are the MAC's sums and flags.
    ``depth`` is that of the accumulator memory of a weight-stationary array.
    """
    require(isinstance(text, str) and re.fullmatch(r"\d{1,9}x\d{1,9}", text) is not None,
            "Array size", "ROWSxCOLS, for instance 16x16", text)
    flows = [flow.value for flow in Dataflow]
    require(dataflow in flows, "Array dataflow", f"one of {', '.join(flows)}", dataflow)
    rows, cols = (int(side) for side in text.split("x"))
    mac = parse_mac(mac)
    stage = None if out is None else parse_output(out, mac=mac)
    return ArraySpec(mac=mac, rows=rows, cols=cols, dataflow=Dataflow(dataflow), out=stage,
                     depth=depth)
