# SPDX-License-Identifier: Apache-2.0
"""Compiled Verilog, driven in bulk from numpy. Takes files and a port table, knows no generator.

>>> model = sim.rtl.compile(["mac.v"], "mac", manifest["ports"])
>>> model.reset()
>>> sums = model.run({"i_valid": ones, "i_a": a, "i_b": b})["o_data"]
"""

from sim.rtl.build import RtlError, compile
from sim.rtl.model import Model, Port
from sim.rtl.streams import Received, Streamed

__all__ = ["Model", "Port", "Received", "RtlError", "Streamed", "compile"]
