# SPDX-License-Identifier: Apache-2.0
"""Arrays as programs: Verilog compiled by Verilator and CXXRTL, with a plain C++ main.

Nothing is tuned for arrays: default optimisations of each tool, no module kept separate by choice,
no bulk interface. `sim.rtl` is the tuned version. Programs take minutes to build, so they are
kept together with their build time.
"""

import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as files_of
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.emit.yosys import run_yosys
from hw.spec import ArraySpec, folders
from sim.codes import NDArray
from sim.rtl.build import TRANSLATE, compiler, find_verilator, run, run_all
from sim.tiling import A, B, Beats, C, beats, unpack
from synth.flow.cache import Entry, Missing


class Ran(NamedTuple):
    """Sums (M, N), as from `sim.matmul` or as unsigned bits, with flags, cycles and seconds.

    Seconds are processor time if a simulator has one thread, which excludes other work on the
    machine. Otherwise they are wall-clock time, and ``processor`` has the time of all threads.
    """

    sums: NDArray
    flags: NDArray
    cycles: int
    seconds: float
    processor: float | None = None


def busy() -> float:
    """Processor time in seconds of this process and of its finished children."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


#: Header of both programs, and the main function of each.
DRIVE = Path(__file__).with_name("drive.h")
VERILATOR_MAIN = Path(__file__).with_name("verilator.cpp")
CXXRTL_MAIN = Path(__file__).with_name("cxxrtl.cpp")
#: Part of Verilator's run time that a model without tracing or timing needs.
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
CACHE = folders.cache("bench")
#: Option of the C++ compiler, as in `sim.rtl`; the next level takes twice as long to compile. Code
#: that runs once per simulation is not optimised, as in Verilator's own makefiles.
OPTIMIZE, SLOW = "-O1", "__Slow"
#: Fields of `Stream` in drive.h, in order.
STREAM = ("tvalid", "tready", "tdata", "tlast", "tuser")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled simulator of one array, and the processor time of its build in seconds."""

    path: Path
    seconds: float


def _wires(ports: Iterable[Mapping[str, Any]], name: Callable[[str], str]) -> str:
    """Text of wires.h: the ports of each stream; missing ones are empty."""
    known = {port["name"] for port in ports}
    streams = []
    for short, prefix in (("a", A), ("b", B), ("c", C)):
        names = [f"{prefix}_{wire}" for wire in STREAM]
        wires = [f"WIRE({name(port)})" if port in known else "Wire{}" for port in names]
        streams.append(f"Stream {short}{{{', '.join(wires)}}};")
    return f"#define STREAMS {' '.join(streams)}\n"


def _compile(sources: Sequence[Path], folder: Path, options: Sequence[str | Path]) -> Path:
    """Compile C++ files in parallel and link them."""
    common = [compiler(), "-std=c++17", "-w", "-I", folder, "-I", DRIVE.parent, *options]
    objects = [folder / f"{source.stem}.o" for source in sources]
    run_all(
        [
            [*common, "-O0" if SLOW in source.stem else OPTIMIZE, "-c", source, "-o", out]
            for source, out in zip(sources, objects, strict=True)
        ]
    )
    program = folder / "simulate"
    run([compiler(), "-o", program, *objects, "-pthread", "-latomic"])
    return program


def _kept(name: str, files: Sequence[Path], make: Callable[[Path], Path]) -> Program:
    """The program that ``make`` builds in a folder, or a kept copy."""
    entry = Entry(
        name,
        {"files": list(files), "compiler": compiler(), "verilator": find_verilator().version},
        (build_verilator, build_cxxrtl),
    )
    program = CACHE / entry.file.stem
    try:
        made = entry.load()
        if made["program"] == hashlib.sha256(program.read_bytes()).hexdigest():
            return Program(program, made["seconds"])
    except (Missing, OSError):
        pass
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=CACHE) as scratch:
        start = busy()
        built = make(Path(scratch))
        seconds = busy() - start
        built.replace(program)
    entry.store({"program": hashlib.sha256(program.read_bytes()).hexdigest(), "seconds": seconds})
    return Program(program, seconds)


