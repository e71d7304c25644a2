# SPDX-License-Identifier: Apache-2.0
"""The host's side of a board: products, lines that fail, words of memories."""

import errno
import hashlib
import os
import re

import numpy as np
import pytest
import serial

import sim
from hw.host.device import Device, _settings, blocks
from hw.host.exchange import Deframer, DeviceError, frame
from hw.host.words import a_words, b_words, c_values
from hw.spec import FixedAccumulator, SpecError
from hw.spec.board import FLAG, Command, Identity
from hw.spec.grammar import parse_spec
from hw.spec.registers import gemm_map
from sim.rtl.engine import bus_words, operand_words
from tests.support.boards import BOARD, Spoiler, board_spec, compiled_board
from tests.support.specs import GEMMS, WEIGHT_GEMMS

SILENT = (
    "The board is silent: 4 requests in a row had no answer; check its power and cable, and load "
    "the bitstream again"
)
#: Single, edges, several tiles, several parts of K, several blocks.
SHAPES = ((1, 1, 1), (3, 5, 2), (4, 16, 5), (3, 17, 3), (2, 40, 1), (9, 6, 8))


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return compiled_board(BOARD, tmp_path_factory.mktemp("board"))


@pytest.fixture
def line(compiled, monkeypatch):
    # No bytes are in transit when a simulated line is quiet.
    monkeypatch.setattr("hw.host.exchange.PATIENCE", 0.05)
    return Spoiler(compiled, BOARD)


def operands(rng, spec, shape):
    (m, k, n), mac = shape, spec.gemm.array.mac
    return (
        rng.integers(0, 1 << mac.a.width, (m, k), dtype=np.uint64),
        rng.integers(0, 1 << mac.b.width, (k, n), dtype=np.uint64),
    )


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
                0 if 1 / 3 <= fate < 2 / 3 else 2 if 2 / 3 <= fate < 1 else 1
            )
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
    """Resets at any point of a product; memories and held sums are lost."""
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


def test_device_reports_a_dead_line(line):
    device = Device(line)
    line.spoil = lambda data, out: b""
    with pytest.raises(DeviceError, match=f"^{re.escape(SILENT)}$"):
        device.matmul([[1]], [[1]])


def test_sums_of_an_abandoned_product_are_cleared(line):
    """A driver goes away in mid-product; the next one is right."""
    device, rng = Device(line), np.random.default_rng(6)
    engine = device._engine
    engine.load_a(np.ones((2, 16), np.uint64))
    engine.load_b(np.ones((16, 2), np.uint64))
    engine.run(2, 16, 2, hold=True)
    assert check(Device(line), rng, (2, 3, 2)) == 4


