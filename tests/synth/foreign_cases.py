# SPDX-License-Identifier: Apache-2.0
"""Designs as other people write them, each with what must come out or why it is refused."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Case:
    """A design in ``files``, whose top is ``name``.

    ``clock`` and ``register`` are the clock port and the flip-flop at ports, for OpenSTA by hand.
    ``flip_flops`` and ``latches`` are what the text says. ``refused`` is why there is no timing,
    ``error`` the whole error line. ``warnings`` are those of the timing.
    """

    name: str
    files: dict[str, str]
    options: tuple[str, ...] = ()
    clock: str = "clk"
    register: str = "DFF"
    flip_flops: int = 0
    latches: int = 0
    period: float | None = None
    refused: str = ""
    error: str = ""
    warnings: tuple[str, ...] = ()
    given: tuple[str, ...] = field(default=())


def one(name: str, text: str, **settings: object) -> Case:
    """A design in one file."""
    return Case(name, {f"{name}.sv": text}, **settings)  # type: ignore[arg-type]


NO_CELLS = ("the critical path has no cells: it is clock-to-output and setup time alone",)
NO_FLIP_FLOPS = (
    "no flip-flops: the period is from registers before the inputs to registers behind the outputs",
)

CASES = (
    one(
        "sync_mac",
        """module sync_mac(input clk, rst_n, input signed [3:0] a, b, output reg signed [11:0] acc);
             always @(posedge clk) if (!rst_n) acc <= 0; else acc <= acc + a * b;
           endmodule""",
        flip_flops=12,
    ),
    one(
        "async_mac",
        """module async_mac(
               input clk, rst_n, input signed [3:0] a, b, output reg signed [11:0] acc);
             always @(posedge clk or negedge rst_n) if (!rst_n) acc <= 0; else acc <= acc + a * b;
           endmodule""",
        register="DFFR",
        flip_flops=12,
    ),
    one(
        "async_high",
        """module async_high(input clk, rst, input [3:0] d, output reg [3:0] q);
             always @(posedge clk or posedge rst) if (rst) q <= 0; else q <= q + d;
           endmodule""",
        register="DFFR",
        flip_flops=4,
    ),
    one(
        "async_preset",
        """module async_preset(input clk, rst_n, input d, output reg q);
             always @(posedge clk or negedge rst_n) if (!rst_n) q <= 1; else q <= q ^ d;
           endmodule""",
        register="DFFS",
        flip_flops=1,
    ),
    one(
        # Clear and preset in one register: 3 DFFR, 1 DFFS; the reset is synchronised.
        "reset_synchroniser",
        """module reset_synchroniser(input clk, rst_n, input [1:0] d, output reg [1:0] q);
             reg [1:0] s;
             always @(posedge clk or negedge rst_n) if (!rst_n) s <= 0; else s <= {s[0], 1'b1};
             always @(posedge clk or negedge s[1]) if (!s[1]) q <= 2'b10; else q <= q + d;
           endmodule""",
        register="DFFR",
        flip_flops=4,
    ),
    one(
        # Half a period from each edge to the other: the period is twice the path.
        "both_edges",
        """module both_edges(input clk, input [3:0] a, b, output reg [7:0] p);
             reg [3:0] ra, rb;
             always @(negedge clk) begin ra <= a; rb <= b; end
             always @(posedge clk) p <= ra * rb;
           endmodule""",
        flip_flops=16,
    ),
    one(
        # DFFN 0.6 and 0.02 pF, XOR2 0.42, setup 0.1 in half a period.
        "half_cycle",
        """module half_cycle(input clk, a, output reg q);
             reg m; always @(negedge clk) m <= a; always @(posedge clk) q <= q ^ m;
           endmodule""",
        flip_flops=2,
        period=2 * (0.6 + 0.02 + 0.42 + 0.1),
    ),
    one(
        "falling_only",
        """module falling_only(input clk, input [2:0] d, output reg [2:0] q);
             always @(negedge clk) q <= q + d;
           endmodule""",
        register="DFFN",
        flip_flops=3,
    ),
    one(
        "falling_reset",
        """module falling_reset(input clk, rst_n, d, output reg q);
             always @(negedge clk or negedge rst_n) if (!rst_n) q <= 0; else q <= ~q ^ d;
           endmodule""",
        register="DFFRN",
        flip_flops=1,
    ),
    one(
        "inverted_clock",
        """module inverted_clock(input clk, a, output reg q);
             wire n = ~clk; always @(posedge n) q <= q ^ a;
           endmodule""",
        register="DFFN",
        flip_flops=1,
    ),
    one(
        "shift_register",
        """module shift_register(input clk, d, output q);
             reg [3:0] s; always @(posedge clk) s <= {s[2:0], d}; assign q = s[3];
           endmodule""",
        flip_flops=4,
        period=0.52 + 0.1,
        warnings=NO_CELLS,
    ),
    one(
        "combinational",
        """module combinational(input [3:0] a, b, output [4:0] s); assign s = a + b; endmodule""",
        clock="",
        warnings=NO_FLIP_FLOPS,
    ),
    one(
        "constants",
        "module constants(input clk, output [3:0] q); assign q = 5; endmodule",
        refused="no path from a register or input to a register or output",
    ),
    one(
        "latch_alone",
        "module latch_alone(input en, d, output reg q); always @* if (en) q = d; endmodule",
        latches=1,
        refused="1 latches and no flip-flop: there is no clock to time",
    ),
    one(
        "latch_of_data",
        """module latch_of_data(input clk, we, input [3:0] d, output reg [3:0] q);
             reg [3:0] l; always @* if (we) l = d; always @(posedge clk) q <= q + l;
           endmodule""",
        flip_flops=4,
        latches=4,
        refused="4 latches with an enable (we) that is not the clock clk",
    ),
    one(
        # The latch is open while the clock is low, and its paths borrow time.
        "latch_of_clock",
        """module latch_of_clock(input clk, input [3:0] a, b, output reg [7:0] p);
             reg [3:0] ra, rb; reg [7:0] l;
             always @(posedge clk) begin ra <= a; rb <= b; end
             always @* if (!clk) l = ra * rb;
             always @(posedge clk) p <= l + {l[0], l[7:1]};
           endmodule""",
        flip_flops=16,
        latches=8,
    ),
    one(
        "clock_gate",
        """module clock_gate(input clk, en, input [3:0] a, b, output reg [7:0] p);
             reg l, en_q; reg [3:0] ra, rb; wire gated = clk & l;
             always @(posedge clk) en_q <= en;
             always @* if (!clk) l = en_q;
             always @(posedge gated) begin ra <= a; rb <= b; end
             always @(posedge clk) p <= ra * rb;
           endmodule""",
        flip_flops=17,
        latches=1,
    ),
    one(
        "gated_by_and",
        """module gated_by_and(input clk, en, d, output reg q);
             wire g = clk & en; always @(posedge g) q <= q ^ d;
           endmodule""",
        flip_flops=1,
        refused="gated clock, clk or en may be the clock: give --clock-port NAME",
    ),
    one(
        "gated_and_named",
        """module gated_and_named(input clk, en, d, output reg q);
             wire g = clk & en; always @(posedge g) q <= q ^ d;
           endmodule""",
        options=("--clock-port", "clk"),
        flip_flops=1,
        warnings=("clock gating hold is violated at 1.06 ns: slack -0.01 ns",),
    ),
    one(
        "two_clocks",
        """module two_clocks(input wclk, rclk, d, output reg q);
             reg m; always @(posedge wclk) m <= d; always @(posedge rclk) q <= m;
           endmodule""",
        flip_flops=2,
        refused="several clocks: rclk, wclk",
    ),
    one(
        "clock_multiplexer",
        """module clock_multiplexer(input ca, cb, sel, d, output reg q);
             wire c = sel ? ca : cb; always @(posedge c) q <= d;
           endmodule""",
        flip_flops=1,
        refused="gated clock, ca or cb or sel may be the clock: give --clock-port NAME",
    ),
    one(
        "divided_clock",
        """module divided_clock(input clk, output reg q);
             reg d; always @(posedge clk) d <= ~d; always @(posedge d) q <= ~q;
           endmodule""",
        flip_flops=2,
        refused="divided clock: d clocks 1 flip-flops",
    ),
    one(
        "clock_as_data",
        """module clock_as_data(input clk, a, output reg q, output y);
             assign y = clk & a; always @(posedge clk) q <= q ^ a;
           endmodule""",
        flip_flops=1,
    ),
    one(
        "clock_in_a_vector",
        """module clock_in_a_vector(input [1:0] ck, input a, output reg q);
             always @(posedge ck[0]) q <= q ^ a ^ ck[1];
           endmodule""",
        clock="ck_0_",
        flip_flops=1,
    ),
    one(
        "loop",
        """module loop(input clk, s, r, output reg q);
             wire a, b; assign a = ~(s & b); assign b = ~(r & a); always @(posedge clk) q <= b;
           endmodule""",
        flip_flops=1,
        refused="combinational loop through a",
    ),
    one(
        "memory",
        """module memory(input clk, we, input [2:0] ad, input [1:0] d, output reg [1:0] q);
             reg [1:0] m [0:7]; always @(posedge clk) begin if (we) m[ad] <= d; q <= m[ad]; end
           endmodule""",
        flip_flops=18,
    ),
    one(
        "bus",
        """module bus(inout [1:0] p, input oe, input [1:0] d, output [1:0] q);
             assign p = oe ? d : 2'bz; assign q = p;
           endmodule""",
        error="Cells of bus must be two-input gates, inverters, flip-flops and latches, "
        "not '$_TBUF_'",
    ),
)
