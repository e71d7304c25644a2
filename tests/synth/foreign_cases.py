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
    Case(
        "include_beside",
        {
            "rtl/include_beside.v": """`include "defs.vh"
               module include_beside(input clk, input [`W-1:0] d, output reg [`W-1:0] q);
                 always @(posedge clk) q <= q ^ d;
               endmodule""",
            "rtl/defs.vh": "`define W 3\n",
        },
        flip_flops=3,
    ),
    Case(
        "include_folder",
        {
            "include_folder.v": """`include "more/defs.vh"
               module include_folder(input clk, input [`W-1:0] d, output reg [`W-1:0] q);
                 always @(posedge clk) q <= q ^ d;
               endmodule""",
            "inc/more/defs.vh": "`ifdef WIDE\n`define W 4\n`else\n`define W 2\n`endif\n",
        },
        options=("-I", "inc", "-DWIDE"),
        flip_flops=4,
    ),
    one(
        "macro_with_text",
        """module macro_with_text(input clk, input [`N-1:0] d, output reg [`N-1:0] q);
             always @(posedge clk) q <= q ^ d;
           endmodule""",
        options=("--define", "N=5"),
        flip_flops=5,
    ),
    one(
        "parameters",
        """module parameters #(parameter int W = 2, parameter bit [3:0] K = 1)(
               input logic clk, input logic [W-1:0] d, output logic [W-1:0] q);
             always_ff @(posedge clk) q <= d + W'(K);
           endmodule""",
        options=("-G", "W=4", "--param", "K=4'h9"),
        flip_flops=4,
    ),
    one(
        "parameters_of_yosys",
        """module parameters_of_yosys #(parameter W = 2, parameter [3:0] K = 1)(
               input clk, input [W-1:0] d, output reg [W-1:0] q);
             always @(posedge clk) q <= q + d + K;
           endmodule""",
        options=("-G", "W=4", "-G", "K=4'h9", "--reader", "yosys"),
        flip_flops=4,
    ),
    Case(
        "file_list",
        {
            "file_list.f": """// files of the design
               +incdir+inc +define+W=3  # with a macro
               -f nested.f
               /* the
                  top */ file_list.v
               """,
            "nested.f": "leaf.v\n",
            "leaf.v": "module leaf(input [`W-1:0] a, output y); assign y = ^a; endmodule\n",
            "file_list.v": """`include "ports.vh"
               leaf u(.a(a), .y(y)); reg r; always @(posedge clk) r <= r ^ y; assign q = r;
               endmodule""",
            "inc/ports.vh": "module file_list(input clk, input [`W-1:0] a, output q); wire y;\n",
        },
        options=("-f", "file_list.f"),
        flip_flops=1,
    ),
    Case(
        "packed_types",
        {
            "types.sv": """package types;
                 typedef enum logic [1:0] {IDLE, RUN, DONE} state_e;
                 typedef struct packed { logic [2:0] a; logic [2:0] b; } pair_t;
               endpackage""",
            "packed_types.sv": """module packed_types import types::*; #(parameter type T = pair_t)(
                   input logic clk, rst_n, input T i, output logic [2:0] s, output state_e st);
                 always_ff @(posedge clk or negedge rst_n)
                   if (!rst_n) begin s <= '0; st <= IDLE; end
                   else begin s <= i.a + i.b; st <= st == IDLE ? RUN : DONE; end
               endmodule""",
        },
        register="DFFR",
        flip_flops=5,
    ),
    one(
        "inner_interface",
        """interface link #(parameter int W = 2)(input logic clk);
             logic [W-1:0] d; modport src(output d); modport dst(input d);
           endinterface
           module source(link.src o, input logic clk, input logic [2:0] i);
             always_ff @(posedge clk) o.d <= i;
           endmodule
           module inner_interface(input logic clk, input logic [2:0] i, output logic [2:0] q);
             link #(3) l(clk); source s(.o(l), .clk, .i);
             always_ff @(posedge clk) q <= q + l.d;
           endmodule""",
        flip_flops=6,
    ),
    one(
        "interface_ports",
        """interface link #(parameter int W = 2)();
             logic v; logic [W-1:0] d; modport dst(input v, input d);
           endinterface
           module interface_ports(input logic clk, link.dst x, output logic [1:0] q);
             always_ff @(posedge clk) if (x.v) q <= x.d;
           endmodule""",
        flip_flops=2,
    ),
    one(
        "generate_chain",
        """module generate_chain #(parameter N = 4)(input clk, input [N-1:0] a, output [N-1:0] q);
             genvar i;
             generate for (i = 0; i < N; i = i + 1) begin : stage
               reg r; wire before;
               if (i == 0) assign before = a[0]; else assign before = stage[i-1].r ^ a[i];
               always @(posedge clk) r <= before;
               assign q[i] = r;
             end endgenerate
           endmodule""",
        flip_flops=4,
    ),
    one(
        "signed_ports",
        """module signed_ports(input clk, input signed [2:0] a, output reg signed [5:0] y,
                               output signed [2:0] low);
             always @(posedge clk) y <= a * a - 6'sd3; assign low = y[2:0];
           endmodule""",
        flip_flops=6,
    ),
    one(
        "escaped_names",
        """module escaped_names(input \\clk.i , input [1:0] \\a[x] , output reg [1:0] \\q$! );
             reg [1:0] \\in.ner ;
             always @(posedge \\clk.i ) begin
               \\in.ner <= \\a[x] ; \\q$! <= \\in.ner + \\q$! ;
             end
           endmodule""",
        clock="clk_2e_i",
        flip_flops=4,
    ),
    one(
        "used_before",
        """module used_before(input clk, input d, output reg q);
             always @(posedge clk) q <= w ^ q; wire w = ~d & v; wire v = q | d;
           endmodule""",
        flip_flops=1,
    ),
    one(
        # No edge of the enable in the list: neither reader takes it, and both say so.
        "two_conditions",
        """module two_conditions(input clk, rst, en, d, output reg q);
             always @(posedge clk or posedge rst) if (rst || !en) q <= 0; else q <= d;
           endmodule""",
        error="two_conditions.sv:2: ERROR: condition cannot be matched to any signal "
        "from the event list; with Yosys: Multiple edge sensitive events found "
        "for this signal!",
    ),
    one(
        "state_machine",
        """module state_machine(input logic clk, rst, go, output logic [1:0] out);
             typedef enum logic [1:0] {A, B, C} state_t; state_t now, next;
             always_comb unique case (now) A: next = go ? B : A; B: next = C; default: next = A;
               endcase
             always_ff @(posedge clk) if (rst) now <= A; else now <= next;
             assign out = now;
           endmodule""",
        flip_flops=2,
    ),
    one(
        "functions",
        """module functions(input logic clk, input logic [2:0][1:0] a, output logic [3:0] s);
             function automatic logic [3:0] total(input logic [2:0][1:0] x);
               total = 0; for (int i = 0; i < 3; i++) total += 4'(x[i]);
             endfunction
             always_ff @(posedge clk) s <= total(a);
           endmodule""",
        flip_flops=4,
    ),
    Case(
        "table_in_a_file",
        {
            "table_in_a_file.v": """module table_in_a_file(
                   input clk, input [1:0] ad, output reg [2:0] q);
                 reg [2:0] m [0:3]; initial $readmemh("table.hex", m);
                 always @(posedge clk) q <= m[ad] + q;
               endmodule""",
            "table.hex": "1 7 4 2\n",
        },
        flip_flops=3,
    ),
    Case(
        # A macro of the first file is used in the second.
        "macro_of_another_file",
        {
            "first.v": "`define HALF 2\nmodule first(input a, output y); assign y = ~a; endmodule",
            "macro_of_another_file.v": """module macro_of_another_file(
                   input clk, d, output [`HALF-1:0] q);
                 reg [`HALF-1:0] r; wire y; first f(d, y);
                 always @(posedge clk) r <= {r[0] ^ y, y}; assign q = r;
               endmodule""",
        },
        flip_flops=2,
    ),
    one(
        "enables",
        """module enables(input clk, rst, en, input [1:0] d, output reg [1:0] q);
             always @(posedge clk) if (rst) q <= 2; else if (en) q <= d;
           endmodule""",
        flip_flops=2,
    ),
    one(
        "arrays_at_ports",
        """module arrays_at_ports(input logic clk, input logic [1:0] a [2], output logic [2:0] s);
             always_ff @(posedge clk) s <= a[0] + a[1];
           endmodule""",
        flip_flops=3,
    ),
    one(
        "both_edges_in_one",
        """module both_edges_in_one(input clk, d, output reg q);
             always @(posedge clk or negedge clk) q <= d;
           endmodule""",
        error="both_edges_in_one.sv:2: ERROR: simple if-else pattern expected in "
        "modeling an asynchronous load on a flip-flop; with Yosys: Multiple "
        "edge sensitive events found for this signal!",
    ),
    one(
        "asynchronous_load",
        """module asynchronous_load(input clk, load, d, v, output reg q);
             always @(posedge clk or posedge load) if (load) q <= v; else q <= d;
           endmodule""",
        error="Cells of asynchronous_load must be cells of the library small, not '$_ALDFF_PP_'",
    ),
    one(
        "unknown_module",
        "module unknown_module(input a, output y); secret u(a, y); endmodule",
        error="unknown_module.sv:1: ERROR: unknown module 'secret'; with Yosys: "
        "Module `\\secret' referenced in module `\\unknown_module' in cell "
        "`\\u' is not part of the design.",
    ),
    one(
        "syntax_error",
        "module syntax_error(input a output y); endmodule",
        error="syntax_error.sv:1: ERROR: use of undeclared identifier 'a'; with "
        "Yosys: syntax_error.sv:1: ERROR: syntax error, unexpected TOK_OUTPUT, "
        "expecting ')' or ',' or '='",
    ),
    one(
        "missing_include",
        '`include "none.vh"\nmodule missing_include(input a, output y); assign y = a; endmodule',
        error="missing_include.sv:1: ERROR: 'none.vh': No such file or directory; "
        "with Yosys: Can't open include file `none.vh'!",
    ),
    one(
        "include_of_a_device",
        '`include "/dev/zero"\nmodule include_of_a_device(input a); endmodule',
        error="include_of_a_device.sv: included file must be a regular file, not '/dev/zero'",
    ),
    one(
        "unknown_parameter",
        "module unknown_parameter #(parameter A = 1)(input a, output y); assign y = a; endmodule",
        options=("-G", "B=1"),
        error="Parameter must be one that the sources declare, not 'B'",
    ),
    Case(
        "other_language",
        {"other_language.vhd": "entity other_language is end;"},
        given=("other_language.vhd",),
        error="Verilog file must be Verilog or SystemVerilog, not VHDL: 'other_language.vhd'",
    ),
)
