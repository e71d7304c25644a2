# SPDX-License-Identifier: Apache-2.0
"""Scales of a network as JSON: those of each layer's operands, by the name of the layer."""

from pathlib import Path

from hw.spec import SpecError
from sim.network.plan import Quantizers
from sim.quantize import Quantizer, Scheme, load_quantizers, save_quantizers

__all__ = ["load_calibration", "save_calibration"]

#: What follows the layer's name, for the matrices A and B.
ENDINGS = ("/a", "/b")


def save_calibration(path: str | Path, quantizers: Quantizers) -> Path:
    """Write the quantisers of a network to ``path``, whole or not at all, and hand it back."""
    return save_quantizers(path, {name + ending: each for name, both in quantizers.items()
                                  for ending, each in zip(ENDINGS, both, strict=True)})


def load_calibration(path: str | Path) -> dict[str, tuple[Quantizer | Scheme, Quantizer | Scheme]]:
    """Quantisers that `save_calibration` wrote to ``path``.

    Raises
    ------
    SpecError
        If the file is not one that was written so.
    """
    flat = load_quantizers(path)
    names = list(dict.fromkeys(name[:-2] for name in flat))
    if sorted(flat) != sorted(name + ending for name in names for ending in ENDINGS):
        raise SpecError("Quantizers file must be that of a network, with /a and /b of each layer, "
                        f"not {str(path)!r}")
    first, second = ENDINGS
    return {name: (flat[name + first], flat[name + second]) for name in names}
