# SPDX-License-Identifier: Apache-2.0
"""Systolic arrays: a structure for each dataflow, all with the same streams."""

from hw.array.stream_top import stream_top
from hw.emit.netlist import Netlist
from hw.spec import ArraySpec, Dataflow

__all__ = ["array"]

_DATAFLOWS = {Dataflow.OS: stream_top}


def array(spec: ArraySpec) -> Netlist:
    """Structure of the array that ``spec`` describes, with its AXI4-Stream top."""
    return _DATAFLOWS[spec.dataflow](spec)