def build_verilator(
    files: Sequence[Path], spec: ArraySpec, ports: Iterable[Mapping[str, Any]]
) -> Program:
    """The array compiled by Verilator, with the options that its manual recommends for speed."""
    verilator = find_verilator()

    def make(folder: Path) -> Path:
        (folder / "wires.h").write_text(_wires(ports, str))
        run(
            [
                verilator.program,
                *TRANSLATE,
                spec.name,
                "-Mdir",
                folder,
                *files,
            ],
            environment={"VERILATOR_ROOT": str(verilator.root)},
        )
        runtime = [verilator.include / name for name in RUNTIME]
        sources = sorted(folder.glob("Vmodel*.cpp"), key=lambda file: -file.stat().st_size)
        include: list[str | Path] = ["-I", verilator.include]
        include += ["-I", verilator.include / "vltstd"]
        return _compile([*sources, *runtime, VERILATOR_MAIN], folder, include)

    return _kept(f"verilator-{spec.name}", files, make)


def build_cxxrtl(
    files: Sequence[Path], spec: ArraySpec, ports: Iterable[Mapping[str, Any]]
) -> Program:
    """The array compiled by CXXRTL, not flattened, since the compiler would not finish."""

    def make(folder: Path) -> Path:
        (folder / "wires.h").write_text(_wires(ports, _cxxrtl))
        run_yosys(
            "\n".join(
                [
                    *(f"read_verilog {file}" for file in files),
                    f"hierarchy -top {spec.name}",
                    "write_cxxrtl -noflatten -g0 model.cc",
                ]
            ),
            cwd=folder,
        )
        headers = Path(str(files_of("pyosys")), "share/include/backends/cxxrtl/runtime")
        return _compile([CXXRTL_MAIN], folder, ["-I", headers, f"-DMODEL={_cxxrtl(spec.name)}"])

    return _kept(f"cxxrtl-{spec.name}", files, make)


def _cxxrtl(name: str) -> str:
    """A public name as CXXRTL spells it."""
    return "p_" + name.replace("_", "__")


def build_program(source: Path, folder: Path) -> Path:
    """A program from one C++ file, compiled for this processor."""
    program = folder / source.stem
    run([compiler(), "-std=c++17", "-O3", "-march=native", "-pthread", source, "-o", program])
    return program


def run_program(program: Path, arguments: Sequence[str | Path]) -> dict[str, float]:
    """Output of a program."""
    done = subprocess.run(
        [program, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    printed: dict[str, float] = json.loads(done.stdout)
    return printed


def simulate(program: Path, spec: ArraySpec, a: NDArray, b: NDArray, folder: Path) -> Ran:
    """Run ``a @ b`` on a program."""
    given = beats(spec, a, b)
    for name, prefix in (("a", A), ("b", B)):
        _rows(given, prefix).tofile(folder / name)
    printed = run_program(program, [folder / "a", folder / "b", folder / "c", str(len(given.rows))])
    words = -(-spec.cols * spec.slot_width // 64)
    rows = np.fromfile(folder / "c", "<u8").reshape(len(given.rows), -1)
    codes = unpack(rows[:, :words], spec.slot_width, spec.cols)
    flags = np.zeros_like(codes)
    if spec.flag_bits:
        flags = unpack(rows[:, words:], spec.flag_bits, spec.cols)
    sums, marks = (given.product(x)[: len(a), : b.shape[1]] for x in (codes, flags))
    return Ran(sums, marks, int(printed["cycles"]), printed["seconds"])


def _rows(given: Beats, prefix: str) -> npt.NDArray[np.uint64]:
    """Beats of a source in the format of drive.h."""
    data, marks = given.sources[prefix], given.last[prefix].astype(np.uint64)
    if prefix in given.user:
        marks = marks | given.user[prefix] << np.uint64(1)
    return np.concatenate([data, marks[:, None]], axis=1)
