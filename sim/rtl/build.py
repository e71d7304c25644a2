# SPDX-License-Identifier: Apache-2.0
"""From Verilog files to a shared library, cached by what went into it."""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hw.spec.errors import require
from sim.rtl import sharing
from sim.rtl.model import CLOCK, Model, Port
from sim.rtl.tools import RtlError, Verilator, compiler, find_verilator, run, run_all

__all__ = ["RtlError", "compile"]

HARNESS = Path(__file__).with_name("harness.cpp")
#: Files that decide how a model is built.
RECIPE = (Path(__file__), Path(sharing.__file__))
DEFAULT_BUILD_DIR = Path(__file__).parents[2] / "build" / "rtl"

#: Part of the run time that a model without tracing or timing needs.
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
#: File of its own, so that it can be precompiled, and what every part of a model begins with.
HEADERS, HEADERS_TEXT = "headers.h", '#include "verilated.h"\n'
#: In the name of generated code that runs once a simulation: not worth optimising.
SLOW = "__Slow"
#: Generated code worth a compilation of its own.
UNIT_BYTES = 100_000

_HEADER_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)")


def compile(files: Iterable[str | Path], top: str, ports: Iterable[Mapping[str, Any]], *,
            build_dir: str | Path | None = None, shared: Sequence[str] = (),
            optimize: str = "-O2") -> Model:
    """Compile Verilog to a model that runs in this process.

    Parameters
    ----------
    files
        Verilog files, the order of no importance.
    top
        Name of the top module.
    ports
        Its ports, each with ``name``, ``direction`` (input or output) and ``width`` in bits, as in
        a manifest. The clock, if any, is called ``clk`` and the synchronous reset ``rst``.
    build_dir
        Folder of the compiled models, by default ``build/rtl`` of this project. A model whose
        sources, options and tools are known already is taken from there.
    shared
        Modules (``*`` matches any part of a name) that are compiled once for all their instances:
        without it a model grows with the number of processing elements.
    optimize
        Option of the C++ compiler.

    Raises
    ------
    RtlError
        If a tool is missing or reports an error, or ``ports`` is not what the Verilog says.
    """
    sources = [Path(file).resolve() for file in files]
    table = [Port.of(port) for port in ports]
    require(bool(table), "Ports", "a table of at least one port", table)
    for source in sources:
        require(source.is_file(), "Verilog file", "a readable file", str(source))
    verilator = find_verilator()
    folder = Path(build_dir or DEFAULT_BUILD_DIR)
    digest = _digest(sources, top, table, shared, optimize, verilator.version)
    library = folder / f"{top}-{digest}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{top}-", dir=folder) as scratch:
            work = Path(scratch)
            _translate(verilator, sources, top, work, shared)
            _check_ports(work / "Vmodel.h", table)
            (work / "ports.h").write_text(_ports_header(table))
            runtime = _runtime(verilator, folder, optimize)
            _link(verilator, work, runtime, optimize).replace(library)
    return Model(library, table)


