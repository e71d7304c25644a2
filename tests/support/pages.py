# SPDX-License-Identifier: Apache-2.0
"""What the pages of studies say of given records."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.registry import Records, Study, find
from reports.render import answer, environment, page_text

Record = dict[str, Any]
ORIGIN = {"command": "make x", "commit": "0123456789", "dirty": False, "date": "2026-01-02T03:04",
          "tools": {}, "library": None, "seed": None}


def said(study: str, records: Sequence[Record] | Records) -> str:
    """The answer of a study to its own records, or to those of several files."""
    found, by_file = _given(study, records)
    return answer(environment(), found, by_file)


def shown(study: str, records: Sequence[Record] | Records) -> str:
    """The page of a study; records need no provenance."""
    found, by_file = _given(study, records)
    return page_text(environment(), found, {
        name: [{"not_done": []} | record | {"provenance": ORIGIN | record.get("provenance", {})}
               for record in each]
        for name, each in by_file.items()})


def _given(study: str, records: Sequence[Record] | Records) -> tuple[Study, Records]:
    found = find(study)
    assert found is not None
    return found, records if isinstance(records, Mapping) else {study: records}
