# SPDX-License-Identifier: Apache-2.0
"""Self-contained HTML page that animates a trace. It makes no network requests.

Arrays are stored as compact text that the page's scripts unpack. A plane (cycles, elements) of
small numbers is stored as changes: one bit per number that is 1 if it differs from the cycle
before, and the changed numbers, 1, 2 or 4 bytes each, little-endian. Words (codes with flags) are
stored as indices into a table.
"""

import json
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from sim.convert import decode, values
from sim.files import whole_file
from sim.trace.record import Recorder, Trace, WeightRecorder, WeightTrace, recorder_of

Ints = npt.NDArray[Any]
AnyTrace = Trace | WeightTrace
Plane = dict[str, int | str]
Table = dict[str, int | str]

#: Scripts in their order; ``flow`` stands for os or ws.
SCRIPTS = (
    "data.js",
    "flow.js",
    "text.js",
    "grid.js",
    "lanes.js",
    "matrix.js",
    "plot.js",
    "inspector.js",
    "main.js",
)
FLOWS = {Dataflow.OS: "output", Dataflow.WS: "weight"}


def page(trace: AnyTrace) -> str:
    """HTML of the page. The same trace always gives the same text."""
    parts = files("sim.trace") / "parts"
    m, k, n = trace.sides
    mac = trace.spec.mac
    # `<` could end the script element.
    data = json.dumps(_data(trace), separators=(",", ":")).replace("<", "\\u003c")
    script = "\n".join(
        (parts / name.replace("flow", trace.spec.dataflow.value)).read_text(encoding="utf-8")
        for name in SCRIPTS
    )
    return Template((parts / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(f"{m}x{k}x{n} on {trace.spec.size} {mac.pair}"),
        product=escape(f"C[{m}, {n}] = A[{m}, {k}] B[{k}, {n}]"),
        array=escape(_array(trace)),
        cycles=trace.cycles,
        last=trace.cycles - 1,
        style=(parts / "page.css").read_text(encoding="utf-8"),
        data=data,
        script=script,
    )


@contextmanager
def viewed(
    path: Path, spec: ArraySpec, m: int, k: int, n: int
) -> Iterator[Recorder | WeightRecorder]:
    """Record a product of this size. If the block succeeds, write its page."""
    recorder = recorder_of(spec, m, k, n)
    with whole_file(path) as file:
        yield recorder
        file.write(page(recorder.trace()).encode("utf-8"))


def _array(trace: AnyTrace) -> str:
    """Description of the array for the page."""
    spec = trace.spec
    lanes = f", {spec.mac.lanes} lanes" if spec.mac.lanes > 1 else ""
    pipeline = f", {spec.mac.pipeline} pipeline registers" if spec.mac.pipeline else ""
    return (
        f"{spec.size} {spec.mac.pair} elements, {FLOWS[spec.dataflow]} stationary, accumulator "
        f"{spec.mac.acc}{lanes}{pipeline}"
    )


def _data(trace: AnyTrace) -> dict[str, Any]:
    """Data for the scripts."""
    spec = trace.spec
    m, k, n = trace.sides
    tables, planes = _words(trace)
    names = ("operands", "sums", "owners", *(["weights"] if spec.depth else []))
    planes |= {name: _changes(getattr(trace, name)) for name in names}
    planes["moved"] = _changes(trace.moved[:, None].astype(np.uint8))
    return _orders(trace) | {
        "rows": spec.rows,
        "cols": spec.cols,
        "lanes": spec.mac.lanes,
        "cycles": trace.cycles,
        "m": m,
        "k": k,
        "n": n,
        "across": -(-n // spec.cols),
        "tiles": spec.tiles(m, n),
        "utilisation": m * k * n / (trace.cycles * spec.rows * spec.cols * spec.mac.lanes),
        "formats": {"a": spec.mac.a.name, "b": spec.mac.b.name, "c": str(spec.mac.acc)},
        "busy": trace.busy.tolist(),
        "left": trace.left.tolist(),
        "tables": tables,
        "planes": planes,
    }


def _orders(trace: AnyTrace) -> dict[str, Any]:
    """Steps per sum, and the row and tile of C of each beat of C and of weight-stationary A."""
    spec = trace.spec
    m, k, n = trace.sides
    across = -(-n // spec.cols)
    if spec.depth is None:
        tile, row = np.divmod(np.arange(spec.tiles(m, n) * spec.rows), spec.rows)
        return {
            "beats": spec.beats(k),
            "of_c": [(tile // across * spec.rows + row).tolist(), tile.tolist()],
        }
    passes = -(-spec.beats(k) // spec.rows)
    tiles = [
        (number, range(top, min(top + spec.depth, m)))
        for number, top in enumerate(np.repeat(range(0, m, spec.depth), across).tolist())
    ]
    of_c = [(row, tile) for tile, rows in tiles for row in rows]
    of_a = [(row, tile, part) for tile, rows in tiles for part in range(passes) for row in rows]
    return {
        "beats": passes * spec.rows,
        "passes": passes,
        "of_c": list(zip(*of_c, strict=True)),
        "of_a": list(zip(*of_a, strict=True)),
    }


def _words(trace: AnyTrace) -> tuple[dict[str, Table], dict[str, Plane]]:
    """Tables of the words of a, b and c, and planes with indices into them."""
    mac = trace.spec.mac
    tables: dict[str, Table] = {}
    planes: dict[str, Plane] = {}
    codes = {"a": (mac.a, {"a": trace.a}), "b": (mac.b, {"b": trace.b})}
    sums = {"acc": (trace.acc, trace.flags), "c": (trace.c, trace.c_flags)}
    if isinstance(trace, Trace):
        sums["result"] = trace.result, trace.result_flags
    else:
        codes["b"][1]["waiting"] = trace.waiting
    for name, (fmt, kept) in codes.items():
        distinct, numbers = _numbered(*(np.moveaxis(each, 2, -1) for each in kept.values()))
        tables[name] = _table(distinct, decode(distinct.astype(np.uint64), fmt), fmt.width)
        planes |= dict(zip(kept, map(_changes, numbers), strict=True))
    distinct, numbers = _numbered(*(np.stack(pair, axis=-1) for pair in sums.values()))
    words, flags = distinct.T
    tables["c"] = _table(words[:, None], values(words, mac, flags)[:, None], mac.acc.width)
    planes |= dict(zip(sums, map(_changes, numbers), strict=True))
    return tables, planes


def _table(codes: Ints, values: npt.NDArray[np.float64], width: int) -> Table:
    """Codes, (entries, lanes), in whole bytes, and their values."""
    size = -(-width // 8)
    octets = np.ascontiguousarray(codes.astype("<i8") & np.int64((1 << width) - 1)).view(np.uint8)
    return {
        "width": width,
        "codes": _base64(octets.reshape(*codes.shape, 8)[..., :size]),
        "values": _base64(values),
    }


def _base64(array: Ints) -> str:
    """Little-endian bytes of an array in Base64."""
    return b64encode(array.astype(array.dtype.newbyteorder("<")).tobytes()).decode("ascii")


def _changes(numbers: Ints) -> Plane:
    """Encode a plane of non-negative numbers, cycle by cycle, as changes that start from 0."""
    flat = numbers.reshape(len(numbers), -1)
    before = np.concatenate([np.zeros_like(flat[:1]), flat[:-1]])
    changed = flat != before
    size = next(size for size in (1, 2, 4) if int(flat.max(initial=0)) >> 8 * size == 0)
    return {
        "size": size,
        "cycles": len(flat),
        "elements": flat.shape[1],
        "changed": _base64(np.packbits(changed, bitorder="little")),
        "numbers": _base64(flat[changed].astype(f"u{size}")),
    }


def _numbered(*words: Ints) -> tuple[Ints, list[Ints]]:
    """Sorted distinct words (along the last axis), and each array as indices into them."""
    flat = np.concatenate([part.reshape(-1, part.shape[-1]) for part in words])
    distinct, numbers = np.unique(flat, axis=0, return_inverse=True)
    numbers = numbers.reshape(-1)
    ends = np.cumsum([part.size // part.shape[-1] for part in words])
    return distinct, [
        number.reshape(part.shape[:-1])
        for number, part in zip(np.split(numbers, ends[:-1]), words, strict=True)
    ]
