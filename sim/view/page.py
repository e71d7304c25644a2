# SPDX-License-Identifier: Apache-2.0
"""One page that plays a trace: all it needs is inside, it asks for nothing."""

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Flag, Format, MacSpec
from sim.convert import decode
from sim.view.pack import Plane, Table, base64, changes, numbered
from sim.view.record import Trace

__all__ = ["page"]

Ints = npt.NDArray[Any]

SCRIPTS = ("data.js", "text.js", "grid.js", "lanes.js", "matrix.js", "plot.js", "inspector.js",
           "main.js")
OF_FLAG = {Flag.POS_INF: np.inf, Flag.NEG_INF: -np.inf, Flag.NAN: np.nan}


def page(trace: Trace) -> str:
    """HTML of the page; the same trace gives the same text."""
    parts = files("sim.view") / "parts"
    m, k, n = trace.sides
    mac = trace.spec.mac
    # In a script, `<` could end it.
    data = json.dumps(_data(trace), separators=(",", ":")).replace("<", "\\u003c")
    script = "\n".join((parts / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return Template((parts / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{m}x{k}x{n} on {trace.spec.size} {mac.pair}"),
        product=escape(f"C[{m}, {n}] = A[{m}, {k}] B[{k}, {n}]"),
        array=escape(_array(trace)), cycles=trace.cycles, last=trace.cycles - 1,
        style=(parts / "page.css").read_text(encoding="utf-8"), data=data, script=script)


def _array(trace: Trace) -> str:
    """The array in words."""
    spec = trace.spec
    lanes = f", {spec.mac.lanes} lanes" if spec.mac.lanes > 1 else ""
    pipeline = f", {spec.mac.pipeline} pipeline registers" if spec.mac.pipeline else ""
    return (f"{spec.size} {spec.mac.pair} elements, output stationary, accumulator "
            f"{spec.mac.acc.spelling}{lanes}{pipeline}")


def _data(trace: Trace) -> dict[str, Any]:
    """What the scripts read."""
    spec = trace.spec
    m, k, n = trace.sides
    tables, planes = _words(trace)
    tags = {name: changes(getattr(trace, name)) for name in ("operands", "sums", "owners")}
    planes |= tags | {"moved": changes(trace.moved[:, None].astype(np.uint8))}
    return {
        "rows": spec.rows, "cols": spec.cols, "lanes": spec.mac.lanes, "cycles": trace.cycles,
        "m": m, "k": k, "n": n, "beats": spec.beats(k), "across": -(-n // spec.cols),
        "tiles": spec.tiles(m, n), "utilisation": _utilisation(trace),
        "formats": {"a": spec.mac.a.name, "b": spec.mac.b.name, "c": spec.mac.acc.spelling},
        "busy": trace.busy.tolist(), "left": trace.left.tolist(), "tables": tables,
        "planes": planes}


def _utilisation(trace: Trace) -> float:
    """Share of the array's products that are wanted ones, 0 to 1."""
    m, k, n = trace.sides
    return m * k * n / (trace.cycles * trace.spec.rows * trace.spec.cols * trace.spec.mac.lanes)


def _words(trace: Trace) -> tuple[dict[str, Table], dict[str, Plane]]:
    """Tables of the words of a, b and c, and the planes that hold numbers of their entries."""
    mac = trace.spec.mac
    tables, planes = {}, {}
    for name, fmt in (("a", mac.a), ("b", mac.b)):
        lanes = np.moveaxis(getattr(trace, name), 2, -1)
        distinct, [numbers] = numbered(lanes)
        tables[name] = _table(distinct, decode(distinct.astype(np.uint64), fmt), fmt.width)
        planes[name] = changes(numbers)
    distinct, sums = numbered(*(np.stack(pair, axis=-1) for pair in (
        (trace.acc, trace.flags), (trace.result, trace.result_flags), (trace.c, trace.c_flags))))
    codes, flags = distinct.T
    tables["c"] = _table(codes[:, None], sum_values(codes, flags, mac)[:, None], mac.acc.width)
    planes |= dict(zip(("acc", "result", "c"), map(changes, sums), strict=True))
    return tables, planes


def _table(codes: Ints, values: npt.NDArray[np.float64], width: int) -> Table:
    """Codes, (entries, lanes), in whole bytes, and what they stand for."""
    size = -(-width // 8)
    octets = np.ascontiguousarray(codes.astype("<i8") & np.int64((1 << width) - 1)).view(np.uint8)
    return {"width": width, "codes": base64(octets.reshape(*codes.shape, 8)[..., :size]),
            "values": base64(values)}


def sum_values(sums: Ints, flags: Ints, mac: MacSpec) -> npt.NDArray[np.float64]:
    """Sums and flags as binary64 numbers."""
    acc = mac.acc
    if not isinstance(acc, FixedAccumulator):
        return _decoded(sums, acc.fmt)
    values = np.ldexp(sums.astype(np.float64), acc.lsb)
    for flag, value in OF_FLAG.items():
        values[flags == flag] = value
    return values


def _decoded(codes: Ints, fmt: Format) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = decode(codes.astype(np.uint64), fmt)
    return values
