# SPDX-License-Identifier: Apache-2.0
"""Files that installed packages ship; nothing is downloaded and none of their code runs."""

from importlib.util import find_spec
from pathlib import Path

from hw.spec import SpecError

__all__ = ["MissingPackage", "package_file"]


class MissingPackage(SpecError):
    """A package of the extra ``networks`` that is not installed."""


def package_file(module: str, name: str) -> Path:
    """File ``name`` below the folder of an installed package.

    Raises
    ------
    MissingPackage
        If the package is not installed, or ships no such file.
    """
    spec = find_spec(module)
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            return path
    raise MissingPackage(f"Package {module} must be installed (make models), not missing"
                         if not folders else f"Package {module} must ship {name}, not go without")
