# SPDX-License-Identifier: Apache-2.0
"""The self-test on a virtual board, over its pseudo-terminal: faults that it must find; errors."""

import json
import re
import signal
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from hw import selftest, virtual_board
from hw.host.device import Device
from tests.support.boards import BOARD, board_spec, compiled_board

ENGINE = str(BOARD.gemm)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return compiled_board(BOARD, tmp_path_factory.mktemp("board"))


@contextmanager
def served(model, spec):
    """Serial port of a virtual board that answers."""
    board = virtual_board.VirtualBoard(model, spec)
    thread = threading.Thread(target=board.serve)
    thread.start()
    try:
        yield board.path
    finally:
        board.stop()
        thread.join()
        board.close()


@pytest.fixture(scope="module")
def port(model):
    with served(model, BOARD) as path:
        yield path


def run(capsys, *arguments):
    """Exit status, output and errors."""
    try:
        status = selftest.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_virtual_board_passes(port, capsys):
    """Several drivers one after the other, as JSON and as a table."""
    status, out, _ = run(
        capsys,
        "--port",
        port,
        "--gemms",
        3,
        "--images",
        0,
        "--json",
        "--mac",
        "int4",
        "--acc",
        "int12",
        "--array",
        "2x2",
    )
    found = json.loads(out)
    assert (status, found["engine"], found["repeated_requests"]) == (0, ENGINE, 0)
    assert found["products"]["products"] == 3
    assert found["products"]["results"] > 3
    assert found["digits"] is None
    status, out, _ = run(capsys, "--port", port, "--gemms", 1, "--images", 0)
    assert status == 0
    assert out.startswith(f"engine    {ENGINE}\nclock     12 MHz\n")


@pytest.mark.slow
def test_virtual_board_classifies_digits(tmp_path, capsys):
    spec = board_spec("4x4", "int8,acc=int28", "256x256x256")
    with served(compiled_board(spec, tmp_path), spec) as path:
        status, out, _ = run(capsys, "--port", path, "--gemms", 1, "--images", 50, "--json")
    digits = json.loads(out)["digits"]
    assert (status, digits["products"], digits["results"]) == (0, 2, 50 * (32 + 10))
    assert digits["accuracy"] > 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mac", "options"),
    [
        ("int8,acc=int32", {}),
        ("e4m3,acc=fp16", {}),
        ("e4m3,acc=fp32", {"dataflow": "ws"}),
        ("e4m3,acc=fp32", {"out": "e4m3,scale=pow2"}),
        ("int8,acc=int32", {"out": "int8,scale=fp32,zero_point=yes"}),
    ],
)
def test_other_engines_on_virtual_boards(mac, options, tmp_path, capsys):
    spec = board_spec("2x3", mac, "32x32x32", **options)
    with served(compiled_board(spec, tmp_path), spec) as path:
        status, out, _ = run(capsys, "--port", path, "--gemms", 12, "--images", 0, "--json")
    found = json.loads(out)
    assert (status, found["engine"], found["products"]["products"]) == (0, str(spec.gemm), 12)


def test_virtual_board_ends_at_ctrl_c(model, capsys, monkeypatch):
    monkeypatch.setattr(virtual_board, "compile_board", lambda spec: model)
    main_thread = threading.main_thread().ident
    # A shell in the background makes processes ignore the signal.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(0.5, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
        status = virtual_board.main(
            ["--mac", "int4", "--acc", "int12", "--array", "2x2", "--depths", "16x16x16", "--json"]
        )
    finally:
        signal.signal(signal.SIGINT, before)
    printed = capsys.readouterr()
    told = json.loads(printed.out)
    assert (status, told["engine"]) == (130, ENGINE)
    assert not Path(told["port"]).exists()
    assert "Traceback" not in printed.err


def test_selftest_notices_a_wrong_bit(port, capsys, monkeypatch):
    matmul = Device.matmul_with_flags

    def wrong(self, a, b, **options):
        sums, flags = matmul(self, a, b, **options)
        sums[-1, -1] ^= 1
        return sums, flags

    monkeypatch.setattr(Device, "matmul_with_flags", wrong)
    status, out, err = run(capsys, "--port", port, "--gemms", 1)
    assert (status, out) == (1, "")
    assert err.startswith("python -m hw.selftest: error: C[0, 0] of product 0, 1x")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--mac", "int8"),
            f"Board MAC must be int8,acc=fx28, not '{ENGINE.partition(',array')[0]}'",
        ),
        (("--array", "4x4"), "Board array must be 4x4, not '2x2'"),
        (("--acc", "int12"), "--acc needs --mac PAIR, for instance --mac e4m3"),
        (("--gemms", 0), "Products must be an integer from 1 to 1000000, not 0"),
        (("--images", 450), "Images must be an integer from 0 to 449, not 450"),
        (("--seed", -1), f"Seed must be an integer from 0 to {2**63}, not -1"),
        (("--baud", 0), "Baud rate must be an integer from 1 to 100000000, not 0"),
    ],
)
def test_selftest_wrong(port, capsys, options, message):
    status, out, err = run(capsys, "--port", port, *options)
    assert (status, out, err) == (2, "", f"python -m hw.selftest: error: {message}\n")


def test_selftest_without_a_port(capsys):
    status, out, err = run(capsys, "--port", "/dev/ttyNone")
    assert (status, out) == (2, "")
    assert err == (
        "python -m hw.selftest: error: Serial port '/dev/ttyNone' cannot be opened (no such file)\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--mac", "int4"),
            "No array size is given; add --array ROWSxCOLS, for instance --array 16x16",
        ),
        (
            ("--mac", "int4", "--array", "2x2", "--depths", "1"),
            "GEMM depths must be AxBxC, for instance 1024x1024x1024, not '1'",
        ),
        (
            ("--mac", "int4", "--array", "2x2", "--out-scale", "pow2"),
            "No output stage is given for --out-scale; add --out-format FMT",
        ),
    ],
)
def test_virtual_board_wrong(capsys, options, message):
    with pytest.raises(SystemExit) as stop:
        virtual_board.main(options)
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert printed.err == f"python -m hw.virtual_board: error: {message}\n"


def test_products_have_all_kinds_of_codes():
    from hw.progress import Progress
    from sim.selftest import _codes

    fmt = BOARD.gemm.array.mac.a
    whole = np.concatenate(
        [_codes(fmt, (50, 50), [0, index, 0], Progress()).ravel() for index in range(2)]
    )
    assert set(whole.tolist()) == set(range(16))


def test_board_that_goes_silent(model, capsys):
    """It answers IDENTIFY and nothing else: told within seconds, with progress, in one line."""
    board = virtual_board.VirtualBoard(model, BOARD)
    read, answers = board.line.read, []

    def first_only(seconds):
        data = read(seconds)
        if data:
            answers.append(data)
        return data if len(answers) == 1 else b""

    board.line.read = first_only
    thread = threading.Thread(target=board.serve)
    thread.start()
    start = time.monotonic()
    try:
        status, out, err = run(capsys, "--port", board.path, "--gemms", 1)
    finally:
        board.stop()
        thread.join()
        board.close()
    assert (status, out) == (1, "")
    assert len(answers) > 1
    assert time.monotonic() - start < 20
    *progress, last = err.splitlines()
    assert last == (
        "python -m hw.selftest: error: The board is silent: 4 requests in a row had no answer; "
        "check its power and cable, and load the bitstream again"
    )
    assert progress
    for line in progress:
        assert re.fullmatch(r"\[ *\d+\.\d s\] no answer from the board: attempt \d of 8", line)
