# SPDX-License-Identifier: Apache-2.0
"""Switching activity, glitches, power and energy of a netlist."""
