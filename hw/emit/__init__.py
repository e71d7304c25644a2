# SPDX-License-Identifier: Apache-2.0
"""From a description to files: modules, Verilog, manifest, core, port sheet."""
