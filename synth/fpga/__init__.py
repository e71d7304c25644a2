# SPDX-License-Identifier: Apache-2.0
"""Units on FPGAs: look-up tables, flip-flops, DSP blocks and the clock after place and route."""
