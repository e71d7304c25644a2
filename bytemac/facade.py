# SPDX-License-Identifier: Apache-2.0
"""Units and arrays as objects: multiply matrices, write Verilog, measure gates and energy."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from bytemac.operands import Operand, Scaling, operands
from hw.progress import Progress
from hw.spec import (
    CATALOG,
    Accumulator,
    Adder,
    ArraySpec,
    Dataflow,
    Format,
    MacSpec,
    Multiplier,
    OutputSpec,
    Scale,
    SpecError,
    parse_array,
    parse_mac,
)
from hw.spec.catalog import format_table
from hw.spec.errors import require
from sim.backends import BACKENDS, DEFAULT
from sim.convert import decode, encode, values
from sim.linear import matmul_with_flags
from sim.outputs import settings
from sim.run.engines import ENGINES
from sim.run.sums import Stage, as_integers

if TYPE_CHECKING:
    from synth.record import Record

Floats = npt.NDArray[np.float64]


class Result(NamedTuple):
    """A product.

    Attributes
    ----------
    values
        Numbers, float64, shape (M, N): what the codes stand for, times the scales of A and B.
    codes
        Sums as the hardware keeps them, see `sim.matmul`. With an output stage: its codes.
    flags
        `hw.spec.Flag` of each sum, uint8. All zero for floating point.
    cycles
        Clock cycles from the first operands to the last result, both included.
    """

    values: Floats
    codes: npt.NDArray[Any]
    flags: npt.NDArray[Any]
    cycles: int

    def __repr__(self) -> str:
        m, n = self.values.shape
        return f"Result({m}x{n} {self.codes.dtype}, {self.cycles:,} cycles)"


class _Design:
    """Shared by units and arrays: a spec, and the hardware that is generated from it."""

    spec: MacSpec | ArraySpec

    def __str__(self) -> str:
        """Spelling, which `hw.spec.parse_spec` and ``--spec`` read."""
        return str(self.spec)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.spec)!r})"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.spec == getattr(other, "spec", None)

    def __hash__(self) -> int:
        return hash(self.spec)

    @property
    def name(self) -> str:
        """Name of the Verilog module."""
        return self.spec.name

    def verilog(self) -> str:
        """Verilog of the design. The same spec gives the same text."""
        from hw.build import verilog

        return verilog(self.spec)

    def save(self, folder: str | Path = ".") -> Path:
        """Write Verilog, manifest, FuseSoC core and port sheet. Return the path of the manifest."""
        from hw.build import generate

        return generate(self.spec, folder)

    def measure(
        self,
        *,
        liberty: str | Path | Sequence[str | Path] | None = None,
        recipe: str = "keep",
        metrics: Sequence[str] = (),
    ) -> "Record":
        """Measure gates, area, clock and energy; the same flow as ``python -m synth.run``.

        Parameters
        ----------
        liberty
            Liberty files of a cell library. By default OSU 0.18 um, if it is installed; without a
            library only gates are counted.
        recipe
            Yosys recipe for the cells.
        metrics
            Some of gate_counts, paper_cost, cells, clock, energy and blocks. By default all.

        Returns
        -------
        Record
            Its ``metrics`` are values with units, by name.
        """
        from synth.flow.design import of_unit
        from synth.measure import Job, measure
        from synth.run import chosen_library

        files = [liberty] if isinstance(liberty, str | Path) else list(liberty or ())
        texts = [str(file) for file in files]
        words = ["python", "-m", "synth.run", "--spec", str(self.spec), "--recipe", recipe]
        words += ["--liberty", *texts] if texts else []
        words += ["--metrics", *metrics] if metrics else []
        job = Job(design=of_unit(self.spec), recipe=recipe, library=chosen_library(texts))
        return measure(job, shlex.join(words), only=metrics)


class Unit(_Design):
    """A multiply-accumulate unit; `mac` makes one.

    Attributes
    ----------
    spec
        Its description.
    """

    def __init__(self, spec: MacSpec) -> None:
        self.spec: MacSpec = spec

    def matmul(
        self,
        a: Any,
        b: Any,
        *,
        codes: bool = False,
        scheme: Scaling | Sequence[Scaling] = "",
        backend: str = DEFAULT,
    ) -> Result:
        """Multiply A (M, K) by B (K, N), bit for bit as the unit accumulates it.

        Parameters
        ----------
        a, b
            Numbers, or arrays of ml_dtypes, torch or DLPack. An array whose dtype is the operand's
            format holds codes. Other numbers are divided by a scale and encoded. Integers for an
            integer format are used unscaled.
        codes
            Whether integer arrays hold codes.
        scheme
            How scales are chosen, see `sim.quantize.parse_scheme`: ``"per=channel,range=mse"``. By
            default each matrix has one scale, which maps its largest magnitude to the largest value
            of the format. A pair gives one scheme for A and one for B. Scales are raised by powers
            of two if sums could overflow the accumulator. A `sim.quantize.Quantizer` is used as it
            was calibrated.
        backend
            One of `sim.backends.BACKENDS`. All give the same bits.

        Returns
        -------
        Result
            Values, codes, flags and cycles. The unit takes one operand pair per lane and cycle.

        Raises
        ------
        SpecError
            If an operand has a wrong shape or dtype.
        """
        if backend in ENGINES and backend not in BACKENDS:
            raise SpecError(
                f"Backend {backend!r} needs an array; call unit.array(16, 16).matmul(...), "
                f"or choose one of {', '.join(BACKENDS)}"
            )
        x, y = operands(a, b, self.spec, codes, scheme)
        sums, flags = matmul_with_flags(x.codes, y.codes, self.spec, backend=backend)
        (m, k), n = x.codes.shape, y.codes.shape[1]
        cycles = m * n * -(-k // self.spec.lanes) + self.spec.latency
        return Result(_descaled(values(sums, self.spec, flags), x, y), sums, flags, cycles)

    def array(
        self,
        rows: int,
        cols: int,
        *,
        dataflow: str | Dataflow = "os",
        out: str | OutputSpec | None = None,
        depth: int | None = None,
    ) -> "Array":
        """Systolic array of ``rows x cols`` of these units.

        Parameters
        ----------
        rows, cols
            Its size, 1 to 512 each.
        dataflow
            ``os`` (output stationary) or ``ws`` (weight stationary).
        out
            Output stage that rounds each sum once: ``"e4m3"``, ``"int8,scale=fp32"``.
        depth
            Sums that the accumulator memory of a column holds, with ``ws``.
        """
        flow = dataflow.value if isinstance(dataflow, Dataflow) else dataflow
        size = f"{rows}x{cols}"
        return Array(parse_array(size, self.spec, dataflow=flow, out=out, depth=depth))


class Array(_Design):
    """A systolic array; `Unit.array` makes one.

    Attributes
    ----------
    spec
        Its description.
    """

    def __init__(self, spec: ArraySpec) -> None:
        self.spec: ArraySpec = spec

    @property
    def unit(self) -> Unit:
        """The unit in each processing element."""
        return Unit(self.spec.mac)

    def matmul(
        self,
        a: Any,
        b: Any,
        *,
        codes: bool = False,
        scheme: Scaling | Sequence[Scaling] = "",
        scale: float | None = None,
        zero_point: int = 0,
        backend: str = DEFAULT,
    ) -> Result:
        """Multiply A (M, K) by B (K, N), bit for bit as the array does, and count its cycles.

        Parameters
        ----------
        a, b, codes, scheme
            As in `Unit.matmul`.
        scale
            Factor of the output stage, if it has one; with ``scale=pow2`` the exponent of two. By
            default a factor of one.
        zero_point
            Zero point of the output stage, if it has one.
        backend
            One of `sim.run.engines.ENGINES`: a model, ``cycle`` (every register) or ``rtl`` (the
            compiled Verilog). All give the same bits and cycles.
        """
        require(backend in ENGINES, "Backend", f"one of {', '.join(ENGINES)}", backend)
        x, y = operands(a, b, self.spec.mac, codes, scheme)
        stage = self._stage(scale, zero_point)
        given = stage.given if stage else {}
        product = ENGINES[backend](self.spec, _SILENT, given)(x.codes, y.codes, _SILENT)
        sums, flags = as_integers(product.codes, self.spec), product.flags
        numbers = stage.values(sums) if stage else values(sums, self.spec.mac, flags)
        return Result(_descaled(numbers, x, y), sums, flags, product.cycles)

    def _stage(self, scale: float | None, zero_point: int) -> Stage | None:
        """Output stage with its settings, checked."""
        out = self.spec.out
        if (out is None or out.scale is Scale.NONE) and scale is not None:
            raise SpecError("The array has no output stage with a scale; leave out scale")
        if (out is None or not out.zero_point) and zero_point != 0:
            raise SpecError("The array has no output stage with a zero point; leave out zero_point")
        if out is None:
            return None
        given: dict[str, Any] = {}
        if out.scale is Scale.FP32:
            code = encode(1.0 if scale is None else scale, "fp32")
            number = decode(code, "fp32")
            require(np.isfinite(number) and number != 0, "Scale", "finite and not 0", scale)
            given["scale"] = code
        elif out.scale is Scale.POW2:
            given["scale"] = 0 if scale is None else scale
        if out.zero_point:
            given["zero_point"] = zero_point
        settings(out, (), scale=given.get("scale"), zero_point=zero_point)
        return Stage(out, given)


class Formats(dict[str, Format]):
    """Formats by name; printed as a table."""

    def __str__(self) -> str:
        return format_table()

    def __repr__(self) -> str:
        return f"Formats({', '.join(self)})"


def formats() -> Formats:
    """All formats that have a name. ``print(formats())`` shows their fields and limits."""
    return Formats(CATALOG)


def mac(
    pair: str | MacSpec,
    *,
    acc: str | Accumulator | None = None,
    lanes: int | None = None,
    pipeline: int | None = None,
    adder: str | Adder | None = None,
    multiplier: str | Multiplier | None = None,
) -> Unit:
    """Multiply-accumulate unit.

    Parameters
    ----------
    pair
        Format of the operands, ``e4m3`` or ``e4m3xe5m2``, or the spelling of the whole unit.
    acc
        Accumulator: ``exact`` (default), ``fp32``, ``fp16``, ``bf16``, ``int32``, ``hopper``, ...
    lanes
        Products per cycle.
    pipeline
        Register stages before the accumulate loop.
    adder, multiplier
        Architectures, see `hw.spec.MacSpec`.

    Raises
    ------
    SpecError
        If there is no such unit; the message names the choices.

    Examples
    --------
    >>> mac("e4m3", acc="fp32")
    Unit('e4m3,acc=fp32')
    >>> mac("e4m3", acc="fp32").matmul([[1.0, 2.0]], [[3.0], [4.0]]).values
    array([[11.]])
    """
    return Unit(
        parse_mac(pair, acc=acc, lanes=lanes, pipeline=pipeline, adder=adder, multiplier=multiplier)
    )


def _descaled(numbers: Floats, a: Operand, b: Operand) -> Floats:
    """Sums of codes, converted to numbers: multiplied by the scales of A and B."""
    result: Floats = numbers * a.scale * b.scale
    return result


class _Silent(Progress):
    """Reports nothing."""

    def __call__(self, text: str) -> None:
        """Report nothing."""

    def at_once(self, text: str) -> None:
        """Report nothing."""


_SILENT = _Silent()
