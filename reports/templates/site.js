"use strict";
// A click on a heading sorts its table: numbers by value, anything else by name, empty cells last.
function valueOf(row, column) {
  const text = row.cells[column].textContent.trim();
  const number = Number.parseFloat(text.replaceAll(",", ""));
  return text === "-" || text === "" ? null : Number.isNaN(number) ? text : number;
}
function compare(x, y) {
  if (x === null || y === null) return (x === null) - (y === null);
  if (typeof x === typeof y && typeof x === "number") return x - y;
  return String(x).localeCompare(String(y), "en", {numeric: true});
}
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const heading = button.parentElement, column = heading.cellIndex;
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = heading.closest("table").tBodies[0];
    const rows = [...body.rows].map(row => [valueOf(row, column), row]);
    rows.sort(([x], [y]) => x === null || y === null || !down ? compare(x, y) : compare(y, x));
    body.append(...rows.map(([, row]) => row));
  });
}
