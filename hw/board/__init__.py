# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: their chips and pins, the design on them, and building and loading bitstreams.

The design is `hw.board.top.BoardTop`. Only it and its parts need Amaranth.
"""
