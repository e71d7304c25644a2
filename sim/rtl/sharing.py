# SPDX-License-Identifier: Apache-2.0
"""Rules by which Verilator compiles a module once instead of once for each instance.

Verilator makes one function of equal functions. Those of two instances are equal only if they name
nothing outside of the instance, and its optimisations see to the opposite: they replace a port by
whatever drives it, in the neighbour. A module that is kept apart (``no_inline``) and whose inputs
must stay readable (``public_flat_rd``) has functions that know nothing but the module. Assignments
to those inputs belong to the parent, provided that the optimisation across instances is off.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path

__all__ = ["OPTIONS", "rules"]

#: Options that go with the rules. Merging of conditions is off because it takes longest and gains
#: nothing on gates.
OPTIONS = ("-fno-dfg-scoped", "-fno-merge-cond")

_MODULE = re.compile(r"^\s*module\s+(\w+)(.*?)^\s*endmodule", re.MULTILINE | re.DOTALL)
_INPUT = re.compile(r"\binput\b(?:\s+(?:wire|reg|logic|signed)|\s*\[[^\]]*\])*\s*(\w+)")


def rules(files: Iterable[Path], shared: Sequence[str], clock: str) -> str:
    """Configuration file for the modules of ``files`` that a pattern of ``shared`` matches."""
    lines = ["`verilator_config"]
    for file in files:
        for name, body in _MODULE.findall(file.read_text(encoding="utf-8")):
            if any(fnmatchcase(name, pattern) for pattern in shared):
                lines.append(f'no_inline -module "{name}"')
                lines += [f'public_flat_rd -module "{name}" -var "{port}"'
                          for port in _INPUT.findall(body) if port != clock]
    return "\n".join([*lines, ""])
