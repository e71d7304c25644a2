# SPDX-License-Identifier: Apache-2.0
"""What the streams of an array carry in one clock cycle."""

from typing import Any, NamedTuple

import numpy.typing as npt

__all__ = ["LEAVES", "STARTS", "Inputs", "Outputs"]

Ints = npt.NDArray[Any]

#: Bits of the ``a_tuser`` of a weight-stationary array: sums start anew, sums leave.
STARTS, LEAVES = 1, 2


class Inputs(NamedTuple):
    """Inputs of one cycle; ``a_tdata`` (rows, lanes) and ``b_tdata`` (cols, lanes) hold codes.

    ``a_tuser`` is that of a weight-stationary array. ``c_scale`` and ``c_zero_point`` are what the
    output stages take: exponents or codes of fp32, and units, for all columns or for each.
    """

    a_tvalid: bool
    a_tdata: Ints
    a_tlast: bool
    b_tvalid: bool
    b_tdata: Ints
    b_tlast: bool
    c_tready: bool
    rst: bool = False
    a_tuser: int = 0
    c_scale: Any = 0
    c_zero_point: Any = 0


class Outputs(NamedTuple):
    """Outputs of one cycle, before its clock edge; ``c_tdata`` and ``c_tuser`` have a column each.

    ``c_tdata`` has sums in units of the accumulator's lsb, or codes; an output stage's codes of
    signed integers are numbers.
    """

    a_tready: bool
    b_tready: bool
    c_tvalid: bool
    c_tdata: Ints
    c_tlast: bool
    c_tuser: Ints
    error: bool
