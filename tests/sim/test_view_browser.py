# SPDX-License-Identifier: Apache-2.0
"""The page that animates a product, in a browser: it steps, scrubs, plays, and shows the sums."""

import html
import json
import re
from decimal import Decimal

import numpy as np
import pytest

import sim
from hw.spec import parse_array
from sim.trace.page import page
from sim.trace.record import record
from tests.support.pages import visit
from tests.support.tiers import tiers

#: Actions of a reader, and what the page then shows; runs after the page's own script.
VISIT = """
<script>
const said = {};
const text = name => document.querySelector(`#inspector dd[data-name=${name}]`)?.textContent;
const shown = () => [document.getElementById("status").textContent.match(/^Cycle (\\d+)/)[1],
  document.getElementById("cycle").value, text("sum"),
  document.querySelector("#inspector tr.now td").textContent].join("|");
const key = (name, more = {}) => document.body.dispatchEvent(
  new KeyboardEvent("keydown", { key: name, bubbles: true, ...more }));
const press = name => document.getElementById(name).click();
const scrub = value => {
  const slider = document.getElementById("cycle");
  slider.value = value;
  slider.dispatchEvent(new Event("input"));
};
said.keys = [shown()];
for (const name of ["ArrowRight", "ArrowRight", "ArrowLeft", "PageDown", "End", "ArrowRight",
  "Home", "ArrowLeft"]) { key(name); said.keys.push(shown()); }
said.buttons = [];
for (const name of ["forward", "forward", "back", "end", "first"]) {
  press(name);
  said.buttons.push(shown());
}
scrub(7);
said.scrub = shown();
const box = document.querySelector("#plot svg").getBoundingClientRect();
Element.prototype.setPointerCapture = () => {};
document.querySelector("#plot svg").dispatchEvent(new PointerEvent("pointerdown",
  { clientX: box.left + box.width * 5.5 / CYCLES }));
said.plot = shown();
said.sums = [];
for (let cycle = 0; cycle < CYCLES; cycle += 1) {
  scrub(cycle);
  for (const cell of document.querySelectorAll("#array .pe")) {
    cell.dispatchEvent(new MouseEvent("click"));
    said.sums.push([cycle, Number(cell.dataset.row), Number(cell.dataset.col), text("sum"),
      text("a"), text("b"), text("result"),
      cell.querySelector(".sum") && cell.querySelector(".sum").textContent]);
  }
}
document.querySelector('#array .pe[data-row="1"][data-col="1"]').dispatchEvent(
  new MouseEvent("click"));
said.element = [document.getElementById("of-element").textContent];
for (const name of ["ArrowDown", "ArrowLeft"]) key(name, { shiftKey: true });
said.element.push(document.getElementById("of-element").textContent);
said.theme = [document.documentElement.dataset.theme];
press("theme");
said.theme.push(document.documentElement.dataset.theme);
said.rate = [document.getElementById("rate").textContent];
key("+");
said.rate.push(document.getElementById("rate").textContent);
said.unlabelled = [...document.querySelectorAll("button, input, select, svg")].filter(
  node => !node.getAttribute("aria-label") && !node.closest("label")).length;
key("Home");
key(" ");
said.playing = document.getElementById("play").getAttribute("aria-label");
setTimeout(() => {
  said.played = Number(shown().split("|")[0]);
  key(" ");
  said.paused = document.getElementById("play").getAttribute("aria-label");
  said.requests = performance.getEntriesByType("resource").length;
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = JSON.stringify(said);
  document.body.append(result);
}, 1500);
</script>
"""


def opened(trace, folder, at=""):
    """Texts of the page of a trace after the actions."""
    file = folder / "view.html"
    file.write_text(page(trace).replace("</body>", VISIT + "</body>"), encoding="utf-8")
    document, log = visit(file, folder, at)
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, log
    assert "CONSOLE" not in log, log
    return json.loads(html.unescape(found[1]))


def product(mac, size, m, k, n):
    spec = parse_array(size, mac)
    rng = np.random.default_rng(9)
    a, b = (
        sim.encode(rng.standard_normal(shape) * (20 if spec.mac.a.is_integer else 1), fmt)
        for fmt, shape in ((spec.mac.a, (m, k)), (spec.mac.b, (k, n)))
    )
    return spec, a, b, record(a, b, spec)


