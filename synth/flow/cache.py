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

__all__ = ["cached", "digest_of_files", "load", "store"]

FOLDER = ROOT / "build" / "cache"


def cached(step: str, inputs: Mapping[str, Any], compute: Callable[[], Any]) -> Any:
    """Result of ``compute``, plain data; of an earlier run with the same ``inputs``, if there is.

    Parameters
    ----------
    step
        Name of what is computed.
    inputs
        All that the result depends on, as plain data, versions of tools and code included.
    compute
        Called if there is no result yet.
    """
    found = load(step, inputs)
    if found is None:
        found = json.loads(json.dumps({"result": compute()}))
        store(step, inputs, found)
    return found["result"]


def load(step: str, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """Object that was stored for the same inputs, None if there is none or somebody cut it."""
    try:
        found = json.loads((FOLDER / _name(step, inputs)).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def store(step: str, inputs: Mapping[str, Any], result: Mapping[str, Any]) -> None:
    """Keep ``result``, an object of plain data, for these inputs."""
    write_files(FOLDER, {_name(step, inputs): json.dumps(result)})


def _name(step: str, inputs: Mapping[str, Any]) -> str:
    """Name of the file of a result."""
    text = json.dumps({"step": step, "inputs": inputs}, sort_keys=True)
    return f"{step}-{hashlib.sha256(text.encode()).hexdigest()}.json"


@cache
def digest_of_files(files: Iterable[Path]) -> str:
    """Digest of the contents of ``files``, a tuple, in their order."""
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()
