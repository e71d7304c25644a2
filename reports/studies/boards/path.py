# SPDX-License-Identifier: Apache-2.0
"""The path of data through a board, drawn from the spec of a bitstream."""

from collections.abc import Mapping, Sequence
from typing import Any

from hw.spec import parse_array, parse_gemm, parse_mac

__all__ = ["board_path"]

#: Elements of the array that are drawn in each direction.
DRAWN = 4


def board_path(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the template draws: widths, depths and sizes of the first bitstream."""
    where = records[0]["conditions"]
    mac = parse_mac(f"{where['mac']},adder=inferred,multiplier=inferred")
    gemm = parse_gemm(parse_array(where["array"], mac), depths=where["depths"], bus="wishbone")
    array = gemm.array
    return {
        "board": where["board"], "clock": f"{where['clock_mhz']:g}", "mac": where["mac"],
        "array": where["array"], "acc": str(mac.acc.width),
        "rows": min(array.rows, DRAWN), "cols": min(array.cols, DRAWN),
        "memories": [("A", gemm.depth_a, gemm.a_width), ("B", gemm.depth_b, gemm.b_width),
                     ("C", gemm.depth_c, gemm.c_width)],
    }
