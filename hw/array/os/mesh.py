# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The processing elements of an output-stationary array, for Amaranth's simulator."""

from amaranth import *

from hw.array.os.pe import ProcessingElement
from hw.mac.stages import delayed
from hw.spec import ArraySpec


class Mesh(Elaboratable):
    """The array without sequencer and drain: it computes one tile, and its sums stay in place.

    The generated array is a netlist of Verilog modules, which Amaranth's simulator cannot run.
    Elements, skew of operands and delays of the frame are the same here.

    Attributes
    ----------
    a, b
        Codes of a column of A and a row of B, row or column 0 in the low bits.
    frame
        Valid, first and last, starting from bit 0.
    sums
        For each row and column, the signal with the final sum, flags above.
    """

    def __init__(self, spec: ArraySpec):
        self._spec, mac = spec, spec.mac
        self.a = Signal(spec.rows * mac.lanes * mac.a.width)
        self.b = Signal(spec.cols * mac.lanes * mac.b.width)
        self.frame = Signal(3)
        self._elements = [
            [ProcessingElement(spec) for _ in range(spec.cols)] for _ in range(spec.rows)
        ]
        self.sums = [[element.north_c for element in row] for row in self._elements]

    def elaborate(self, platform):
        m, spec = Module(), self._spec
        a_width = spec.mac.lanes * spec.mac.a.width
        b_width = spec.mac.lanes * spec.mac.b.width
        souths = [
            delayed(m, self.b[col * b_width :][:b_width], col, name=f"b_{col}", reset_less=False)
            for col in range(spec.cols)
        ]
        for row in reversed(range(spec.rows)):  # Row 0 is the northernmost.
            west = Cat(self.a[row * a_width :][:a_width], self.frame)
            west = delayed(m, west, spec.rows - 1 - row, name=f"west_{row}", reset_less=False)
            for col, element in enumerate(self._elements[row]):
                m.submodules[f"pe_{row}_{col}"] = element
                m.d.comb += [
                    element.en.eq(1),
                    element.west.as_value().eq(west),
                    element.south_b.eq(souths[col]),
                ]
                west, souths[col] = element.east.as_value(), element.north_b
        return m