def test_page_steps_scrubs_and_plays(tmp_path):
    spec, _, _, trace = product("e4m3,acc=fp32", "4x4", 8, 6, 4)
    said = opened(trace, tmp_path, "#cycle=3")
    last = spec.cycles(8, 6, 4) - 1
    cycles = [
        [int(text) for text in re.findall(r"(?:^|\|)(\d+)(?=\||$)", line)] for line in said["keys"]
    ]
    assert [set(row) for row in cycles] == [{cycle} for cycle in (3, 4, 5, 4, 14, last, last, 0, 0)]
    assert [line.split("|")[0] for line in said["buttons"]] == ["1", "2", "1", str(last), "0"]
    assert said["scrub"].split("|")[:2] == ["7", "7"]
    assert said["plot"].split("|")[:2] == ["5", "5"]
    assert said["element"] == ["Element in row 1, column 1", "Element in row 2, column 0"]
    assert sorted(said["theme"]) == ["dark", "light"]
    assert said["rate"] == ["4 cycles/s", "6 cycles/s"]
    assert (said["playing"], said["paused"]) == ("Pause", "Play")
    assert 2 <= said["played"] <= last
    assert said["requests"] == said["unlabelled"] == 0


#: One tile and several; more elements than have room for their sums.
PRODUCTS = (
    ("e4m3,acc=fp32", "4x4", (8, 6, 4)),
    ("int8", "3x4", (3, 5, 8)),
    ("e5m2,acc=bf16,pipeline=1", "2x3", (4, 4, 5)),
    ("e4m3", "17x20", (17, 2, 20)),
)


@pytest.mark.parametrize(("mac", "size", "sides"), tiers(PRODUCTS, PRODUCTS[:-1]))
def test_page_shows_the_sums_of_the_model(tmp_path, mac, size, sides):
    """Value and code of every sum of an element in a cycle, from products of prefixes of K."""
    m, k, n = sides
    spec, a, b, trace = product(mac, size, m, k, n)
    said = opened(trace, tmp_path)["sums"]
    prefixes = [sim.matmul_with_flags(a[:, :stop], b[:stop], spec.mac) for stop in range(1, k + 1)]
    values = np.array([sim.values(sums, spec.mac, flags) for sums, flags in prefixes])
    codes = np.array([pair[0] for pair in prefixes]) & (1 << spec.mac.acc.width) - 1
    assert len(said) == trace.cycles * spec.rows * spec.cols
    compared = 0
    for cycle, row, col, total, *_, drawn in said:
        if not (beat := trace.sums[cycle, row, col]):
            assert total == "\u2013", (cycle, row, col)
            continue
        tile, step = divmod(int(beat) - 1, k)
        i, j = tile // -(-n // spec.cols) * spec.rows + row, tile % -(-n // spec.cols) * spec.cols
        if i >= m or (j := j + col) >= n:
            continue
        value, code = total.replace("\u2212", "-").split()
        assert float(value) == values[step, i, j], (cycle, row, col)
        assert int(code, 16) == codes[step, i, j], (cycle, row, col)
        if drawn:
            short = Decimal(drawn.replace("\u2212", "-"))
            half = Decimal(5).scaleb(short.as_tuple().exponent - 1)
            assert abs(short - Decimal(value)) <= half, (cycle, row, col)
        compared += 1
    assert compared == m * n * k


def test_weight_page_steps_scrubs_and_plays(tmp_path):
    """The same for a weight-stationary array; every sum on the page is right."""
    spec = parse_array("3x3", "e4m3,acc=fp32", dataflow="ws", depth=6)
    rng = np.random.default_rng(9)
    a, b = (rng.integers(0, 120, shape).astype(np.uint8) for shape in ((6, 5), (5, 4)))
    trace = record(a, b, spec)
    said = opened(trace, tmp_path, "#cycle=3")
    last = trace.cycles - 1
    assert [int(shown.split("|")[0]) for shown in said["keys"]] == [
        3,
        4,
        5,
        4,
        14,
        last,
        last,
        0,
        0,
    ]
    assert said["scrub"].startswith("7|7|")
    assert said["requests"] == said["unlabelled"] == 0
    assert said["playing"] == "Pause"
    assert said["played"] > 0
    shown = {(cycle, row, col): sums for cycle, row, col, sums, *_ in said["sums"]}
    compared = 0
    for at in np.ndindex(trace.sums.shape):
        text = shown[at]
        assert (text == "\u2013") == (trace.sums[at] == 0)
        if trace.sums[at]:
            value, code = text.replace("\u2212", "-").split()
            assert int(code, 16) == trace.acc[at]
            assert float(value) == sim.decode(np.array([trace.acc[at]], np.uint64), "fp32")[0]
            compared += 1
    assert compared == 6 * 2 * 2 * 9
