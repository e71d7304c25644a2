# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs: the command line, the files, and a pattern of the error message.

`CASES` is a table: command, words, status, and a pattern that the one line must match. `HUGE`
stands for a number of 5,000 digits, `NUL` for a path with a NUL character in it.
"""

import io
import os
import re
import shlex
from pathlib import Path

import numpy as np

HUGE, NUL = "9" * 5000, "a\0b"
_DEEP = 100_000
_MODULE = "module m(input a, output y); assign y = ~a; endmodule\n"


def _npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


def files(folder: Path) -> None:
    """Write the files that the cases name into ``folder``."""
    codes = _npy(np.arange(16, dtype=np.uint8).reshape(4, 4))
    contents = {
        "codes.npy": codes,
        "text.npy": b"no array\n",
        "empty.npy": b"",
        "cut.npy": codes[:-3],
        "short.npy": codes[:9],
        "header.npy": codes.replace(b"{'descr'", b"{'desc\\'"),
        "bracket.npy": codes.replace(b"(4, 4)", b"(4, 4["),
        "flipped.npy": codes.replace(b"'fortran", b"\xe7fortran"),
        "shape.npy": codes.replace(b"(4, 4), }      ", b"(10**20, 4), }"),
        "large.npy": codes.replace(b"(4, 4), }             ", b"(4, 900000000000000), "),
        "nested.npy": codes.replace(b"(4, 4)", b"(" * 6),
        "objects.npy": _npy(np.array([[None, "a"]], dtype=object)),
        "reals.npy": _npy(np.full((4, 4), 0.5)),
        "line.npy": _npy(np.arange(4, dtype=np.uint8)),
        "nothing.npy": _npy(np.zeros((0, 4), np.uint8)),
        "wide.npy": _npy(np.full((4, 4), 1 << 20)),
        "three.npy": _npy(np.zeros((3, 4), np.uint8)),
        "empty.onnx": b"",
        "text.onnx": b"no model\n",
        "deep.json": b"[" * _DEEP,
        "empty.json": b"",
        "digits.json": b'{"quantizers": {"x": %s}}' % HUGE.encode(),
        "empty.toml": b"",
        "text.toml": b"no table\n",
        "deep.toml": b"a = " + b"[" * _DEEP,
        "digits.toml": b"[[grid]]\nmac = [" + HUGE.encode() + b"]\n",
        "nul.toml": b'[[grid]]\nmac = ["int4"]\nlibrary = ["a\\u0000b"]\n',
        "latin.toml": b"# \xe9\n[[grid]]\n",
        "other.toml": b'[grid]\nmac = "int4"\n',
        "name.toml": b"[[grid]]\nmac = [4]\n",
        "m.v": _MODULE.encode(),
        "empty.v": b"",
        "broken.v": b"module m(input a; endmodule\n",
        "binary.v": bytes(range(256)),
        "empty.lib": b"",
        "text.lib": b"no library\n",
        "broken.lib": b"library (x) { cell (a) {",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")


_RUN = "--mac int8 --array 4x4"
_BUILD = "--board ulx3s_85f --mac int8 --array 4x4 --build-only"
_SHORT = {"RUN": _RUN, "SIZE": f"{_RUN} --size 4x4x4", "BUILD": _BUILD}

#: Command, words, and the pattern of the error line; the status is 2 unless a number comes first.
TABLE = r"""
hw.spec | --json=x | json
hw.spec | --list --colour | colour
hw.spec | --list extra | extra
hw.generate | | --mac
hw.generate | --mac | expected one argument
hw.generate | --mac e4m4 | e4m4
hw.generate | --mac e4m3xe5m2xint8 | operands
hw.generate | --mac int8 --lanes HUGE | lanes.*5002 characters
hw.generate | --mac int8 --lanes -1 | lanes
hw.generate | --mac int8 --lanes 0 | lanes
hw.generate | --mac int8 --lanes 1.5 | lanes
hw.generate | --mac int8 --pipeline HUGE | pipeline
hw.generate | --mac int8 --acc exact:HUGE | products
hw.generate | --mac int8 --acc aligned:HUGE | digits
hw.generate | --mac int8 --acc intHUGE | [Aa]ccumulator
hw.generate | --mac int8 --acc fx99999 | [Aa]ccumulator
hw.generate | --mac HUGE | [Ff]ormat
hw.generate | --mac int8 --array HUGExHUGE | Array size
hw.generate | --mac int8 --array 4x | Array size
hw.generate | --mac int8 --array 0x4 | rows
hw.generate | --mac int8 --dataflow ws | --array
hw.generate | --mac int8 --depth 4 | --gemm|--array
hw.generate | --from fp32 --out-format e4m3 --dataflow ws | --from|Output stage
hw.generate | --mac int8 --array 4x4 --dataflow xs | dataflow
hw.generate | --mac int8 --array 4x4 --dataflow ws --depth HUGE | depth
hw.generate | --mac int8 --out-format e4m3 | --array
hw.generate | --mac int8 --array 4x4 --out-scale pow2 | --out-format
hw.generate | --mac int8 --array 4x4 --bus wishbone | --gemm
hw.generate | --mac int8 --gemm | --array
hw.generate | --spec int8,lanes=HUGE | lanes
hw.generate | --spec int8 --lanes 2 | --spec
hw.generate | --mac int8 --out "" | --out.*file or folder
hw.generate | --mac int8 --out NUL | NUL
hw.generate | --mac int8 --out m.v | m\.v
hw.generate | --mac int8 --out /proc/none | /proc/none
hw.flash | | --board
hw.flash | --board none --mac int8 --build-only | none
hw.flash | --board ulx3s_85f --mac int8 --build-only --seed HUGE | Seed
hw.flash | --board ulx3s_85f --mac int8 --build-only --baud HUGE | Baud
hw.flash | --board ulx3s_85f --mac int8 --build-only --baud 0 | Baud
hw.flash | --board ulx3s_85f --mac int8 --build-only --clock-mhz HUGE | clock
hw.flash | --board ulx3s_85f --mac int8 --build-only --clock-mhz nan | clock
hw.flash | --board ulx3s_85f --mac int8 --build-only --depths HUGE | depths|memories
hw.flash | --board ulx3s_85f --mac int8 --build-only --out "" | --out
hw.generate | --mac int8 --out pipe | ^Output folder must be writable, not 'pipe' \(file exists\)$
hw.flash | BUILD --out m.v | ^Output folder must be writable, not 'm\.v' \(file exists\)$
hw.flash | BUILD --out pipe | ^Output folder must be writable, not 'pipe' \(file exists\)$
hw.flash | BUILD --depths 1048576x1048576x1048576 |
  ^GEMM memories must have at most 5,255,736 bits, all that ULX3S 85F has, not 201,326,592;
  choose smaller --depths$
