# SPDX-License-Identifier: Apache-2.0
"""What goes onto an FPGA board: a GEMM engine behind a serial line."""

from hw.board.emission import Emitted, emit
from hw.board.top import BoardTop, board

__all__ = ["BoardTop", "Emitted", "board", "emit"]
