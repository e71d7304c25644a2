# SPDX-License-Identifier: Apache-2.0
"""Compares what was wanted with what was seen, and counts, so that an idle bench cannot pass."""

import json
import os
from pathlib import Path

__all__ = ["RESULTS", "Checker"]

#: Environment variable that names the file which takes the counts out of the simulator.
RESULTS = "BENCH_RESULTS"


class Checker:
    """Counts comparisons for one test; ``seed`` is repeated in every message."""

    def __init__(self, test: str, seed: int):
        self.test = test
        self.seed = seed
        self.count = 0

    def equal(self, got, wanted, about) -> None:
        """Compare one pair; ``about`` is a text or a function that writes it when it is needed."""
        self.count += 1
        if got != wanted:
            text = about() if callable(about) else about
            raise AssertionError(f"{self.test}, seed {self.seed}: {text}: got {got}, "
                                 f"wanted {wanted}")

    def all_equal(self, got, wanted, about) -> None:
        """Compare two lists item by item; leftovers on either side are failures."""
        for index, (left, right) in enumerate(zip(got, wanted, strict=False)):
            self.equal(left, right, lambda index=index: about(index))
        surplus = got[len(wanted):]
        missing = wanted[len(got):]
        assert not surplus, f"{self.test}, seed {self.seed}: {len(surplus)} too many: {surplus[:3]}"
        assert not missing, f"{self.test}, seed {self.seed}: {len(missing)} missing: {missing[:3]}"

    def close(self, wanted: int) -> None:
        """Assert how many comparisons there were and hand the number to pytest."""
        assert self.count == wanted, f"{self.test}: {self.count} checks, not {wanted}"
        path = Path(os.environ[RESULTS])
        counts = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(counts | {self.test: self.count}))
