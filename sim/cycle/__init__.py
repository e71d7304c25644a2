# SPDX-License-Identifier: Apache-2.0
"""Arrays clock by clock: every register of every processing element, vectorised over elements."""

from sim.cycle.os import OutputStationaryArray
from sim.cycle.product import array, matmul
from sim.cycle.streams import Inputs, Outputs
from sim.cycle.ws import WeightArray

__all__ = ["OutputStationaryArray", "Inputs", "Outputs", "WeightArray", "array", "matmul"]
