# SPDX-License-Identifier: Apache-2.0
"""Quantisation schemes: what shares a scale, which range is kept, and the kind of scale."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hw.spec import Format, SpecError
from hw.spec.errors import require
from sim.codes import as_format

#: Default percentile of the magnitudes to keep.
PERCENTILE = 99.99


class Per(Enum):
    """What shares one scale."""

    TENSOR = "tensor"  #: The whole tensor.
    CHANNEL = "channel"  #: One slice along an axis, for instance the weights of one output.
    BLOCK = "block"  #: 32 neighbours along an axis (OCP MX); the scale follows from the numbers.


class Range(Enum):
    """Range that the scale keeps. Numbers outside saturate."""

    MINMAX = "minmax"  #: All: the largest magnitude becomes that of the format (arXiv 2209.05433).
    PERCENTILE = "percentile"  #: All but the largest magnitudes.
    MSE = "mse"  #: The range with the smallest mean squared error.


class ScaleKind(Enum):
    """Which values a scale can have."""

    FP32 = "fp32"  #: Any binary32 number.
    POW2 = "pow2"  #: A power of two, which is a shift in hardware; for blocks E8M0.


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Scheme:
    """How to quantise a tensor. `str` and `parse_scheme` convert to and from text.

    Parameters
    ----------
    fmt
        Format of the codes.
    per
        What shares a scale.
    range
        Range that the scale keeps; ``minmax`` for blocks.
    scale
        Kind of scale; by default ``fp32``, for blocks ``pow2``.
    zero_point
        Whether to choose the code of zero (asymmetric quantisation); integer formats only.
    percentile
        Percentile of the magnitudes, above 50 up to 100; only if ``range`` is ``percentile``.

    Raises
    ------
    SpecError
        If the fields contradict each other.
    """

    fmt: Format
    per: Per = Per.TENSOR
    range: Range = Range.MINMAX
    scale: ScaleKind | None = None
    zero_point: bool = False
    percentile: float | None = None

    def __post_init__(self) -> None:
        require(isinstance(self.fmt, Format), "Scheme format", "a Format", self.fmt)
        for name, kind in (("per", Per), ("range", Range)):
            require(
                isinstance(getattr(self, name), kind),
                f"Scheme {name}",
                f"a {kind.__name__}",
                getattr(self, name),
            )
        if self.scale is None:
            default = ScaleKind.POW2 if self.per is Per.BLOCK else ScaleKind.FP32
            object.__setattr__(self, "scale", default)
        given, wanted = self.percentile, self.range is Range.PERCENTILE
        if given is not None and not wanted:
            raise SpecError(f"Scheme percentile needs range=percentile, not {self.range.value}")
        if wanted and given is None:
            object.__setattr__(self, "percentile", PERCENTILE)
        if given is not None:
            number = isinstance(given, int | float) and not isinstance(given, bool)
            require(
                number and 50 < given <= 100, "Scheme percentile", "above 50 and at most 100", given
            )
        require(isinstance(self.scale, ScaleKind), "Scheme scale", "a ScaleKind", self.scale)
        require(isinstance(self.zero_point, bool), "Scheme zero_point", "a bool", self.zero_point)
        if self.zero_point and not self.fmt.is_integer:
            raise SpecError(f"Scheme zero_point needs an integer format, not {self.fmt.name}")
        if self.per is Per.BLOCK:
            require(
                self.range is Range.MINMAX,
                "Scheme range",
                "minmax with per=block",
                self.range.value,
            )
            require(self.scale is ScaleKind.POW2, "Scheme scale", "pow2 with per=block", "fp32")
            require(not self.zero_point, "Scheme zero_point", "no with per=block", "yes")

    def __repr__(self) -> str:
        return f"Scheme({str(self)!r})"

    def __str__(self) -> str:
        """Text of the scheme, without settings that have their defaults."""
        parts = [self.fmt.name]
        if self.per is not Per.TENSOR:
            parts.append(f"per={self.per.value}")
        if self.range is not Range.MINMAX:
            parts.append(f"range={self.range.value}")
        if self.percentile not in (None, PERCENTILE):
            parts.append(f"percentile={self.percentile!r}")
        if self.scale is ScaleKind.POW2 and self.per is not Per.BLOCK:
            parts.append("scale=pow2")
        if self.zero_point:
            parts.append("zero_point=yes")
        return ",".join(parts)


def _choice(kind: type[Enum], name: str, text: str) -> Any:
    """Member of an enumeration by its text."""
    spellings = [member.value for member in kind]
    require(text in spellings, f"Scheme {name}", f"one of {', '.join(spellings)}", text)
    return kind(text)


def _yes(text: str) -> bool:
    require(text in ("yes", "no"), "Scheme zero_point", "yes or no", text)
    return text == "yes"


def _percentile(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        require(False, "Scheme percentile", "a number", text)
        raise


#: Parser of each setting.
_SETTINGS: dict[str, Callable[[str], Any]] = {
    "per": lambda text: _choice(Per, "per", text),
    "range": lambda text: _choice(Range, "range", text),
    "percentile": _percentile,
    "scale": lambda text: _choice(ScaleKind, "scale", text),
    "zero_point": _yes,
}


def parse_scheme(text: str | Scheme, *, fmt: Format | str | None = None) -> Scheme:
    """Parse a scheme such as ``e4m3,per=channel,range=mse,scale=pow2``.

    Settings are ``per``, ``range``, ``percentile``, ``scale`` and ``zero_point`` (yes or no). With
    ``fmt``, the text has only the settings and may be empty.
    """
    if isinstance(text, Scheme):
        return text
    require(isinstance(text, str), "Scheme", "a spelling such as e4m3,per=channel", text)
    parts = [part for part in text.split(",") if part]
    if fmt is None:
        require(bool(parts), "Scheme", "a spelling such as e4m3,per=channel", text)
        fmt = parts.pop(0)
    settings = dict(part.partition("=")[::2] for part in parts)
    require(
        set(settings) <= set(_SETTINGS) and len(settings) == len(parts),
        "Scheme settings",
        f"some of {', '.join(f'{name}=...' for name in _SETTINGS)}, once each",
        ",".join(parts),
    )
    values = {name: _SETTINGS[name](value) for name, value in settings.items()}
    return Scheme(fmt=as_format(fmt), **values)
