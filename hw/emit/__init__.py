# SPDX-License-Identifier: Apache-2.0
"""Writes files from a description: Verilog, manifest, FuseSoC core, port sheet, register map."""
