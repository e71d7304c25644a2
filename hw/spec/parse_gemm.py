# SPDX-License-Identifier: Apache-2.0
"""The command line's spelling of a GEMM engine."""

import re

from hw.spec.arrays import ArraySpec
from hw.spec.errors import require
from hw.spec.gemm import DEFAULT_DEPTH, Bus, GemmSpec
from hw.spec.parse_arrays import parse_array

__all__ = ["DEFAULT_DEPTHS", "parse_engine", "parse_gemm"]

DEFAULT_DEPTHS = f"{DEFAULT_DEPTH}x{DEFAULT_DEPTH}x{DEFAULT_DEPTH}"

_ENGINE = re.compile(r"(?P<mac>.+?),array=(?P<array>\d+x\d+),dataflow=(?P<dataflow>\w+)"
                     r"(,depth=(?P<depth>\d{1,9}))?(,out=(?P<out>.+))?,depths=(?P<depths>\d+x\d+x\d+),bus=(?P<bus>\w+)")


def parse_engine(text: str) -> GemmSpec:
    """The engine of which ``text`` is the `str`.

    Raises
    ------
    SpecError
        If there is none.
    """
    found = _ENGINE.fullmatch(text)
    require(found is not None, "Engine spelling",
            "MAC,array=ROWSxCOLS,dataflow=FLOW,depths=AxBxC,bus=BUS", text)
    assert found is not None
    array = parse_array(found["array"], found["mac"], dataflow=found["dataflow"], out=found["out"],
                        depth=int(found["depth"]) if found["depth"] else None)
    return parse_gemm(array, depths=found["depths"], bus=found["bus"])


def parse_gemm(array: ArraySpec, *, depths: str = DEFAULT_DEPTHS,
               bus: str = "axi4lite") -> GemmSpec:
    """Engine around ``array`` with memories of ``AxBxC`` words, behind a bus of this name."""
    is_text = isinstance(depths, str) and re.fullmatch(r"\d{1,9}(x\d{1,9}){2}", depths)
    require(bool(is_text), "GEMM depths", f"AxBxC, for instance {DEFAULT_DEPTHS}", depths)
    buses = [known.value for known in Bus]
    require(bus in buses, "GEMM bus", f"one of {', '.join(buses)}", bus)
    depth_a, depth_b, depth_c = (int(depth) for depth in depths.split("x"))
    return GemmSpec(array=array, depth_a=depth_a, depth_b=depth_b, depth_c=depth_c, bus=Bus(bus))
