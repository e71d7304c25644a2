# SPDX-License-Identifier: Apache-2.0
"""A top with three pins around a unit of many ports, so that it fits any package."""

from collections.abc import Sequence

from hw.emit.netlist import CLOCKING, Port

__all__ = ["CLOCK", "TOP", "UNIT", "harness"]

TOP = "top"
#: Instance name of the unit; its cells begin with it once the design is flat.
UNIT = "unit"
CLOCK = CLOCKING[0].name

_TEXT = """\
module {top}(input {clock}, input si, output so);
  reg [{high_in}:0] shifted;
  reg [{high_out}:0] signature;
  wire [{high_out}:0] results;
  always @(posedge {clock}) begin
    shifted <= {{shifted, si}};
    signature <= {{signature, 1'b0}} ^ results;
  end
  assign so = signature[{high_out}];
  {module} {unit}({connections});
endmodule
"""


def harness(module: str, ports: Sequence[Port]) -> str:
    """Verilog of a module `TOP` that holds ``module``.

    Its inputs come from a shift register and its outputs go into a signature register, so every
    path from and to the unit is one between registers, and nothing of the unit is left out.
    """
    widths = {"input": 0, "output": 0}
    vectors = {"input": "shifted", "output": "results"}
    connections = [f".{CLOCK}({CLOCK})"]
    for port in ports:
        if port.name == CLOCK:
            continue
        low = widths[port.direction]
        widths[port.direction] += port.width
        connections.append(
            f".{port.name}({vectors[port.direction]}[{low + port.width - 1}:{low}])")
    return _TEXT.format(top=TOP, clock=CLOCK, module=module, unit=UNIT, high_in=widths["input"] - 1,
                        high_out=widths["output"] - 1, connections=", ".join(connections))
