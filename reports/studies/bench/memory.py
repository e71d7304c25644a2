# SPDX-License-Identifier: Apache-2.0
"""Peak memory of a large product, run as a user runs it."""

import json
import os
import subprocess
import sys
import tempfile

from hw.spec import parse_array
from sim.rtl.tools import RtlError
from synth.record import ROOT, Metric, Provenance, Record

__all__ = ["GEMM", "measure_memory"]

UNIT, SIZE, GEMM = "e4m3,acc=fp32", "16x16", "4096x4096x4096"


def measure_memory(origin: Provenance, gemm: str = GEMM) -> Record:
    """Record of ``python -m sim.run`` on ``gemm``: largest resident set, lines of progress.

    Raises
    ------
    RtlError
        If it fails.
    """
    command = [sys.executable, "-m", "sim.run", "--mac", UNIT, "--array", SIZE, "--gemm", gemm,
               "--json"]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=told)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, told):
            file.seek(0)
        lines = told.read().splitlines()
        if process.returncode:
            raise RtlError(f"{' '.join(command[1:])} failed: {lines[-1] if lines else status}")
        found = json.loads(out.read())
    spec = parse_array(SIZE, UNIT)
    return Record(
        subject=spec.name, provenance=origin,
        conditions={"gemm": gemm, "command": "python " + " ".join(command[1:])},
        metrics={"peak_memory": Metric(usage.ru_maxrss * 1024, "byte"),
                 "lines_of_progress": Metric(len(lines)),
                 "cycles": Metric(found["cycles"], "cycle"),
                 "checksum": Metric(found["checksum"])})
