# SPDX-License-Identifier: Apache-2.0
"""Arrays as programs: what Verilator and CXXRTL make of the Verilog, each with a plain C++ main.

Nothing here is tuned for arrays: default optimisations of either tool, no module kept apart by
choice, no bulk interface. `sim.rtl` is what tuning gives. Programs are kept with
the seconds that they took to make, since that is minutes.
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
    """Sums (M, N), as `sim.matmul` has them or as unsigned bits, their flags, cycles, seconds.

    Seconds are of processor time where a simulator has one thread, so that other work on the
    machine does not count; else of wall time, and ``processor`` has the time of all threads.
    """

    sums: NDArray
    flags: NDArray
    cycles: int
    seconds: float
    processor: float | None = None


def busy() -> float:
    """Seconds of processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


#: What both programs include, and the main function of each.
DRIVE = Path(__file__).with_name("drive.h")
VERILATOR_MAIN = Path(__file__).with_name("verilator.cpp")
CXXRTL_MAIN = Path(__file__).with_name("cxxrtl.cpp")
#: Part of Verilator's run time that a model without tracing or timing needs.
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
CACHE = folders.cache("bench")
#: Option of the C++ compiler: that of `sim.rtl`, twice as quick to compile as the next one. What
#: runs once a simulation is not optimised, as in Verilator's own makefiles.
OPTIMIZE, SLOW = "-O1", "__Slow"
#: What `Stream` of drive.h has, in its order.
STREAM = ("tvalid", "tready", "tdata", "tlast", "tuser")


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled simulator of one array, and the seconds of processor time that it took to make."""

    path: Path
    seconds: float


def _wires(ports: Iterable[Mapping[str, Any]], name: Callable[[str], str]) -> str:
    """Text of wires.h: each stream's ports, the absent ones empty."""
    known = {port["name"] for port in ports}
    streams = []
    for short, prefix in (("a", A), ("b", B), ("c", C)):
        names = [f"{prefix}_{wire}" for wire in STREAM]
        wires = [f"WIRE({name(port)})" if port in known else "Wire{}" for port in names]
        streams.append(f"Stream {short}{{{', '.join(wires)}}};")
    return f"#define STREAMS {' '.join(streams)}\n"


def _compile(sources: Sequence[Path], folder: Path, options: Sequence[str | Path]) -> Path:
    """Compile C++ files side by side and link them."""
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
    """The program that ``make`` builds in a folder, or the same one built before."""
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
    """What Verilator makes of the array, with the options of its manual for speed."""
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
    """What CXXRTL makes of it, modules apart: flattened, the compiler does not come to an end."""

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
    """How CXXRTL spells a public name."""
    return "p_" + name.replace("_", "__")


def build_program(source: Path, folder: Path) -> Path:
    """A program of one C++ file, made for this very processor."""
    program = folder / source.stem
    run([compiler(), "-std=c++17", "-O3", "-march=native", "-pthread", source, "-o", program])
    return program


def run_program(program: Path, arguments: Sequence[str | Path]) -> dict[str, float]:
    """What a program prints."""
    done = subprocess.run(
        [program, *map(str, arguments)], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


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
    """Beats of a source as drive.h reads them."""
    data, marks = given.sources[prefix], given.last[prefix].astype(np.uint64)
    if prefix in given.user:
        marks = marks | given.user[prefix] << np.uint64(1)
    return np.concatenate([data, marks[:, None]], axis=1)
