# SPDX-License-Identifier: Apache-2.0
"""Generate and compile the RTL of an array, and run matrix products on its streams."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, folders
from hw.spec.errors import require
from sim.rtl.build import compile
from sim.rtl.model import Model, RtlError
from sim.tiling import (
    ArrayProduct,
    Beats,
    C,
    Codes,
    Scales,
    Words,
    beats,
    pack,
    stage_settings,
    unpack,
)

#: Modules that an array has many of. They are compiled once; otherwise building takes minutes.
SHARED = ("pe_*",)


def compile_array(
    files: Sequence[Path],
    spec: ArraySpec,
    ports: Iterable[Mapping[str, Any]],
    *,
    build_dir: Path | None = None,
) -> Model:
    """Compile the Verilog ``files`` of ``spec`` and reset; ``ports`` are as in the manifest."""
    model = compile(files, spec.name, ports, shared=SHARED, optimize="-O1", build_dir=build_dir)
    model.reset()
    return model


def compiled_array(spec: ArraySpec) -> Model:
    """Generate and compile ``spec``, and reset the model.

    Raises
    ------
    RtlError
        If the array cannot be generated, or a tool is missing or fails.
    """
    with tempfile.TemporaryDirectory(prefix="array-") as folder:
        files, ports = generated_array(spec, Path(folder))
        return compile_array(files, spec, ports)


def generated_array(spec: ArraySpec, folder: Path) -> tuple[list[Path], list[dict[str, Any]]]:
    """Generate the Verilog of ``spec`` in ``folder``. Returns the files and the ports.

    Raises
    ------
    RtlError
        If the array cannot be generated.
    """
    command = [
        sys.executable,
        "-m",
        "hw.generate",
        "--spec",
        str(spec),
        "--out",
        str(folder),
        "--json",
    ]
    done = subprocess.run(command, cwd=folders.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RtlError(f"{spec.name} could not be generated: {done.stderr.strip()}")
    manifest = json.loads(done.stdout)
    files = [folder / file["path"] for file in manifest["files"]]
    return [file for file in files if file.suffix == ".v"], manifest["ports"]


def matmul(
    model: Model,
    spec: ArraySpec,
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    *,
    scales: Scales = None,
    scale: npt.ArrayLike | None = None,
    zero_point: npt.ArrayLike = 0,
    stall: Mapping[str, float] | None = None,
    seed: int = 0,
) -> ArrayProduct:
    """Compute ``C[M, N] = A[M, K] @ B[K, N]``, tile after tile without pauses.

    With output stages, the results are codes as from `sim.output`.

    Parameters
    ----------
    model
        Compiled array, after a reset.
    spec
        What it was generated from.
    a, b
        Codes of the operands, (M, K) and (K, N). Edges are padded with code 0, which is zero in
        every format.
    scales
        Codes of the block scales of a and b, (M, blocks) and (blocks, N), if the unit has them.
    scale, zero_point
        Settings of the output stages, as in `sim.output`; broadcast to (M, N).
    stall, seed
        As in `Model.stream`. Without stalls, the cycles equal ``spec.cycles``.

    Raises
    ------
    SpecError
        If the shapes do not match.
    RtlError
        If the streams stop, break the protocol or end a tile in the wrong place.
    """
    a, b = _codes("Operand a", a, spec.mac.a.width), _codes("Operand b", b, spec.mac.b.width)
    require(
        a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1],
        "Operand shapes",
        "(M, K) and (K, N)",
        (a.shape, b.shape),
    )
    (m, k), n = a.shape, b.shape[1]
    given = beats(spec, a, b, scales)
    slowest = 1 - max((stall or {}).values(), default=0)
    beside = _settings(spec, (m, n), given, scale, zero_point)
    ran = model.stream(
        given.sources,
        {C: len(given.rows)},
        last=given.last,
        user=given.user,
        stall=stall,
        seed=seed,
        beside={C: beside},
        max_cycles=int(1000 + 8 * spec.cycles(m, k, n) / slowest),
    )
    got = ran.received[C]
    if not np.array_equal(got.last, given.ends):
        raise RtlError(f"{C}_tlast is not high on exactly the last row of each tile")
    codes = _results(model, got.data, spec)
    flags = np.zeros_like(codes)
    if got.user is not None:
        flags = unpack(got.user, spec.flag_bits, spec.cols)
    codes, flags = (given.product(x)[:m, :n] for x in (codes, flags))
    start = min(sent[0] for sent in ran.sent.values())
    return ArrayProduct(codes, flags.astype(np.uint8), int(got.cycle[-1] - start + 1))


def _settings(
    spec: ArraySpec,
    shape: tuple[int, int],
    given: Beats,
    scale: npt.ArrayLike | None,
    zero_point: npt.ArrayLike,
) -> dict[str, Words]:
    """Values of the ports of the output stages, one row per beat of C."""
    widths = (
        {"c_scale": spec.out.scale_bits, "c_zero_point": spec.out.zero_point_bits}
        if spec.out
        else {}
    )
    return {
        port: pack(values & (1 << widths[port]) - 1, widths[port])
        for port, values in stage_settings(spec, shape, given, scale, zero_point).items()
    }


def _codes(noun: str, values: npt.ArrayLike, width: int) -> Codes:
    """Check an array of codes of ``width`` bits."""
    codes = np.asarray(values)
    integers = codes.dtype.kind in "iu" or all(isinstance(code, int) for code in codes.flat)
    require(integers, f"{noun} dtype", "an integer type", str(codes.dtype))
    wrong = codes[(codes < 0) | (codes >= 1 << width)]
    require(
        not wrong.size,
        noun,
        f"codes from 0 to {(1 << width) - 1}",
        int(wrong[0]) if wrong.size else 0,
    )
    return codes


def _results(model: Model, words: Words, spec: ArraySpec) -> Codes:
    """Results from the beats of C. Bits of a slot above the result must repeat its sign or be 0."""
    slot, width = model.ports[f"{C}_tdata"].width // spec.cols, spec.result_width
    slots = unpack(words, slot, spec.cols)
    if slot == width:
        return slots
    one = 1 if slots.dtype == object else np.uint64(1)
    codes: Codes = slots & ((one << width) - one)
    fill = ((one << (slot - width)) - one) * (codes >> (width - 1)) if spec.result_signed else 0
    if (slots >> width != fill).any():
        raise RtlError(f"{C}_tdata does not extend each result to its slot")
    return codes