@pytest.mark.parametrize(
    ("a", "b", "options", "message"),
    [
        (
            [[1]],
            [[1, 2], [3, 4]],
            {},
            ("Operand b shape must be (1, N) to match the K of operand a, not (2, 2)"),
        ),
        ([1], [[1]], {}, "Operand a shape must be that of a matrix with no side of 0, not (1,)"),
        (
            [[1, 2]],
            np.zeros((2, 0), int),
            {},
            "Operand b shape must be that of a matrix with no side of 0, not (2, 0)",
        ),
        ([[1], [1, 2]], [[1]], {}, "Operand a must be a rectangular array, not [[1], [1, 2]]"),
        ([[float("nan")]], [[1]], {}, "Operand a dtype must be an integer type, not 'float64'"),
        ([[1.0]], [[1]], {}, "Operand a dtype must be an integer type, not 'float64'"),
        ([[8]], [[1]], {}, "Operand a must be codes from -8 to 7, not 8"),
        ([[1]], np.array([[16]], np.uint8), {}, "Operand b must be codes from 0 to 15, not 16"),
        ([[1]], [[1]], {"scale": 2}, "The engine has no scale; leave out scale"),
        (
            [[1]],
            [[1]],
            {"zero_point": 3},
            "The engine has no zero point; leave out zero_point",
        ),
    ],
)
def test_matmul_wrong(line, a, b, options, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device(line).matmul(a, b, **options)


@pytest.mark.parametrize(
    ("scale", "options", "message"),
    [
        ("pow2", {"scale": 128}, "Scale must be an integer from -128 to 127, not 128"),
        ("pow2", {"scale": 0.5}, "Scale must be an integer from -128 to 127, not 0.5"),
        ("fp32", {"scale": -1}, "Scale must be an integer from 0 to 4294967295, not -1"),
        ("pow2", {"zero_point": 8}, "Zero point must be an integer from -8 to 7, not 8"),
    ],
)
def test_settings_out_of_range_are_reported(scale, options, message):
    out = f"int4,scale={scale},zero_point=yes"
    spec = board_spec("2x2", "int4,acc=int12", "16x16x16", out=out).gemm
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        _settings(spec, **{"scale": None, "zero_point": 0} | options)


def test_settings_may_come_from_numpy():
    spec = board_spec("2x2", "int4,acc=int12", "16x16x16", out="int4,scale=fp32").gemm
    code = np.float32(0.5).view(np.uint32)
    assert _settings(spec, code, 0) == {"SCALE": 0x3F000000}
    assert _settings(spec, None, 0) == {"SCALE": 0x3F800000}


def test_another_engine_is_reported(line):
    other = board_spec("2x2", "int4,acc=int13", "16x16x16").gemm
    message = f"Board engine must be {other}, not {str(BOARD.gemm)!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device(line, spec=other)


def test_port_without_a_board_is_reported(monkeypatch):
    monkeypatch.setattr("hw.host.exchange.FIRST_PATIENCE", 0.05)
    own, far = os.openpty()
    try:
        message = (
            "No board answered 3 requests at the serial port; check the port, the baud rate and "
            "the bitstream"
        )
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            Device.open(os.ttyname(far))
    finally:
        os.close(own)
        os.close(far)


@pytest.mark.parametrize(
    ("name", "reason"),
    [("missing", "no such file"), ("file", "not a serial port"), ("", "is a directory")],
)
def test_port_wrong(tmp_path, name, reason):
    (tmp_path / "file").write_text("")
    path = tmp_path / name
    message = f"Serial port {str(path)!r} cannot be opened ({reason})"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device.open(str(path))


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.EACCES, "no permission: join the group that owns it, or add a udev rule"),
        (errno.EBUSY, "busy: another program has it open"),
        (errno.EAGAIN, "busy: another program has it open"),
    ],
)
def test_port_that_cannot_be_opened_is_reported(monkeypatch, number, reason):
    def refuse(*_, **__):
        raise serial.SerialException(number, "could not open port")

    monkeypatch.setattr(serial, "Serial", refuse)
    message = f"Serial port '/dev/ttyUSB0' cannot be opened ({reason})"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Device.open("/dev/ttyUSB0")


ENGINES = GEMMS | WEIGHT_GEMMS


@pytest.mark.parametrize("spelling", ENGINES)
def test_engine_spelling_is_parsed_back(spelling):
    assert parse_spec(str(ENGINES[spelling])) == ENGINES[spelling]


@pytest.mark.parametrize("spelling", ENGINES)
def test_words_are_those_of_the_simulator(spelling):
    spec, rng = ENGINES[spelling], np.random.default_rng(7)
    table, mac = gemm_map(spec), spec.array.mac
    a = rng.integers(0, 1 << mac.a.width, (spec.array.rows + 1, mac.lanes + 1), dtype=np.uint64)
    b = rng.integers(0, 1 << mac.b.width, (mac.lanes + 1, spec.array.cols + 1), dtype=np.uint64)
    wanted = operand_words(spec, a, b)
    for name, found, words in (
        ("A", a_words(a, spec, table.window("A")), wanted[0]),
        ("B", b_words(b, spec, table.window("B")), wanted[1]),
    ):
        assert (found == bus_words(words, table.window(name))).all(), name