def _digest(sources: Sequence[Path], top: str, ports: Sequence[Port], shared: Sequence[str],
            optimize: str, version: str) -> str:
    """Name of everything that the library depends on."""
    facts = [top, [(p.name, p.direction, p.width) for p in ports], list(shared), optimize,
             version, compiler(), sorted(_sha256(file) for file in sources), _sha256(HARNESS),
             *(_sha256(file) for file in RECIPE)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _translate(verilator: Verilator, sources: Sequence[Path], top: str, work: Path,
               shared: Sequence[str]) -> None:
    """Verilog to C++."""
    options: list[str | Path] = [
        "--cc", "-O3", "-Wno-fatal", "--x-assign", "fast", "--x-initial", "fast",
        "--prefix", "Vmodel", "--top-module", top, "-Mdir", work]
    if shared:
        rules = work / "rules.vlt"
        rules.write_text(sharing.rules(sources, shared, CLOCK), encoding="utf-8")
        options += [*sharing.OPTIONS, rules]
    run([verilator.program, *options, *sources],
        environment={"VERILATOR_ROOT": str(verilator.root)})


def _check_ports(header: Path, ports: Sequence[Port]) -> None:
    """Hold the table to the ports that Verilator found."""
    found = {_verilog_name(name): ("input" if way == "IN" else "output", int(high) - int(low) + 1)
             for way, name, high, low in _HEADER_PORT.findall(header.read_text())}
    table = {port.name: (port.direction, port.width) for port in ports}
    for name in sorted(found.keys() | table.keys()):
        if found.get(name) != table.get(name):
            raise RtlError(f"Port {name} must be {_describe(found.get(name))} as in the Verilog, "
                           f"not {_describe(table.get(name))}")


def _describe(port: tuple[str, int] | None) -> str:
    return f"{port[0]} of {port[1]} bits" if port else "absent"


def _cpp_name(name: str) -> str:
    """Name of a port in Verilator's C++, where a double underscore is its own."""
    return name.replace("__", "___05F")


def _verilog_name(name: str) -> str:
    return name.replace("___05F", "__")


def _ports_header(ports: Sequence[Port]) -> str:
    """The only part of the C++ that differs from design to design."""
    driven = [f"X({_cpp_name(port.name)})" for port in ports if not port.is_clock]
    clock = ["#define CLOCK clk"] if any(port.is_clock for port in ports) else []
    return "\n".join([*clock, f"#define PORTS(X) {' '.join(driven)}", ""])


def _runtime(verilator: Verilator, folder: Path, optimize: str) -> Path:
    """Folder of Verilator's run time: objects and headers, compiled once for all models."""
    facts = [verilator.version, compiler(), optimize, HEADERS_TEXT]
    label = hashlib.sha256(" ".join(facts).encode()).hexdigest()[:12]
    runtime = folder / f"runtime-{label}"
    if not runtime.exists():
        with tempfile.TemporaryDirectory(prefix="runtime-", dir=folder) as scratch:
            made = Path(scratch) / "runtime"
            made.mkdir()
            _build_runtime(verilator, made, optimize)
            try:
                made.rename(runtime)
            except OSError:  # another process was faster
                shutil.rmtree(made)
    return runtime


def _build_runtime(verilator: Verilator, out: Path, optimize: str) -> None:
    """Compile the run time.

    Only GCC's precompiled headers are known to work here: it passes over those that do not fit,
    as with other options, and reads the text.
    """
    header = out / HEADERS
    header.write_text(HEADERS_TEXT)
    commands = [_compile(verilator, verilator.include / name, out, optimize) for name in RUNTIME]
    if "clang" not in Path(compiler()).name:
        commands.append([*_options(verilator, optimize), "-x", "c++-header", header,
                         "-o", f"{header}.gch"])
    run_all(commands)


def _options(verilator: Verilator, optimize: str) -> list[str | Path]:
    """Compiler and options of every compilation; what is precompiled must be given the same."""
    return [compiler(), "-std=c++17", "-fPIC", "-w", optimize, "-I", verilator.include,
            "-I", verilator.include / "vltstd"]


def _compile(verilator: Verilator, source: Path, out: Path, optimize: str,
             headers: Sequence[str | Path] = ()) -> list[str | Path]:
    """Command that compiles one C++ file."""
    return [*_options(verilator, optimize), *headers, "-I", out, "-c", source,
            "-o", out / f"{source.stem}.o"]


def _link(verilator: Verilator, work: Path, runtime: Path, optimize: str) -> Path:
    """Compile the model and join it with its run time."""
    units = _units(work, optimize)
    headers: list[str | Path] = ["-include", runtime / HEADERS]
    run_all([_compile(verilator, unit, work, "-O0" if SLOW in unit.stem else optimize, headers)
             for unit in units])
    library = work / "model.so"
    objects = [*(work / f"{unit.stem}.o" for unit in units),
               *(runtime / f"{Path(name).stem}.o" for name in RUNTIME)]
    run([compiler(), "-shared", "-o", library, *objects, "-pthread", "-latomic"])
    return library


def _units(work: Path, optimize: str) -> list[Path]:
    """One file that includes the slow code and one a processor for the rest.

    Reading Verilator's headers takes longer than compiling a small model, so the number of
    compilations is kept low: where nothing is optimised, the slow code is not apart.
    """
    files = sorted(work.glob("Vmodel*.cpp"), key=lambda file: (-file.stat().st_size, file.name))
    slow = [file for file in files if SLOW in file.stem and optimize != "-O0"]
    fast = [HARNESS, *(file for file in files if file not in slow)]
    size = sum(file.stat().st_size for file in fast)
    count = min(os.cpu_count() or 1, 1 + size // UNIT_BYTES)
    groups = {f"unit{part}": fast[part::count] for part in range(count)}
    if slow:
        groups[f"unit{SLOW}"] = slow
    for name, group in groups.items():
        includes = (f'#include "{file}"' for file in group)
        (work / f"{name}.cpp").write_text("\n".join([*includes, ""]))
    return [work / f"{name}.cpp" for name in groups]
