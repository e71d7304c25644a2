# SPDX-License-Identifier: Apache-2.0
"""What every drawn spec must do: generate in time, elaborate twice, and agree with the model."""

import json
import multiprocessing
import os
import resource
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.build import generate
from hw.spec import parse_spec
from hw.spec.grammar import Spec
from sim.rtl.build import find_verilator
from tests.random_specs.streams import check_streams

COMMAND = "python -m tests.random_specs"
#: Processor seconds that a spec may take to generate, those of its tools included.
SECONDS = 20
#: Seconds after which a tool hangs.
PATIENCE = 600


class Fault(Exception):
    """A spec that fails; the message names the step."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found about one spec.

    ``seconds`` are processor seconds of its generation, ``compared`` the values that its simulation
    compared (0 if it was not simulated), ``fault`` the first failure.
    """

    spelling: str
    kind: str
    seconds: float = 0.0
    size: int = 0
    compared: int = 0
    fault: str = ""

    @property
    def message(self) -> str:
        """The failure, and the command that repeats it."""
        return f'{self.spelling}: {self.fault}; repeat: {COMMAND} --spec "{self.spelling}"'


def processor_seconds() -> float:
    """Processor time of this process and of the tools that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def elaborate(verilog: Path, top: str) -> None:
    """Elaborate in Icarus and in Verilator, which write nothing; neither may say anything.

    Verilator's advice on style and speed is left out.
    """
    verilator = find_verilator()
    options = (
        "--lint-only",
        "-Wno-fatal",
        "-Wno-lint",
        "-Wno-style",
        "-Wno-UNOPTFLAT",
        "--top-module",
        top,
    )
    for name, command in {
        "Icarus": ["iverilog", "-g2005", "-tnull", "-s", top, verilog],
        "Verilator": [verilator.program, *options, verilog],
    }.items():
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            env=os.environ | {"VERILATOR_ROOT": str(verilator.root)},
        )
        # The other lines are a report of Verilator's.
        said = [line for line in (done.stderr + done.stdout).splitlines() if line[:2] != "- "]
        if done.returncode or said:
            raise Fault(f"{name} ends with {done.returncode} and says {said[:2]}")


def check_spec(spelling: str, build_dir: Path, *, simulated: bool, seed: int) -> Outcome:
    """Everything about one spec; ``seed`` is that of its operands.

    Compiled models stay in ``build_dir``.
    """
    spec = parse_spec(spelling)
    found = {"spelling": spelling, "kind": type(spec).__name__}
    try:
        with TemporaryDirectory() as folder:
            verilog, seconds = generate_in_time(spec, Path(folder))
            found |= {"seconds": seconds, "size": verilog.stat().st_size}
            elaborate(verilog, spec.name)
            if simulated:
                found["compared"] = _simulate(spec, verilog, build_dir, seed)
    except Exception as error:  # Whatever it is, it is this spec's fault, and the others go on.
        text = " ".join(str(error).split())[:400]
        found["fault"] = text if isinstance(error, Fault) else f"{type(error).__name__}: {text}"
    return Outcome(**found)


def generate_in_time(spec: Spec, folder: Path) -> tuple[Path, float]:
    """Verilog of ``spec`` and the processor seconds that it took."""
    started = processor_seconds()
    manifest = generate(spec, folder)
    seconds = processor_seconds() - started
    if seconds > SECONDS:
        raise Fault(f"takes {seconds:.0f} s to generate, more than {SECONDS}")
    return manifest.with_suffix(".v"), seconds


def _simulate(spec: Spec, verilog: Path, build_dir: Path, seed: int) -> int:
    """Number of values compared, not none."""
    ports = json.loads(verilog.with_suffix(".json").read_text(encoding="utf-8"))["ports"]
    compared = check_streams(spec, verilog, ports, seed=seed, build_dir=build_dir)
    if not compared:
        raise Fault("was simulated, but nothing was compared")
    return compared


def check_all(
    specs: Sequence[Spec], sample: set[int], *, seed: int, workers: int
) -> Iterator[Outcome]:
    """Outcome of each spec as it comes; those of the places in ``sample`` are simulated too."""
    context = multiprocessing.get_context("spawn")
    with (
        TemporaryDirectory() as build_dir,
        ProcessPoolExecutor(workers, mp_context=context) as pool,
    ):
        pending = [
            pool.submit(
                check_spec, str(spec), Path(build_dir), simulated=place in sample, seed=seed
            )
            for place, spec in enumerate(specs)
        ]
        for future in as_completed(pending):
            yield future.result()
