# SPDX-License-Identifier: Apache-2.0
"""The host's driver on compiled boards: products, lines that lose and garble, resets, bad input."""

import errno
import os
import re

import numpy as np
import pytest
import serial

import sim
from hw.host.device import Device, _settings
from hw.host.exchange import DeviceError
from hw.spec import SpecError
from tests.support.boards import BOARD, Spoiler, board_spec, compiled_board

#: Single, edges, several tiles, several parts of K, several blocks.
SHAPES = ((1, 1, 1), (3, 5, 2), (4, 16, 5), (3, 17, 3), (2, 40, 1), (9, 6, 8))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return compiled_board(BOARD, tmp_path_factory.mktemp("board"))


@pytest.fixture
def line(compiled, monkeypatch):
    # Nothing is on its way when a simulated line is quiet.
    monkeypatch.setattr("hw.host.exchange.PATIENCE", 0.05)
    return Spoiler(compiled, BOARD)


def operands(rng, spec, shape):
    (m, k, n), mac = shape, spec.gemm.array.mac
    return (rng.integers(0, 1 << mac.a.width, (m, k), dtype=np.uint64),
            rng.integers(0, 1 << mac.b.width, (k, n), dtype=np.uint64))


def check(device, rng, shape):
    """One product, bits and dtypes as the model has them; gives the results compared."""
    a, b = operands(rng, BOARD, shape)
    sums, flags = device.matmul_with_flags(a, b)
    wanted, kinds = sim.matmul_with_flags(a, b, device.spec.array.mac)
    assert (sums.dtype, sums.tolist()) == (wanted.dtype, wanted.tolist()), shape
    assert flags.tolist() == kinds.tolist(), shape
    return sums.size


def test_device_multiplies_matrices_of_any_size(line):
    device, rng = Device(line, spec=BOARD.gemm), np.random.default_rng(1)
    assert sum(check(device, rng, shape) for shape in SHAPES) == sum(m * n for m, _, n in SHAPES)
    assert device.repeated == 0
    assert device.identify() == BOARD.identity


@pytest.mark.slow
def test_device_drives_a_weight_stationary_engine(tmp_path, monkeypatch):
    spec = board_spec("2x2", "e4m3,acc=fp16", "16x12x16", dataflow="ws", depth=4)
    monkeypatch.setattr("hw.host.exchange.PATIENCE", 0.05)
    device, rng = Device(Spoiler(compiled_board(spec, tmp_path), spec)), np.random.default_rng(3)
    for shape in (*SHAPES, (5, 60, 3)):
        a, b = operands(rng, spec, shape)
        assert device.matmul(a, b).tolist() == sim.matmul(a, b, spec.gemm.array.mac).tolist()
    assert device.repeated == 0


def test_device_takes_values_of_signed_integers(line):
    device = Device(line)
    a, b = np.array([[-8, 7], [3, -1]]), np.array([[-5], [6]])
    assert device.matmul(a, b).tolist() == (a @ b).tolist()


@pytest.mark.parametrize("chance", [0.002, 0.01])
def test_device_is_right_on_a_line_that_garbles(line, chance):
    """Bytes are lost, changed and doubled in both directions: slower, never wrong."""
    device, rng = Device(line), np.random.default_rng(2)

    def spoil(data, out):
        found = bytearray()
        for byte in data:
            fate = rng.random() / chance
            found += bytes([byte ^ (1 << int(rng.integers(8)) if fate < 1 / 3 else 0)]) * (
                0 if 1 / 3 <= fate < 2 / 3 else 2 if 2 / 3 <= fate < 1 else 1)
        return bytes(found)

    line.spoil = spoil
    assert check(device, rng, (3, 20, 3)) == 9
    assert device.repeated > 0


def test_device_is_right_on_a_noisy_line(line):
    device, rng = Device(line), np.random.default_rng(3)
    line.serial.disturb(0.0002, seed=4)
    assert check(device, rng, (3, 20, 3)) == 9
    assert device.repeated > 0


def test_device_starts_over_after_a_reset(line):
    """Resets at any point of a product, memories and held sums gone with them."""
    device, rng, resets = Device(line), np.random.default_rng(5), 0

    def spoil(data, out):
        nonlocal left, resets
        left -= out
        if out and left == 0:
            line.serial.reset()
            resets += 1
        return data

    for when in range(1, 28, 3):
        left = when
        line.spoil = spoil
        check(device, rng, (3, 20, 2))
    assert resets == 9