@pytest.mark.parametrize("spelling", ENGINES)
def test_results_are_read_from_words(spelling):
    spec, rng = ENGINES[spelling], np.random.default_rng(9)
    array, window, words, m = spec.array, gemm_map(spec).window("C"), [], 5
    bits, flag_bits = array.result_width, array.flag_bits
    codes = [
        [int(rng.integers(0, 1 << 62)) << 20 >> 82 - bits for _ in range(array.cols)]
        for _ in range(m)
    ]
    flags = rng.integers(0, 1 << flag_bits, (m, array.cols))
    for row, kinds in zip(codes, flags.tolist(), strict=True):
        word = sum(code << array.slot_width * col for col, code in enumerate(row))
        word += sum(
            flag << array.slot_width * array.cols + flag_bits * col
            for col, flag in enumerate(kinds)
        )
        words.append(np.frombuffer(word.to_bytes(4 * window.lanes, "little"), "<u4"))
    values, found = c_values(np.array(words), spec, m, array.cols)
    assert values.shape == (m, array.cols)
    assert [[int(value) % (1 << bits) for value in row] for row in values] == codes
    assert (found == (3 * flags if flag_bits == 1 else flags)).all()
    fixed = isinstance(array.mac.acc, FixedAccumulator) and array.out is None
    assert bool((values.astype(object) < 0).any()) == fixed


@pytest.mark.parametrize("spelling", ENGINES)
def test_blocks_cover_c_once_and_fit(spelling):
    spec = ENGINES[spelling]
    for m, k, n in ((1, 1, 1), (7, 5, 9), (200, 3, 1), (1, 3, 300), (20, 500, 20)):
        covered = np.zeros((m, n), int)
        for block in blocks(spec, m, k, n):
            covered[block.rows.start : block.rows.stop, block.cols.start : block.cols.stop] += 1
            assert [x for part in block.parts for x in part] == list(range(k))
            for part in block.parts:
                assert not spec.refusals(
                    len(block.rows), len(part), len(block.cols), hold=part is not block.parts[-1]
                )
                assert part.start % spec.array.mac.lanes == 0
        assert (covered == 1).all()


def test_frames_come_back_and_garbled_ones_do_not():
    rng, deframer = np.random.default_rng(8), Deframer()
    for size in (0, 4, 100, 1020):
        payload = bytes(rng.choice([FLAG, FLAG - 1, 0, 255], size).tolist())
        sent = frame(size % 256, Command.READ, payload)
        assert sent.count(FLAG) == 2
        (reply,) = deframer.push(sent[:5]) + deframer.push(sent[5:])
        assert (reply.sequence, reply.code, reply.payload) == (size % 256, 3, payload)
    assert deframer.push(sent[:-3] + sent[-2:]) == []
    assert deframer.garbled == 1


def _spelled(raw: bytes, text: bytes) -> bytes:
    """Identity with another spelling, and a digest that fits it."""
    length = len(text).to_bytes(4, "little")
    return raw[:16] + hashlib.sha256(text).digest() + length + text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda raw: b"XMAC" + raw[4:],
            "Board identity must be a payload that starts with BMAC, not b'XMAC'",
        ),
        (lambda raw: raw[:4] + b"\2" + raw[5:], "Protocol version must be 1, not 2"),
        (
            lambda raw: raw[:-4] + b"XXXX",
            (
                "Board identity digest must be the SHA-256 of its spelling, not "
                f"{BOARD.identity.digest.hex()!r}"
            ),
        ),
        (
            lambda raw: _spelled(raw, b"\xe9\xff"),
            "Board spelling must be UTF-8, not b'\\xe9\\xff'",
        ),
        (
            lambda raw: raw[:8] + bytes(4) + raw[12:],
            "Board clock_hz must be an integer from 1 to 1000000000, not 0",
        ),
    ],
)
def test_identity_wrong(change, message):
    raw = BOARD.identity.to_bytes()
    assert Identity.from_bytes(raw) == BOARD.identity
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Identity.from_bytes(change(raw))
