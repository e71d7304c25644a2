# SPDX-License-Identifier: Apache-2.0
"""Arrays clock by clock: every register of every processing element, vectorised over elements."""

from sim.cycle.os import Array, Inputs, Outputs
from sim.cycle.product import Product, matmul

__all__ = ["Array", "Inputs", "Outputs", "Product", "matmul"]
