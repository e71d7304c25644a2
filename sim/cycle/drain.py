# SPDX-License-Identifier: Apache-2.0
"""Output stages at an array's drain, one step a clock."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from sim import vector
from sim.cycle.streams import Inputs, Outputs

__all__ = ["Drain"]

Ints = npt.NDArray[Any]


class Row(NamedTuple):
    """Sums, flags, scales and zero points of the columns, as a clock edge takes them."""

    sums: Ints
    flags: Ints
    scale: Ints
    zero_point: Ints


class Drain:
    """A row of codes behind the rows of sums; it stops while it is offered and not taken.

    Attributes
    ----------
    valid, last
        Whether there is a row, and whether it is the last one of a tile.
    """

    def __init__(self, spec: ArraySpec) -> None:
        assert spec.out is not None
        self._spec, self._out, self._cols = spec, spec.out, spec.cols
        self.valid = self.last = False
        #: What the codes are made of: few of them are ever looked at.
        self._row: Row | None = None
        self._made: Ints = np.zeros(spec.cols, np.int64)

    @property
    def codes(self) -> Ints:
        """Codes in the registers, (cols,)."""
        if self._row is not None:
            row, self._row = self._row, None
            self._made = vector.output(row.sums, row.scale, row.zero_point, row.flags, self._out)
        return self._made

    def step(self, inputs: Inputs, array: Callable[[Inputs], Outputs]) -> Outputs:
        """Outputs of this cycle; ``array`` steps what is in front, whose rows of C are sums."""
        ready = bool(not self.valid or inputs.c_tready)
        sums = array(inputs._replace(c_tready=ready))
        offered = sums._replace(
            c_tvalid=self.valid, c_tlast=self.last, c_tuser=np.zeros(self._cols, np.uint8),
            c_tdata=self._slots() if self.valid else self._made)
        if ready:
            self.valid, self.last = sums.c_tvalid, sums.c_tlast
            scale, zero_point = (np.broadcast_to(np.asarray(x), self._cols)
                                 for x in (inputs.c_scale, inputs.c_zero_point))
            self._row = Row(sums.c_tdata, sums.c_tuser, scale, zero_point)
        if inputs.rst:
            self.valid = self.last = False
        return offered

    def _slots(self) -> Ints:
        """What is offered: codes, those of signed integers as numbers."""
        codes = self.codes
        if not self._spec.result_signed:
            return codes
        width = self._spec.result_width
        numbers: Ints = codes - (codes >> width - 1 << width)
        return numbers
