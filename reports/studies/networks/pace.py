# SPDX-License-Identifier: Apache-2.0
"""How long the simulator takes for a line of text on a large array, beside its bar."""

import time
from pathlib import Path

from reports.studies.networks.formats import Ranges, mac_of
from reports.studies.networks.simulate import plan_of
from reports.studies.networks.text import recogniser
from sim.network import calibrate_network, load, run
from sim.progress import Progress
from synth.record import Metric, Provenance, Record

__all__ = ["pace"]

SIZE, COLUMN, ACCUMULATOR = "32x32", "E4M3", "fp32"
#: Seconds that the run may take on two processors.
BAR = 60.0


def pace(folder: Path, origin: Provenance, say: Progress) -> list[Record]:
    """Record of the recogniser on one line, products bit for bit, FP32 beside it left out."""
    task = recogniser(folder, 1)
    plan = plan_of(COLUMN, ACCUMULATOR, Ranges("channel", "minmax"), SIZE)
    network = load(task.model)
    quantizers = calibrate_network(network, task.calibration[:1], plan, say)
    start = time.perf_counter(), time.process_time()
    found = run(network, task.feeds, plan, quantizers, compare=False, say=say)
    wall, spent = time.perf_counter() - start[0], time.process_time() - start[1]
    return [Record(
        subject=f"{task.name} on {SIZE}", provenance=origin,
        metrics={"wall_time": Metric(round(wall, 2), "s"),
                 "processor_time": Metric(round(spent, 2), "s"),
                 "share_of_bar": Metric(round(wall / BAR, 3)),
                 "macs": Metric(found.macs, "MAC"), "cycles": Metric(found.cycles, "cycle")},
        conditions={"study": "pace", "samples": 1, "unit": mac_of(COLUMN, ACCUMULATOR),
                    "bar_s": BAR, "shape": list(task.feeds[0]["x"].shape), "array": SIZE},
        not_done=("an idle machine: other work may have shared the processors",))]