hw.virtual_board | | --mac
hw.virtual_board | --mac int8 | --array
hw.virtual_board | --mac int8 --array 2x2 --depths 4x4 | depths|memories
hw.virtual_board | --mac int8 --array 2x2 --depths HUGE | depths|memories
hw.selftest | | --port
hw.selftest | --port /dev/none --gemms HUGE | gemms
hw.selftest | --port /dev/none --gemms 0 | 1 to
hw.selftest | --port /dev/none --seed -1 | [Ss]eed
hw.selftest | --port /dev/none --baud x | baud
hw.selftest | --port "" | --port
hw.doctor | --colour | colour
sim.run | | --mac
sim.run | --mac int8 | --array
sim.run | RUN | --size
sim.run | RUN --size 4x4 | Size
sim.run | RUN --size HUGExHUGExHUGE | Size
sim.run | RUN --size 0x4x4 | M|Size
sim.run | SIZE --seed HUGE | seed
sim.run | SIZE --seed -1 | Seed
sim.run | SIZE --data none | none
sim.run | SIZE --backend none | none
sim.run | SIZE --out "" | --out
sim.run | SIZE --out folder | folder
sim.run | SIZE --out m.v/c.npy | m\.v
sim.run | SIZE --out c.vcd --trace c.vcd | --out and --trace
sim.run | SIZE --trace c.vcd --view ./c.vcd | --trace and --view
sim.run | SIZE --trace t.vcd --backend vector | cycle
sim.run | SIZE --trace NUL | NUL
sim.run | RUN --a codes.npy | --b
sim.run | RUN --a none.npy --b codes.npy | none\.npy
sim.run | RUN --a folder --b codes.npy | folder
sim.run | RUN --a text.npy --b codes.npy | text\.npy
sim.run | RUN --a empty.npy --b codes.npy | empty\.npy
sim.run | RUN --a cut.npy --b codes.npy | cut\.npy
sim.run | RUN --a short.npy --b codes.npy | short\.npy
sim.run | RUN --a header.npy --b codes.npy | header\.npy
sim.run | RUN --a bracket.npy --b codes.npy | bracket\.npy
sim.run | RUN --a flipped.npy --b codes.npy | flipped\.npy
sim.run | RUN --a shape.npy --b codes.npy | shape\.npy
sim.run | RUN --a large.npy --b codes.npy | large\.npy
sim.run | RUN --a nested.npy --b codes.npy | nested\.npy
sim.run | RUN --a objects.npy --b codes.npy | objects\.npy
sim.run | RUN --a reals.npy --b codes.npy | Operand a.*(numbers|integers|codes|type)
sim.run | RUN --a line.npy --b codes.npy | Operand a.*(shape|sides)
sim.run | RUN --a nothing.npy --b codes.npy | Operand a.*(shape|sides)
sim.run | RUN --a wide.npy --b codes.npy | Operand a.*(range|from|codes|fit)
sim.run | RUN --a codes.npy --b three.npy | Operand b
sim.run | RUN --a codes.npy --b codes.npy --size 3x3x3 | Size
sim.run | RUN --a codes.npy --b codes.npy --seed 1 | --seed
sim.run | RUN --a pipe --b codes.npy | ^Operand a file 'pipe' cannot be read: not a regular file$
sim.run | RUN --a codes.npy --b /dev/zero |
  ^Operand b file '/dev/zero' cannot be read: not a regular file$
