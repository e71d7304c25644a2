# SPDX-License-Identifier: Apache-2.0
"""Stored hashes of generated Verilog: ``python -m tests.support.hashes`` writes them anew.

A refactor leaves them alone ("same Verilog"); a change of the RTL says so and stores new ones.
"""

import json
from pathlib import Path

from hw.emit.files import write_files
from hw.emit.manifest import sha256
from hw.generate import verilog
from tests.support.specs import ARRAYS, GEMMS, MACS, WEIGHT_ARRAYS, WEIGHT_GEMMS

HASHES = Path(__file__).parents[1] / "data" / "verilog.json"
SPECS = MACS | ARRAYS | GEMMS | WEIGHT_ARRAYS | WEIGHT_GEMMS


def stored() -> dict[str, str]:
    """Hash of each named spec's Verilog, by module name."""
    return json.loads(HASHES.read_text(encoding="utf-8"))


def main() -> None:
    """Generate every named spec and store the hashes."""
    hashes = {spec.name: sha256(verilog(spec)) for spec in SPECS.values()}
    print(*write_files(HASHES.parent, {HASHES.name: json.dumps(hashes, indent=2) + "\n"}))


if __name__ == "__main__":
    main()