def test_device_gives_up_on_a_dead_line(line):
    device = Device(line)
    line.spoil = lambda data, out: b""
    with pytest.raises(DeviceError, match=r"^Board must answer one of 8 requests, and does not$"):
        device.matmul([[1]], [[1]])


def test_sums_of_a_product_that_was_given_up_are_let_go(line):
    """A driver goes away in mid-product; the next one is right."""
    device, rng = Device(line), np.random.default_rng(6)
    engine = device._engine
    engine.load_a(np.ones((2, 16), np.uint64))
    engine.load_b(np.ones((16, 2), np.uint64))
    engine.run(2, 16, 2, hold=True)
    assert check(Device(line), rng, (2, 3, 2)) == 4


@pytest.mark.parametrize(("a", "b", "options", "message"), [
    ([[1]], [[1, 2], [3, 4]], {}, (
        "Operand b shape must be (1, N) to match the K of operand a, not (2, 2)")),
    ([1], [[1]], {}, "Operand a shape must be that of a matrix with no side of 0, not (1,)"),
    ([[1, 2]], np.zeros((2, 0), int), {},
     "Operand b shape must be that of a matrix with no side of 0, not (2, 0)"),
    ([[1], [1, 2]], [[1]], {}, "Operand a must be a rectangular array, not [[1], [1, 2]]"),
    ([[float("nan")]], [[1]], {}, "Operand a dtype must be an integer type, not 'float64'"),
    ([[1.0]], [[1]], {}, "Operand a dtype must be an integer type, not 'float64'"),
    ([[8]], [[1]], {}, "Operand a must be codes from -8 to 7, not 8"),
    ([[1]], np.array([[16]], np.uint8), {}, "Operand b must be codes from 0 to 15, not 16"),
    ([[1]], [[1]], {"scale": 2}, "Scale must be left out without a scale in the engine, not 2"),
    ([[1]], [[1]], {"zero_point": 3},
     "Zero point must be left out without one in the engine, not 3"),
])
def test_matmul_wrong(line, a, b, options, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device(line).matmul(a, b, **options)


@pytest.mark.parametrize(("scale", "options", "message"), [
    ("pow2", {"scale": 128}, "Scale must be an integer from -128 to 127, not 128"),
    ("pow2", {"scale": 0.5}, "Scale must be an integer from -128 to 127, not 0.5"),
    ("fp32", {"scale": -1}, "Scale must be an integer from 0 to 4294967295, not -1"),
    ("pow2", {"zero_point": 8}, "Zero point must be an integer from -8 to 7, not 8"),
])
def test_settings_out_of_range_are_told(scale, options, message):
    out = f"int4,scale={scale},zero_point=yes"
    spec = board_spec("2x2", "int4,acc=int12", "16x16x16", out=out).gemm
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        _settings(spec, **{"scale": None, "zero_point": 0} | options)


def test_settings_may_come_from_numpy():
    spec = board_spec("2x2", "int4,acc=int12", "16x16x16", out="int4,scale=fp32").gemm
    code = np.float32(0.5).view(np.uint32)
    assert _settings(spec, code, 0) == {"SCALE": 0x3F000000}
    assert _settings(spec, None, 0) == {"SCALE": 0x3F800000}


def test_another_engine_is_told(line):
    other = board_spec("2x2", "int4,acc=int13", "16x16x16").gemm
    message = f"Board engine must be {other}, not {str(BOARD.gemm)!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device(line, spec=other)


def test_port_without_a_board_is_told(monkeypatch):
    monkeypatch.setattr("hw.host.exchange.FIRST_PATIENCE", 0.05)
    own, far = os.openpty()
    try:
        message = "Serial port must lead to a board that answers, and does not (3 requests)"
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            Device.open(os.ttyname(far))
    finally:
        os.close(own)
        os.close(far)


@pytest.mark.parametrize(("name", "reason"), [
    ("missing", "no such file"), ("file", "no serial port"), ("", "is a directory")])
def test_port_wrong(tmp_path, name, reason):
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    message = f"Serial port must be one that can be opened, not {str(path)!r} ({reason})"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device.open(str(path))


@pytest.mark.parametrize(("number", "reason"), [
    (errno.EACCES, "no permission: join the group that owns it, or add a udev rule"),
    (errno.EBUSY, "busy: another program has it open"),
    (errno.EAGAIN, "busy: another program has it open")])
def test_port_that_is_not_given_is_told(monkeypatch, number, reason):
    def refuse(*_, **__):
        raise serial.SerialException(number, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    message = f"Serial port must be one that can be opened, not '/dev/ttyUSB0' ({reason})"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device.open("/dev/ttyUSB0")
