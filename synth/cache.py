# SPDX-License-Identifier: Apache-2.0
"""Results of tools by the digest of all that they depend on, kept in build/cache.

>>> cached("gates", {"verilog": text, "yosys": "0.70"}, lambda: {"two_input": 410})

A result is written under a temporary name and renamed, so that a kill leaves none or a whole one,
and several processes may share the folder.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hw.emit.files import write_files
from synth.record import ROOT

__all__ = ["cached", "digest_of_files"]

FOLDER = ROOT / "build" / "cache"


def cached(step: str, inputs: Mapping[str, Any], compute: Callable[[], Any], *,
           folder: Path | None = None) -> Any:
    """Result of ``compute``, plain data; of an earlier run with the same ``inputs``, if there is.

    Parameters
    ----------
    step
        Name of what is computed.
    inputs
        All that the result depends on, as plain data, versions of tools and code included.
    compute
        Called if there is no result yet.
    folder
        Where results are kept; build/cache by default.
    """
    folder = folder or FOLDER
    text = json.dumps({"step": step, "inputs": inputs}, sort_keys=True)
    name = f"{step}-{hashlib.sha256(text.encode()).hexdigest()}.json"
    try:
        return json.loads((folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        pass  # None yet, or one that somebody cut: it is computed and replaced.
    content = json.dumps(compute())
    write_files(folder, {name: content})
    return json.loads(content)


@cache
def digest_of_files(files: Iterable[Path]) -> str:
    """Digest of the contents of ``files``, a tuple, in their order."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()
