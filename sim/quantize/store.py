# SPDX-License-Identifier: Apache-2.0
"""Calibrated quantisers as JSON: what is saved is loaded the same, or refused in one line."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hw.spec import SpecError
from sim.files import whole_file
from sim.quantize.quantizer import Quantizer
from sim.quantize.scheme import Scheme, parse_scheme

__all__ = ["load_quantizers", "save_quantizers"]

FIELDS = {"scheme", "axis", "scale", "zero_point"}
#: Quantisers by name; per block there is nothing to calibrate, so that the scheme is all.
Quantizers = Mapping[str, Quantizer | Scheme]


def save_quantizers(path: str | Path, quantizers: Quantizers) -> Path:
    """Write quantisers by name to ``path``, whole or not at all, and hand back the path."""
    data = {"quantizers": {name: _plain(each) for name, each in quantizers.items()}}
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with whole_file(Path(path)) as file:
        file.write(text.encode())
    return Path(path)


def _plain(each: Quantizer | Scheme) -> dict[str, Any]:
    """A quantiser as plain data."""
    if isinstance(each, Scheme):
        return {"scheme": str(each), "axis": None, "scale": [], "zero_point": []}
    return {"scheme": str(each.scheme), "axis": each.axis, "scale": each.scale.tolist(),
            "zero_point": each.zero_point.tolist()}


def load_quantizers(path: str | Path) -> dict[str, Quantizer | Scheme]:
    """Quantisers that `save_quantizers` wrote to ``path``.

    Raises
    ------
    SpecError
        If the file cannot be read, is cut short or is not as written.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if list(data) != ["quantizers"] or not isinstance(data["quantizers"], dict):
            raise ValueError("no object of quantizers")
        return {name: _read(each) for name, each in data["quantizers"].items()}
    except (OSError, ValueError, TypeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"Quantizers file must be one that was saved, not {str(path)!r} "
                        f"({reason})") from error


def _read(data: Any) -> Quantizer | Scheme:
    """A quantiser from plain data."""
    if not isinstance(data, dict) or set(data) != FIELDS:
        raise ValueError(f"no object of {', '.join(sorted(FIELDS))}")
    scheme = parse_scheme(data["scheme"])
    if data["scale"] == []:
        return scheme
    if data["axis"] is not None and type(data["axis"]) is not int:
        raise ValueError("no axis")
    if any(type(zero) is not int for zero in data["zero_point"]):
        raise ValueError("no whole zero points")
    return Quantizer(scheme, np.array(data["scale"], np.float64),
                     np.array(data["zero_point"], np.int64), data["axis"])
