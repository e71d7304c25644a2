# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.wavefront``: record two tiles that flow through a 4x4 array."""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.spec import SpecError, parse_array
from hw.spec.command import Parser
from reports.studies.wavefront.bench import DUT, BenchError, icarus_version, record_tiles
from reports.studies.wavefront.check import TraceError, check
from reports.studies.wavefront.steps import grid_text, trace
from reports.studies.wavefront.tiles import TILES, Tiles
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["main", "measure"]

MAC, SIZE = "e4m3", "4x4"
RECORDS = ROOT / "reports" / "data" / "wavefront.json"


def measure(tiles: Tiles = TILES) -> Record:
    """Record of ``tiles`` on the array, checked against the model and the closed forms.

    Raises
    ------
    BenchError
        If the array cannot be run.
    TraceError
        If it does not do what it must.
    """
    spec = parse_array(SIZE, MAC)
    with tempfile.TemporaryDirectory(prefix="wavefront-") as folder:
        cycles = record_tiles(spec, tiles, Path(folder))
    while cycles and not cycles[0][f"{DUT}.s_axis_a_tvalid"]:  # The reset.
        del cycles[0]
    conditions = {"mac": MAC, "array": SIZE, "k": tiles.depth, "tiles": tiles.count,
                  "a": [grid_text(tile) for tile in tiles.a],
                  "b": [grid_text(tile) for tile in tiles.b],
                  "trace": trace(cycles, spec, DUT)}
    compared = check(conditions)
    return Record(
        subject=spec.name, conditions=conditions,
        metrics={"cycles": Metric(len(cycles), "cycle"),
                 "first_beat_of_c": Metric(spec.first_result(tiles.depth), "cycle"),
                 "values_equal_to_the_model": Metric(compared)},
        provenance=provenance("python -m synth.wavefront", tools=_versions()))


def _versions() -> dict[str, str]:
    """Versions of what decides the trace."""
    tools = provenance("x", tools=("amaranth", "pyosys")).tools
    return {**tools, "iverilog": icarus_version()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if the array did not, 2 for wrong arguments."""
    parser = Parser(prog="python -m synth.wavefront",
                    description=f"Record two tiles that flow through a {SIZE} array.")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the record (default: reports/data/wavefront.json)")
    options = parser.parse_args(arguments)
    try:
        print(write_records(options.out, [measure()]))
    except SpecError as error:
        parser.error(str(error))
    except (BenchError, TraceError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
