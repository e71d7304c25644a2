# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.trace.view``: what it writes and what it refuses."""

import re

import pytest

from hw.spec import SpecError, parse_array
from sim.trace.view.__main__ import main
from sim.trace.view.limits import require_viewable

ARGUMENTS = ["--mac", "e4m3", "--acc", "fp32", "--array", "4x4", "--gemm", "8x6x4"]


def test_command_writes_the_same_page_again(tmp_path, capsys):
    files = [tmp_path / name for name in ("x.html", "y.html", "z.html")]
    for file, more in zip(files, ([], [], ["--seed", "1"]), strict=True):
        assert main([*ARGUMENTS, *more, "--out", str(file)]) == 0
        assert capsys.readouterr() == (f"{file}\n", "")
    first, again, other = (file.read_bytes() for file in files)
    assert first == again != other
    assert sorted(tmp_path.iterdir()) == files


WRONG = [
    (["--gemm", "8x6"], "GEMM must be MxKxN, for instance 512x512x512, not '8x6'"),
    (["--gemm", "8x0x4"], "GEMM k must be an integer from 1 to 281474976710656, not 0"),
    (["--array", "33x4"], "View array must be at most 32x32, not '33x4'"),
    (["--array", "32x32", "--gemm", "32x512x32"],
     "View cycles must be at most 195 on 32x32 elements, not 607"),
    (["--seed", "-1"], "Seed must be 0 or more, not -1"),
    (["--acc", "exact:1000000000000"],
     "View mac must be a unit whose sums fit int64, not 'e4m3,acc=fx77m18'"),
    (["--dataflow", "xs"], None),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_command_wrong(tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        main([*ARGUMENTS, *arguments, "--out", str(tmp_path / "x.html")])
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.fullmatch(r"python -m sim\.view: error: .+\n", shown.err)
    assert message is None or shown.err == f"python -m sim.trace.view: error: {message}\n"
    assert not list(tmp_path.iterdir())


def test_command_without_array(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--mac", "e4m3", "--gemm", "1x1x1"])
    assert capsys.readouterr().err == (
        "python -m sim.trace.view: error: Array size must be given by --array ROWSxCOLS, not None\n")


def test_a_page_shows_sums_alone():
    with pytest.raises(SpecError) as caught:
        require_viewable(parse_array("2x2", "int8", out="int4"), 2, 2, 2)
    assert str(caught.value) == (
        "View array must be one without output stages, not "
        "'int8,acc=fx28,array=2x2,dataflow=os,out=int4'")