sim.run | RUN --a codes.npy --b codes.npy --out ./codes.npy |
  ^--b and --out must name different files, not both codes\.npy$
sim.run | SIZE --out pipe | ^Output file 'pipe' cannot be written: not a regular file$
sim.run | SIZE --trace pipe | ^Output file 'pipe' cannot be written: not a regular file$
sim.run | SIZE --view pipe | ^Output file 'pipe' cannot be written: not a regular file$
sim.run | SIZE --trace folder | ^Output file 'folder' cannot be written: is a directory$
sim.run | SIZE --view folder | ^Output file 'folder' cannot be written: is a directory$
sim.run | SIZE --out c.gtkw --trace c.vcd |
  ^--out has the name of the GTKWave savefile that --trace writes, 'c\.gtkw': choose another
  name$
sim.run | SIZE --view ./c.gtkw --trace c.vcd |
  ^--view has the name of the GTKWave savefile that --trace writes, 'c\.gtkw': choose another
  name$
sim.view | RUN --size 4x4x4 --out pipe | ^Output file 'pipe' cannot be written: not a regular file$
sim.view | RUN | --size
sim.view | RUN --size 4x4xHUGE | Size
sim.view | RUN --size 4x4x4 --seed HUGE | seed
sim.view | RUN --size 4x4x4 --out "" | --out
sim.view | RUN --size 900x900x900 | .
sim.network | | MODEL
sim.network | none.onnx --data codes.npy RUN | none\.onnx
sim.network | empty.onnx --data codes.npy RUN | empty\.onnx
sim.network | text.onnx --data codes.npy RUN | text\.onnx
sim.network | folder --data codes.npy RUN | folder
sim.network | text.onnx --data codes.npy RUN --samples HUGE | samples
sim.network | text.onnx --data codes.npy RUN --energy nan | Energy
sim.network | text.onnx --data codes.npy RUN --out o.npz --save-quantizers o.npz | --out and --save
sim.network | pipe --data codes.npy RUN |
  ^Model file 'pipe' cannot be read as ONNX: not a regular file$
sim.network | /dev/zero --data codes.npy RUN |
  ^Model file '/dev/zero' cannot be read as ONNX: not a regular file$
sim.network | text.onnx --data codes.npy RUN --out text.onnx |
  ^MODEL.onnx and --out must name different files, not both text\.onnx$
sim.network | text.onnx --data codes.npy RUN --out folder |
  ^Output file 'folder' cannot be written: is a directory$
