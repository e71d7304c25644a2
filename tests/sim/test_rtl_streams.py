# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream beats through compiled Verilog, with stalls and with broken designs."""

import re

import numpy as np
import pytest

import sim.rtl
from hw.spec import SpecError
from sim.rtl import RtlError

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
SLICE_PORTS = [("clk", "input", 1), ("rst", "input", 1), ("s_tvalid", "input", 1),
               ("s_tready", "output", 1), ("s_tdata", "input", 72), ("s_tlast", "input", 1),
               ("m_tvalid", "output", 1), ("m_tready", "input", 1), ("m_tdata", "output", 72),
               ("m_tlast", "output", 1), ("m_tuser", "output", 4), ("taken", "output", 8),
               ("more", "input", 8), ("s_tuser", "input", 3), ("kept", "output", 3)]


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
def test_stream_gives_each_beat_the_row_beside_it(tmp_path, stall):
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
    ran = model.stream({"s": np.zeros((50, 2), np.uint64)}, {"m": 50}, user={"s": user},
                       stall={"s": 0.5, "m": 0.3}, seed=8)
    assert ran.outputs == {"taken": 50, "kept": int(user.sum()) % 8}


@pytest.mark.parametrize(("user", "message"), [
    ({"m": [0]}, "Stream must be one of s, m, not 'm'"),
    ({"x": [0]}, "Stream must be one of s, m, not 'x'"),
    ({"s": [0, 1]}, "Stream s user must be 1 rows, not 2"),
    ({"s": [8]}, "Port s_tuser values must be below 2**3, not '0x8'"),
])
def test_stream_user_wrong(tmp_path, user, message):
    model = slice_model(tmp_path)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream({"s": [[0, 0]]}, {"m": 1}, user=user)


@pytest.mark.parametrize(("beside", "message"), [
    ({"s": {"more": [1]}}, "Stream must be one of m, not 's'"),
    ({"m": {"taken": [1]}}, "Input port must be one of the design, not 'taken'"),
    ({"m": {"more": [1, 2]}}, "Port more values must be 1 rows, not 2"),
    ({"m": {"more": [256]}}, "Port more values must be below 2**8, not '0x100'"),
])
def test_stream_beside_wrong(tmp_path, beside, message):
    model = slice_model(tmp_path)
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream({"s": [[0, 0]]}, {"m": 1}, beside=beside)


def test_stream_that_stops_is_an_error(tmp_path):
    model = slice_model(tmp_path, fault=1)
    with pytest.raises(RtlError, match=re.escape(
            "Streams did not end in 100 cycles; beats: s 5 of 8, m 5 of 8") + "$"):
        model.stream({"s": np.zeros((8, 2), np.uint64)}, {"m": 8}, max_cycles=100)


def test_stream_whose_waiting_beat_changes_is_an_error(tmp_path):
    model = slice_model(tmp_path, fault=2)
    with pytest.raises(RtlError, match=r"^Stream m changed a waiting beat in cycle \d+$"):
        model.stream({"s": np.zeros((8, 2), np.uint64)}, {"m": 8}, stall={"m": 0.6, "s": 0.5})


@pytest.mark.parametrize(("arguments", "message"), [
    (({"x": [[0, 0]]}, {}), "Stream must be the prefix of an input PREFIX_tvalid, not 'x'"),
    (({"m": [[0, 0]]}, {}), "Stream must be the prefix of an input PREFIX_tvalid, not 'm'"),
    (({"s": [[0, 256]]}, {}), "Port s_tdata values must be below 2**72, not '0x100'"),
    (({"s": [[0, 0]]}, {}, {"s": [0, 1]}), "Stream s last must be of shape (1,), not (2,)"),
    (({"s": [[0, 0]]}, {"m": 1}, {"m": [1]}), "Stream must be one of s, m, not 'm'"),
    (({"s": [[0, 0]]}, {"m": 1}, {}, {"m": 1}),
     "Stream m stall must be from 0 to below 1, not 1"),
])
def test_stream_wrong(tmp_path, arguments, message):
    model = slice_model(tmp_path)
    sources, sinks, last, stall = (*arguments, {}, {})[:4]
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        model.stream(sources, sinks, last=last, stall=stall)
