# SPDX-License-Identifier: Apache-2.0
"""The page as a reader has it: in a browser, offline; tables sort, numbers lead to records."""

import re
from pathlib import Path

from tests.support.browser import visit

PAGE = Path(__file__).resolve().parents[2] / "reports" / "index.html"
#: What a reader does, and what comes of it; runs behind the page's own script.
VISIT = """
<script>
const said = [];
const table = document.querySelector("#gates table");
const column = [...table.tHead.rows[0].cells].findIndex(cell => /gates/.test(cell.textContent));
const values = () => [...table.tBodies[0].rows].map(
  row => Number(row.cells[column].textContent.replaceAll(",", "")));
const button = table.tHead.rows[0].cells[column].querySelector("button");
button.click();
said.push(values().join(" "));
button.click();
said.push(values().join(" "));
const link = table.tBodies[0].rows[0].querySelector("a");
const target = document.getElementById(link.hash.slice(1));
said.push(target.closest("details").open);
location.hash = link.hash;
setTimeout(() => {
  said.push(target.closest("details").open, target.textContent.includes("Measured by"));
  said.push(performance.getEntriesByType("resource").length);
  const result = document.createElement("pre");
  result.id = "said";
  result.textContent = said.join("|");
  document.body.append(result);
}, 500);
</script>
"""


def test_page_sorts_links_and_stays_offline(tmp_path):
    page = tmp_path / "index.html"
    page.write_text(PAGE.read_text().replace("</body>", VISIT + "</body>"))
    document, log = visit(page, tmp_path)
    found = re.search(r'<pre id="said">(.*?)</pre>', document)
    assert found, document[-400:]
    up, down, folded, opened, measured, requests = found[1].split("|")
    rising = [float(value) for value in up.split()]
    assert len(rising) >= 10
    assert rising == sorted(rising)
    assert [float(value) for value in down.split()] == rising[::-1]
    assert (folded, opened, measured, requests) == ("false", "true", "true", "0")
    assert "CONSOLE" not in log, log


def test_a_wrong_page_is_noticed(tmp_path):
    page = tmp_path / "index.html"
    page.write_text("<!doctype html><script>missing()</script>")
    _, log = visit(page, tmp_path)
    assert "CONSOLE" in log


def test_page_names_no_other_host():
    text = PAGE.read_text()
    assert not re.search(r"""(src|href)=["'](https?:)?//""", text)
    assert "@import" not in text
    assert not re.search(r"url\((?!#)", text)  # What begins with # is in the page itself.
