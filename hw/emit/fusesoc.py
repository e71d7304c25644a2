# SPDX-License-Identifier: Apache-2.0
"""FuseSoC core description (CAPI2) of generated files."""

__all__ = ["core_file"]


def core_file(name: str, verilog: str, description: str, revision: str) -> str:
    """Text of a ``.core`` file; ``revision`` is the version of the core."""
    return f"""CAPI=2:

name: ::{name}:{revision}
description: "{description}"

filesets:
  rtl:
    files:
      - {verilog}
    file_type: verilogSource

targets:
  default:
    filesets: [rtl]
    toplevel: {name}
"""
