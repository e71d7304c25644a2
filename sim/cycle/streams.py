# SPDX-License-Identifier: Apache-2.0
"""Streams of an array in a clock cycle, and the path of results to the C stream."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hw.spec import ArraySpec
from sim.codes import NDArray
from sim.cycle.history import History
from sim.vector import output, sum_dtype

#: Bits of ``a_tuser`` in a weight-stationary array: start new sums, output the sums.
STARTS, LEAVES = 1, 2


class Inputs(NamedTuple):
    """Inputs of one cycle. ``a_tdata`` (rows, lanes) and ``b_tdata`` (cols, lanes) hold codes.

    ``a_tuser`` is for weight-stationary arrays only. ``c_scale`` (exponents or codes of fp32) and
    ``c_zero_point`` (units) are inputs of the output stages, one for all columns or one for each.
    """

    a_tvalid: bool
    a_tdata: NDArray
    a_tlast: bool
    b_tvalid: bool
    b_tdata: NDArray
    b_tlast: bool
    c_tready: bool
    rst: bool = False
    a_tuser: int = 0
    c_scale: Any = 0
    c_zero_point: Any = 0


class Outputs(NamedTuple):
    """Outputs of one cycle, before its clock edge. ``c_tdata`` and ``c_tuser`` are by column.

    ``c_tdata`` holds sums in units of the accumulator's lsb, or codes. With an output stage, codes
    of signed integers are given as values.
    """

    a_tready: bool
    b_tready: bool
    c_tvalid: bool
    c_tdata: NDArray
    c_tlast: bool
    c_tuser: NDArray
    error: bool


class Results:
    """Registers that resolve carry-save sums, align the columns and hold a row that is stalled.

    They have no reset.

    Attributes
    ----------
    held
        The row that is held, sums and flags, (2, cols).
    """

    def __init__(self, spec: ArraySpec) -> None:
        self._cols, self._stages = spec.cols, spec.mac.latency - spec.mac.loop_latency
        self._past = History((2, spec.cols), spec.cols + self._stages, sum_dtype(spec.mac))
        self.held = np.zeros((2, spec.cols), sum_dtype(spec.mac))

    @property
    def align(self) -> NDArray:
        """Alignment registers by delay, from 1 cycle on, (2, cols - 1, cols)."""
        ago = self._past.ago(self._stages + self._cols - 1)[self._stages :]
        return ago.transpose(1, 0, 2)

    @property
    def resolved(self) -> NDArray:
        """Resolved sums and flags by delay, from 1 cycle on, (cycles, 2, cols)."""
        return self._past.ago(self._stages)

    def offered(self, sums: NDArray, flags: NDArray, kept: bool) -> NDArray:
        """Row that C offers, (2, cols), given the sums and flags (cols,) that leave the grid."""
        past = self._past
        past.past[past.end, 0], past.past[past.end, 1] = sums, flags
        if not kept:
            end = past.end - self._stages + 1
            # Each column is one cycle later. The array moves on, so the view is not overwritten.
            self.held = past.past[end - self._cols : end].diagonal(0, 0, 2)
        return self.held

    def step(self) -> None:
        """One enabled clock edge, after `offered`. The held row needs no enable."""
        self._past.push()


class Row(NamedTuple):
    """Sums, flags, scales and zero points of the columns, as registered at a clock edge."""

    sums: NDArray
    flags: NDArray
    scale: NDArray
    zero_point: NDArray


class Drain:
    """Output register: a row of codes. It stalls while the row is offered but not taken.

    Attributes
    ----------
    valid, last
        Whether there is a row, and whether it is the last one of a tile.
    """

    def __init__(self, spec: ArraySpec) -> None:
        assert spec.out is not None
        self._spec, self._out, self._cols = spec, spec.out, spec.cols
        self.valid = self.last = False
        #: Inputs of the codes. Codes are computed only when they are read.
        self._row: Row | None = None
        self._made: NDArray = np.zeros(spec.cols, np.int64)

    @property
    def codes(self) -> NDArray:
        """Codes in the registers, (cols,)."""
        if self._row is not None:
            row, self._row = self._row, None
            self._made = output(row.sums, row.scale, row.zero_point, row.flags, self._out)
        return self._made

    def step(self, inputs: Inputs, array: Callable[[Inputs], Outputs]) -> Outputs:
        """Outputs of this cycle. ``array`` steps the array, whose rows of C are sums."""
        ready = bool(not self.valid or inputs.c_tready)
        sums = array(inputs._replace(c_tready=ready))
        offered = sums._replace(
            c_tvalid=self.valid,
            c_tlast=self.last,
            c_tuser=np.zeros(self._cols, np.uint8),
            c_tdata=self._slots() if self.valid else self._made,
        )
        if ready:
            self.valid, self.last = sums.c_tvalid, sums.c_tlast
            scale, zero_point = (
                np.broadcast_to(np.asarray(x), self._cols)
                for x in (inputs.c_scale, inputs.c_zero_point)
            )
            self._row = Row(sums.c_tdata, sums.c_tuser, scale, zero_point)
        if inputs.rst:
            self.valid = self.last = False
        return offered

    def _slots(self) -> NDArray:
        """Codes as offered on C; codes of signed integers are converted to values."""
        codes = self.codes
        if not self._spec.result_signed:
            return codes
        width = self._spec.result_width
        numbers: NDArray = codes - (codes >> width - 1 << width)
        return numbers
