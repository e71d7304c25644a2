# SPDX-License-Identifier: Apache-2.0
"""The generated array: built, run on whole layers, and held to the model bit for bit."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
import sim.rtl
from hw.spec import ArraySpec, FixedAccumulator, MacSpec
from sim.rtl import array
from sim.tiling import ArrayProduct

Codes = npt.NDArray[Any]


class Mismatch(Exception):
    """RTL and model, or RTL and closed form, disagree; the message is one line."""


@dataclass(frozen=True, slots=True)
class Unit:
    """Generated files of an array."""

    spec: ArraySpec
    verilog: list[Path]
    ports: list[dict[str, Any]]


def generate_array(spec: ArraySpec, out: Path) -> Unit:
    """Write the Verilog of ``spec`` into the folder ``out``."""
    from hw.generate import generate  # Amaranth takes a while to import.

    manifest_path = generate(spec, out)
    manifest = json.loads(manifest_path.read_text(encoding="utf-8"))
    files = [manifest_path.parent / file["path"] for file in manifest["files"]]
    return Unit(spec, [file for file in files if file.suffix == ".v"], manifest["ports"])


def compile_array(unit: Unit) -> sim.rtl.Model:
    """Compiled model of ``unit``, reset."""
    return array.compile_array(unit.verilog, unit.spec, unit.ports)


@dataclass(slots=True)
class Bench:
    """Runs layers on the RTL of ``spec``, checks each and adds up what was checked."""

    spec: ArraySpec
    model: sim.rtl.Model
    cycles: int = 0
    closed_form: int = 0
    products: int = 0
    bits: int = 0

    def product(self, index: int, a: Codes, b: Codes) -> Codes:
        """Product of codes in layer ``index``, computed by the RTL.

        Raises
        ------
        Mismatch
            If a bit differs from `sim.matmul`, or the cycles from `ArraySpec.cycles`.
        """
        (m, k), n = a.shape, b.shape[1]
        got = sim.rtl.matmul(self.model, self.spec, a, b)
        sums, flags = sim.matmul_with_flags(a, b, self.spec.mac)
        self.bits += compare(self.spec, index, got, sums, flags)
        wanted = self.spec.cycles(m, k, n)
        if got.cycles != wanted:
            raise Mismatch(f"{self.spec.name} layer {index}: {got.cycles} cycles in RTL, {wanted} "
                           "by the closed form")
        self.cycles += got.cycles
        self.closed_form += wanted
        self.products += m * k * n
        # Equal bits, but it is the RTL's own that the next layer gets.
        return _as_sums(got.codes, self.spec.mac)

    @property
    def utilisation(self) -> float:
        """Share of the array's products that were wanted ones, over all layers."""
        mac = self.spec.mac
        return self.products / (self.cycles * self.spec.rows * self.spec.cols * mac.lanes)


def compare(spec: ArraySpec, index: int, got: ArrayProduct, sums: Codes, flags: Codes) -> int:
    """Hold the bits of the RTL to those of the model; gives the number of bits compared.

    Raises
    ------
    Mismatch
        That names the first place where they differ.
    """
    mac = spec.mac
    wanted = sums.astype(object) % (1 << mac.acc.width)
    if got.codes.shape != wanted.shape:
        raise Mismatch(f"{spec.name} layer {index}: {got.codes.shape} results in RTL, "
                       f"{wanted.shape} in the model")
    wrong = (got.codes.astype(object) != wanted) | (got.flags != flags)
    if wrong.any():
        row, col = (int(place) for place in np.argwhere(wrong)[0])
        raise Mismatch(f"{spec.name} layer {index}: {int(wrong.sum())} of {wrong.size} results "
                       f"differ; C[{row}, {col}] is {got.codes[row, col]:#x} with flags "
                       f"{got.flags[row, col]} in RTL, {wanted[row, col]:#x} with flags "
                       f"{flags[row, col]} in the model")
    return int(wanted.size) * (mac.acc.width + mac.flag_bits)


def _as_sums(codes: Codes, mac: MacSpec) -> Codes:
    """Bits of the RTL as `sim.matmul` returns sums: signed in fixed point."""
    if not isinstance(mac.acc, FixedAccumulator):
        return codes
    width = mac.acc.width
    wide = codes.astype(np.int64 if width < 63 else object)
    sums: Codes = wide - (wide >> (width - 1) << width)
    return sums
