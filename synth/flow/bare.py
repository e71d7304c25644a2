# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""A MAC without what an array has once for many: the loop alone, as Verilog.

>>> bare_verilog(parse_mac("int8,acc=int27,adder=carry-save"), resolve=False, always_valid=True)
"""

from hw.spec import Adder, ArraySpec, GemmSpec, MacSpec, OutputSpec
from hw.spec.errors import require

__all__ = ["bare_verilog", "check_bare"]


def check_bare(spec: MacSpec | ArraySpec | OutputSpec | GemmSpec, *, resolve: bool,
               always_valid: bool) -> None:
    """SpecError if there is no such part of ``spec``; the arguments are those of `bare_verilog`."""
    is_mac = isinstance(spec, MacSpec)
    require(resolve or (isinstance(spec, MacSpec) and spec.adder is Adder.CARRY_SAVE),
            "Unresolved unit", "a MAC with the adder carry-save", str(spec))
    require(is_mac or not always_valid, "Always valid unit", "a MAC", str(spec))


def bare_verilog(spec: MacSpec, *, resolve: bool, always_valid: bool) -> dict[str, str]:
    """Verilog of a MAC and the name of its top module, as ``verilog`` and ``element``.

    Parameters
    ----------
    spec
        The MAC.
    resolve
        Whether a carry-save sum is resolved; else ``o_data`` is the accumulator as it is kept.
    always_valid
        Whether ``i_valid`` is 1 in every cycle instead of a port.
    """
    from hw.emit.verilog import to_verilog  # Amaranth takes a while to import.
    from hw.mac import mac
    from hw.mac.unit import AlwaysValid

    unit = mac(spec, resolve=resolve)
    top = AlwaysValid(unit) if always_valid else unit
    return {"verilog": to_verilog(top), "element": top.module_name}
