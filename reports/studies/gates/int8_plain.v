// SPDX-License-Identifier: Apache-2.0
// INT8 unit as one writes it first, in one expression. Plain `synth` folds the product into a $macc
// cell and maps it to far more gates than are needed (recipe default against booth in
// reports/data/gates.json), so a comparison with it flatters every other format.
module int8_plain (
    input clk,
    input rst,
    input signed [7:0] a,
    input signed [7:0] b,
    output reg signed [31:0] acc
);
    reg signed [7:0] a_q, b_q;
    always @(posedge clk) begin
        a_q <= a;
        b_q <= b;
        acc <= rst ? 0 : acc + a_q * b_q;
    end
endmodule
