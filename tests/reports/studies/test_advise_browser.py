# SPDX-License-Identifier: Apache-2.0
"""The page of advice in a browser: all settings are drawn, labels can be read, nothing loads."""

import html
import json
import re
from itertools import combinations
from pathlib import Path

from reports.advise.page import page
from reports.studies.networks.advice import Measure, Point, advise
from tests.support.browser import visit

#: What the page shows; runs behind it.
VISIT = """
<script>
const box = node => { const b = node.getBBox(); return [b.x, b.y, b.width, b.height]; };
const svg = document.querySelector("svg");
const said = {
  dots: [...svg.querySelectorAll("circle")].map(node => [node.textContent, ...box(node)]),
  texts: [...svg.querySelectorAll("text")].map(node => [node.textContent, ...box(node)]),
  view: svg.getAttribute("viewBox").split(" ").map(Number),
  rows: [...document.querySelectorAll("tbody tr")].map(row => row.cells[0].textContent),
  wide: document.documentElement.scrollWidth <= document.documentElement.clientWidth,
  requests: performance.getEntriesByType("resource").length,
};
const result = document.createElement("pre");
result.id = "said";
result.textContent = JSON.stringify(said);
document.body.append(result);
</script>
"""
#: Four settings on the front that differ in energy by a few percent, as with few samples.
POINTS = [
    Point("INT8", "exact", 66.67, 1_590_612, 7.44, 20_700.0),
    Point("INT8", "fp32", 66.67, 1_590_612, 14.1, 37_600.0),
    Point("E3M4", "exact", 66.67, 1_590_612, 8.65, 19_700.0),
    Point("E4M3", "exact", 66.67, 1_590_612, 10.7, 19_100.0),
    Point("E5M2", "exact", 66.67, 1_590_612, 15.7, 18_000.0),
    Point("E4M3", "fp16", 33.33, 1_590_612, 5.0, 27_000.0),
    Point("MXFP8", "bf16", 66.67, 1_590_612, None, None),
]


def test_page_shows_every_setting(tmp_path: Path) -> None:
    measure = Measure("retrieval_top1", "%", 66.67, 65.67)
    advice = advise(POINTS, measure)
    assert len(advice.front) == 5
    file = tmp_path / "advice.html"
    file.write_text(page("net", "16x16", POINTS, measure, advice, ["A note."]).replace(
        "</body>", VISIT + "</body>"), encoding="utf-8")
    document, log = visit(file, tmp_path)
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, log
    assert "CONSOLE" not in log, log
    said = json.loads(html.unescape(found[1]))
    assert sorted(dot[0] for dot in said["dots"]) == sorted(
        point.name for point in POINTS if point.energy_uj)
    assert said["rows"] == [point.column for point in POINTS]
    assert (said["wide"], said["requests"]) == (True, 0)
    labels = {f"{point.column}, {point.accumulator}" for point in advice.front}
    assert labels < {text[0] for text in said["texts"]}
    _, _, width, height = said["view"]
    for _, x, y, wide, high in [*said["texts"], *said["dots"]]:
        assert x >= 0 <= y
        assert x + wide <= width
        assert y + high <= height
    pairs = [(one, other) for one, other in combinations(said["texts"], 2) if _overlap(one, other)]
    assert not pairs, pairs


def _overlap(one: list, other: list) -> bool:
    """Whether the boxes of two texts share more than a pixel or two of their line spacing."""
    (_, x, y, wide, high), (_, left, top, width, height) = one, other
    return (min(x + wide, left + width) - max(x, left) > 0
            and min(y + high, top + height) - max(y, top) > 3)
