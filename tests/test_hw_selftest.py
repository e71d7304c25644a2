# SPDX-License-Identifier: Apache-2.0
"""The self-test on a virtual board, over its pseudo-terminal: what it must notice; bad input."""

import json
import threading

import numpy as np
import pytest

from hw import selftest, virtual_board
from hw.host.device import Device
from tests.boards import BOARD, board_spec, compiled_board

ENGINE = str(BOARD.gemm)


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    model = compiled_board(BOARD, tmp_path_factory.mktemp("board"))
    board = virtual_board.VirtualBoard(model, BOARD)
    thread = threading.Thread(target=board.serve)
    thread.start()
    yield board.path
    board.stop()
    thread.join()
    board.close()


def run(capsys, *arguments):
    """Exit status, output and errors."""
    try:
        status = selftest.main([str(argument) for argument in arguments])
    except SystemExit as stop:
        status = stop.code
    printed = capsys.readouterr()
    return status, printed.out, printed.err


def test_virtual_board_passes(port, capsys):
    """Several drivers behind each other, as JSON and as a table."""
    status, out, _ = run(capsys, "--port", port, "--gemms", 3, "--images", 0, "--json",
                         "--mac", "int4", "--acc", "int12", "--array", "2x2")
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
    board = virtual_board.VirtualBoard(compiled_board(spec, tmp_path), spec)
    thread = threading.Thread(target=board.serve)
    thread.start()
    status, out, _ = run(capsys, "--port", board.path, "--gemms", 1, "--images", 50, "--json")
    board.stop()
    thread.join()
    board.close()
    digits = json.loads(out)["digits"]
    assert (status, digits["products"], digits["results"]) == (0, 2, 50 * (32 + 10))
    assert digits["accuracy"] > 0.9


def test_selftest_notices_a_wrong_bit(port, capsys, monkeypatch):
    matmul = Device.matmul

    def wrong(self, a, b, **options):
        sums, flags = matmul(self, a, b, **options)
        sums[-1, -1] ^= 1
        return sums, flags

    monkeypatch.setattr(Device, "matmul", wrong)
    status, out, err = run(capsys, "--port", port, "--gemms", 1)
    assert (status, out) == (1, "")
    assert err.startswith("python -m hw.selftest: error: C[0, 0] of product 0, 1x")
    assert err.count("\n") == 1


@pytest.mark.parametrize(("options", "message"), [
    (("--mac", "int8"), f"Board MAC must be int8,acc=fx28, not '{ENGINE.partition(',array')[0]}'"),
    (("--array", "4x4"), "Board array must be 4x4, not '2x2'"),
    (("--acc", "int12"), "MAC operands must be given by --mac PAIR, not '--acc'"),
    (("--gemms", 0), "Products must be an integer from 1 to 1000000, not 0"),
    (("--images", 450), "Images must be an integer from 0 to 449, not 450"),
    (("--seed", -1), f"Seed must be an integer from 0 to {2**63}, not -1"),
    (("--baud", 0), "Baud rate must be an integer from 1 to 100000000, not 0"),
])
def test_selftest_wrong(port, capsys, options, message):
    status, out, err = run(capsys, "--port", port, *options)
    assert (status, out, err) == (2, "", f"python -m hw.selftest: error: {message}\n")


def test_selftest_without_a_port(capsys):
    status, out, err = run(capsys, "--port", "/dev/ttyNone")
    assert (status, out) == (2, "")
    assert err == ("python -m hw.selftest: error: Serial port must be one that can be opened, not "
                   "'/dev/ttyNone' (no such file)\n")


@pytest.mark.parametrize(("options", "message"), [
    (("--mac", "int4"), "Array size must be given by --array ROWSxCOLS, not None"),
    (("--mac", "int4", "--array", "2x2", "--depths", "1"),
     "GEMM depths must be AxBxC, for instance 1024x1024x1024, not '1'"),
    (("--mac", "int4", "--array", "2x2", "--dataflow", "ws"),
     "GEMM dataflow must be os, not 'ws'"),
])
def test_virtual_board_wrong(capsys, options, message):
    with pytest.raises(SystemExit) as stop:
        virtual_board.main(options)
    printed = capsys.readouterr()
    assert (stop.value.code, printed.out) == (2, "")
    assert printed.err == f"python -m hw.virtual_board: error: {message}\n"


def test_products_have_all_kinds_of_codes():
    from sim.progress import Progress
    from sim.selftest import _codes

    fmt = BOARD.gemm.array.mac.a
    whole = np.concatenate([_codes(fmt, (50, 50), [0, index, 0], Progress()).ravel()
                            for index in range(2)])
    assert set(whole.tolist()) == set(range(16))
