# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units and systolic arrays in FP8 and INT8: Verilog, model, cost.

>>> import bytemac as bm
>>> unit = bm.mac("e4m3", acc="fp32")
>>> unit.matmul([[1.0, 2.0]], [[3.0], [4.0]])
Result(1x1 uint32, 3 cycles)
"""

from typing import TYPE_CHECKING, Any

from hw.version import VERSION

if TYPE_CHECKING:
    from bytemac.facade import Array, Formats, Result, Unit, formats, mac
    from hw.spec import SpecError

__all__ = ["Array", "Formats", "Result", "SpecError", "Unit", "__version__", "formats", "mac"]

__version__ = VERSION


def __getattr__(name: str) -> Any:
    """Import the facade when it is first used: it needs numpy, which is slow to import."""
    if name == "SpecError":
        from hw.spec import SpecError

        return SpecError
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bytemac import facade

    return getattr(facade, name)


def __dir__() -> list[str]:
    """Names that users import."""
    return sorted(__all__)
