# SPDX-License-Identifier: Apache-2.0
"""The verbs of the command ``bytemac``: what each does, the module that does it, and an example."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb.

    Parameters
    ----------
    name
        Word after ``bytemac``.
    module
        Module whose ``main`` runs it: ``bytemac NAME`` is ``python -m MODULE``.
    meaning
        What it does, in one line.
    example
        Options of one call that works.
    """

    name: str
    module: str
    meaning: str
    example: str


#: Verbs by task, in the order of a project.
GROUPS: dict[str, tuple[Verb, ...]] = {
    "Design": (
        Verb("formats", "hw.spec.__main__", "List the number formats.", ""),
        Verb(
            "generate",
            "hw.generate",
            "Write the Verilog of a MAC, an array or a GEMM engine.",
            "--mac e4m3 --array 4x4 --out rtl",
        ),
    ),
    "Simulate": (
        Verb(
            "run",
            "sim.run.__main__",
            "Compute a matrix product on an array.",
            "--mac e4m3 --array 16x16 --size 64x64x64",
        ),
        Verb(
            "view",
            "sim.view",
            "Write a page that animates a product on an array, cycle by cycle.",
            "--mac e4m3 --array 4x4 --size 4x8x4 --out view.html",
        ),
        Verb(
            "network",
            "sim.network.__main__",
            "Run an ONNX model on an array.",
            "model.onnx --data inputs.npz --mac e4m3 --array 16x16",
        ),
        Verb(
            "advise",
            "reports.advise.__main__",
            "Find the format and accumulator for a network.",
            "model.onnx --data inputs.npz --labels labels.npy",
        ),
    ),
    "Measure": (
        Verb(
            "synth",
            "synth.run",
            "Measure gates, area, timing and energy of a unit.",
            "--mac e4m3 --acc fp32",
        ),
        Verb("sweep", "synth.sweep", "Measure many units.", "points.toml --out records.json"),
        Verb("fpga", "synth.fpga.__main__", "Place and route a MAC on FPGAs.", "--mac int8"),
    ),
    "Boards": (
        Verb(
            "flash",
            "hw.flash",
            "Build a GEMM engine for an FPGA board and load it.",
            "--board icebreaker --mac int8 --array 2x2",
        ),
        Verb(
            "board",
            "hw.virtual_board",
            "Simulate a board on a pseudo-terminal.",
            "--mac e4m3 --array 4x4",
        ),
        Verb(
            "selftest",
            "hw.selftest",
            "Check a board, real or simulated, against the model.",
            "--port /dev/ttyUSB0",
        ),
    ),
    "Project": (
        Verb("doctor", "hw.doctor", "Show what is installed and what is missing.", "--install"),
        Verb("study", "reports.study", "Repeat a study of the report.", "theory"),
        Verb("report", "reports.report", "Write the report as HTML pages.", "--out build/report"),
    ),
}
VERBS = {verb.name: verb for group in GROUPS.values() for verb in group}
