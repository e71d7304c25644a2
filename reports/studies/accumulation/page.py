# SPDX-License-Identifier: Apache-2.0
"""What the curves of error against the number of products say, in words and tables."""

from collections.abc import Sequence
from typing import Any

from reports.registry import Figure, Page
from reports.studies.accumulation.curves import Study
from reports.studies.accumulation.figure import accumulation
from reports.tables import MISSING, Table, text

__all__ = ["accumulation_page", "answer", "limits"]

#: Error that counts as small.
LIMIT = 0.01


def answer(records: Sequence[dict[str, Any]]) -> str:
    """How many accumulator bits are enough, in a few sentences."""
    study = Study(records)
    good, bad, infinite = [], [], []
    for label in study.labels:
        curves = study.by_label(label)
        first = {kind: k for kind, curve in curves.items() if (k := curve.passes(LIMIT))}
        name = f"{label} ({next(iter(curves.values())).bits} bits)"
        if any(curve.infinite for curve in curves.values()):
            infinite.append(f"{name} overflows from K = {text(_overflows(study, label))} on")
        elif first:
            worst = [kind for kind, k in first.items() if k == min(first.values())]
            bad.append(f"{name} from K = {text(min(first.values()))} on ({_listed(worst)})")
        else:
            good.append(name)
    parts = [f"Up to K = {text(study.ks[-1])}, the error of {study.format} dot products stays "
             f"below {_percent(LIMIT)} with {_listed(good)}." if good else "",
             f"It is above {_percent(LIMIT)} with {_listed(bad)}." if bad else "",
             f"With operands that fill the format, {_listed(infinite)}." if infinite else ""]
    return " ".join(part for part in parts if part)


def _overflows(study: Study, label: str) -> int:
    """Smallest K at which a sum is infinite."""
    return min(min(curve.infinite) for curve in study.by_label(label).values() if curve.infinite)


def limits(records: Sequence[dict[str, Any]]) -> Table:
    """From which K on each accumulator is worse than `LIMIT`, and than the operands' rounding."""
    study = Study(records)
    heads = [f"{kind}: error above {what}" for kind in study.curves
             for what in (_percent(LIMIT), "that of the operands")]
    rows = []
    for label in study.labels:
        curves = study.by_label(label)
        firsts = [curve.passes(limit) for kind, curve in curves.items()
                  for limit in (LIMIT, study.codes[kind].errors)]
        rows.append([label, text(next(iter(curves.values())).bits),
                     *(f"K >= {text(k)}" if k else MISSING for k in firsts)])
    return Table(["accumulator", "bits", *heads], rows, [])


def accumulation_page(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the template ``page.md.j2`` shows."""
    study = Study(records)
    return {"study": study, "answer": answer(records), "limits": limits(records),
            "errors": {kind: _errors(study, kind) for kind in study.curves},
            "ends": _ends(study), "codes": _codes(study), "overflows": _infinite(study)}


def _errors(study: Study, kind: str) -> Table:
    """Errors of one kind of operands, a line for each K."""
    curves = [study.codes[kind], *study.curves[kind]]
    rows = [[text(k), *(f"Inf: {_percent(curve.infinite[k])}" if k in curve.infinite
                        else f"{curve.errors[k]:.1e}" if curve.errors[k] else "0"
                        for curve in curves)] for k in study.ks]
    return Table(["K", "rounding of the operands", *study.labels], rows, [])


def _ends(study: Study) -> str:
    """Errors at the largest K: one by one for accumulators above `LIMIT`, else the largest."""
    k = study.ks[-1]
    parts, others = list[str](), list[float]()
    for label in study.labels:
        ends = {kind: curve.errors[k] for kind, curve in study.by_label(label).items()
                if k in curve.errors}
        if max(ends.values(), default=0) <= LIMIT:
            others += ends.values()
            continue
        parts.append(f"{label} errs by " + ", ".join(f"{_percent(error)} on {kind}"
                                                     for kind, error in ends.items()))
    parts += [f"the others by at most {_percent(max(others))}"] if others else []
    return "; ".join(parts)


def _codes(study: Study) -> str:
    """Errors that the rounding of the operands makes, from the shortest to the longest sum."""
    return "; ".join(f"{_percent(curve.errors[study.ks[0]])} at K = {text(study.ks[0])} and "
                     f"{_percent(curve.errors[study.ks[-1]])} at K = {text(study.ks[-1])} on {kind}"
                     for kind, curve in study.codes.items())


def _infinite(study: Study) -> list[str]:
    """Sentences about infinite sums, one for each accumulator and kind of operands."""
    found = []
    for label in study.labels:
        for kind, curve in study.by_label(label).items():
            if curve.infinite:
                k = min(curve.infinite)
                whole = min((k for k, share in curve.infinite.items() if share == 1), default=None)
                found.append(f"{label}, {kind}: {_percent(curve.infinite[k])} of the sums at "
                             f"K = {text(k)}" + (f", all from K = {text(whole)}" if whole else ""))
    return found


def _percent(value: float) -> str:
    """Share with two digits."""
    return f"{100 * value:.{3 if value == 1 else 2}g} %"


def _listed(items: Sequence[str]) -> str:
    """The items with an "and" before the last."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


PAGE = Page(
    values=lambda records: accumulation_page(records["accumulation"]),
    answer=lambda records: answer(records["accumulation"]),
    extract=lambda records: limits(records["accumulation"]),
    figures=(Figure("accumulation", "Error of FP8 dot products against the number of products, a "
                    "line for each accumulator, for three kinds of operands", accumulation),))
