# SPDX-License-Identifier: Apache-2.0
"""Simulate Verilog, compiled with Verilator and driven in bulk from numpy.

>>> model = sim.rtl.compile(["mac.v"], "mac", manifest["ports"])
>>> model.reset()
>>> sums = model.run({"i_valid": ones, "i_a": a, "i_b": b})["o_data"]

It needs only Verilog files and a port table. `sim.rtl.array` and `sim.rtl.engine` drive the ports
of an array and the registers of an engine.
"""

from sim.rtl.array import matmul
from sim.rtl.build import compile
from sim.rtl.model import Model, ModelPort, Received, RtlError, Streamed

__all__ = ["Model", "ModelPort", "Received", "RtlError", "Streamed", "compile", "matmul"]
