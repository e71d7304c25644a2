# SPDX-License-Identifier: Apache-2.0
"""What became of each planted fault, as a table and as records."""

from collections.abc import Sequence
from dataclasses import dataclass

from synth.record import Metric, Provenance, Record

__all__ = ["Verdict", "records", "summary", "table"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One fault and what became of it.

    Members
    -------
    room
        Where it was planted, in a word or two.
    place
        File or unit.
    fault
        What goes wrong.
    caught_by
        Test or check that failed; empty if none did.
    reason
        Why a fault that was not caught changes nothing; empty if that is not known.
    """

    room: str
    place: str
    fault: str
    caught_by: str
    reason: str = ""

    @property
    def survived(self) -> bool:
        """Whether the fault is a hole in the tests."""
        return not (self.caught_by or self.reason)

    @property
    def outcome(self) -> str:
        """In a word or two."""
        if self.caught_by:
            return "caught"
        return "changes nothing" if self.reason else "SURVIVED"

    @property
    def name(self) -> str:
        """Place and fault."""
        return f"{self.place}: {self.fault}"


def summary(verdicts: Sequence[Verdict]) -> str:
    """Numbers of faults in a line."""
    counts = _counts(verdicts)
    holes = sum(verdict.survived for verdict in verdicts)
    return (f"{counts['planted']} planted, {counts['caught']} caught, "
            f"{counts['equivalent']} change nothing, {holes} survived")


def table(verdicts: Sequence[Verdict]) -> str:
    """One line a fault: where, what, by what it was caught."""
    return "\n".join(
        f"{one.room:24}{one.place:40}{one.fault:60}"
        f"{one.caught_by.partition('::')[2] or one.caught_by or one.reason or 'SURVIVED'}"
        for one in verdicts)


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Planted, caught and equivalent faults."""
    caught = sum(bool(one.caught_by) for one in verdicts)
    same = sum(bool(one.reason) for one in verdicts if not one.caught_by)
    return {"planted": len(verdicts), "caught": caught, "equivalent": same}


def records(verdicts: Sequence[Verdict], seconds: float, origin: Provenance) -> list[Record]:
    """One record a room, and one of all with the time that it took."""
    found = [_record(room, [one for one in verdicts if one.room == room], origin)
             for room in dict.fromkeys(one.room for one in verdicts)]
    total = _metrics(verdicts) | {"runtime": Metric(round(seconds, 1), "s")}
    return [*found, Record(subject="all", metrics=total, provenance=origin)]


def _metrics(verdicts: Sequence[Verdict]) -> dict[str, Metric]:
    return {name: Metric(count, "fault") for name, count in _counts(verdicts).items()}


def _record(room: str, verdicts: Sequence[Verdict], origin: Provenance) -> Record:
    """What became of the faults of one room."""
    caught = {one.name: one.caught_by for one in verdicts if one.caught_by}
    rest = {one.name: one.reason or "not caught" for one in verdicts if not one.caught_by}
    return Record(subject=room, metrics=_metrics(verdicts), provenance=origin,
                  conditions={"caught_by": caught, "survivors": rest})