sim.network | text.onnx --data codes.npy RUN --save-quantizers pipe |
  ^Output file 'pipe' cannot be written: not a regular file$
synth.run | | --mac
synth.run | --mac int4 --verilog m.v --top m | --verilog
synth.run | --verilog m.v | --top
synth.run | --verilog m.v --top m --lanes 2 | --lanes
synth.run | --verilog m.v --top m --dataflow ws | --dataflow
synth.run | --verilog m.v ./m.v --top m | twice
synth.run | --verilog none.v --top m | none\.v
synth.run | --verilog folder --top m | folder
synth.run | --verilog m.v --top 9m | Top
synth.run | --mac int4 --clock HUGE | Clock
synth.run | --mac int4 --clock -1 | Clock
synth.run | --mac int4 --clock nan | Clock
synth.run | --mac int4 --recipe none | none
synth.run | --mac int4 --metrics none | none
synth.run | --mac int4 --liberty none.lib | none\.lib
synth.run | --mac int4 --liberty empty.lib | empty\.lib
synth.run | --mac int4 --liberty text.lib | text\.lib
synth.run | --mac int4 --liberty broken.lib | broken\.lib
synth.run | --mac int4 --out "" | --out
synth.run | --mac int4 --metrics paper_cost --out folder | folder
synth.run | --verilog pipe --top m | ^Verilog file must be a readable file, not 'pipe'$
synth.run | --verilog /dev/zero --top m | ^Verilog file must be a readable file, not '/dev/zero'$
synth.run | --mac int4 --liberty pipe | ^Liberty file must be a readable file, not 'pipe'$
synth.run | --mac int4 --liberty /dev/zero | ^Liberty file must be a readable file, not '/dev/zero'$
synth.run | --verilog m.v --top m --out m.v |
  ^--verilog and --out must name different files, not both m\.v$
synth.run | --mac int4 --out pipe | ^Output file 'pipe' cannot be written: not a regular file$
synth.sweep | pipe | ^Points file 'pipe' cannot be read as TOML: not a regular file$
synth.sweep | /dev/zero | ^Points file '/dev/zero' cannot be read as TOML: not a regular file$
synth.sweep | name.toml --out name.toml |
  ^FILE and --out must name different files, not both name\.toml$
synth.sweep | | POINTS|FILE
synth.sweep | none.toml | none\.toml
synth.sweep | "" | file or folder
synth.sweep | folder | folder
synth.sweep | text.toml | text\.toml
synth.sweep | empty.toml | grid
synth.sweep | other.toml | grid
synth.sweep | name.toml | mac
synth.sweep | latin.toml | latin\.toml
synth.sweep | deep.toml | deep
synth.sweep | digits.toml | digits
synth.sweep | nul.toml | NUL
synth.sweep | name.toml --jobs 0 | [Jj]obs
synth.sweep | name.toml --jobs HUGE | jobs
synth.fpga | | --mac
synth.fpga | --mac int4 --part none | none
synth.fpga | --mac int4 --seeds HUGE | Seeds
synth.fpga | --mac int4 --seeds 0 | Seeds
synth.flow.cost | | --mac
synth.flow.cost | --mac int4 --lanes HUGE | lanes
reports.study | none | none
reports.study | demo --out folder | folder
reports.study | demo --out "" | --out
reports.study | demo --out pipe | ^Output file 'pipe' cannot be written: not a regular file$
reports.render | --colour | colour
reports.advise | | MODEL
reports.advise | pipe --data codes.npy --labels codes.npy | not a regular file
reports.advise | none.onnx --data codes.npy --labels codes.npy | none\.onnx
reports.advise | text.onnx --data codes.npy --labels codes.npy | text\.onnx
reports.advise | text.onnx --samples HUGE | samples
"""


def cases() -> list[tuple[str, list[str], str]]:
    """Command, words and pattern of each row of `TABLE`."""

    found = []
    for row in re.sub(r"\n +", " ", TABLE.strip()).splitlines():
        command, words, pattern = (part.strip() for part in row.split(" |", 2))
        words = re.sub(r"\b(RUN|SIZE|BUILD)\b", lambda match: _SHORT[match[1]], words)
        typed = [word.replace("HUGE", HUGE).replace("NUL", NUL) for word in shlex.split(words)]
        found.append((command, typed, pattern))
    return found
