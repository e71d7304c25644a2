// The array: elements and their sums. lanes.js draws operands and results on top.
const SIDE = Math.max(20, Math.min(104, Math.floor(720 / Math.max(ROWS, COLS))));
//: Cells of waiting operands, in the west and, if B moves, in the south.
const QUEUE = SIDE >= 80 ? 2 : SIDE >= 36 ? 3 : 5;
const STAYS = DATA.passes !== undefined;
const LEFT = QUEUE * SIDE + 12, TOP = (STAYS ? 0 : SIDE) + 24;
const SOUTH = STAYS ? Math.max(SIDE / 2, 20) : QUEUE * SIDE;
const WIDTH = LEFT + COLS * SIDE + 32, HEIGHT = TOP + ROWS * SIDE + SOUTH + 14;
const STRIP = Math.max(3, Math.round(SIDE * (SIDE >= 36 ? 0.2 : 0.16)));
//: What has room in a cell as text.
const WRITES = { sum: SIDE >= 36, code: SIDE >= 76, operands: SIDE >= 60, result: SIDE >= 60,
  queue: SIDE >= 36 };
const left = col => LEFT + col * SIDE, top_ = row => TOP + row * SIDE;

const picture = draw(document.getElementById("array"), "svg", {
  viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", tabindex: "0", "aria-describedby": "status",
  "aria-label": `${ROWS} by ${COLS} processing elements`, "font-size": "11" });

// The largest finite sum, to scale colours by value.
const LARGEST = WORDS.c.values.reduce(
  (most, value) => Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most, 0) || 1;

function drawLabels() {
  const small = SIDE >= 30 ? 1 : 2;
  for (let row = 0; row < ROWS; row += small) {
    draw(picture, "text", { x: left(COLS) + 6, y: top_(row) + SIDE / 2 + 4,
      class: "soft start" }, String(row));
  }
  for (let col = 0; col < COLS; col += small) {
    draw(picture, "text", { x: left(col) + SIDE / 2, y: 12, class: "soft" }, String(col));
  }
  draw(picture, "text", { x: 2, y: TOP - 8, class: "start of-a", "font-size": 13 }, "A \u2192");
  const north = STAYS ? ["B \u2193", "of-b"] : ["C \u2191", "soft"];
  const south = STAYS ? ["C \u2193", "soft"] : ["B \u2191", "of-b"];
  for (const [[text, kind], y] of [[north, TOP - 8], [south, top_(ROWS) + 16]]) {
    draw(picture, "text", { x: LEFT - 16, y, class: kind, "font-size": 13 }, text);
  }
}

function drawElement(row, col) {
  const group = draw(picture, "g", { class: "pe", "data-row": row, "data-col": col });
  const x = left(col), y = top_(row);
  const cell = draw(group, "rect", { class: "cell", x: x + 1, y: y + 1, width: SIDE - 2,
    height: SIDE - 2, rx: Math.min(6, SIDE / 6) });
  const tint = draw(group, "rect", { class: "tint", x: x + 2, y: y + 2, width: SIDE - 4,
    height: SIDE - 4, rx: Math.min(5, SIDE / 7), "fill-opacity": 0 });
  const parts = { cell, tint };
  if (WRITES.sum) {
    const size = SIDE >= 76 ? 15 : SIDE >= 50 ? 12 : 11;
    parts.sum = draw(group, "text", { class: "sum", x: x + SIDE / 2,
      y: y + SIDE * (WRITES.code ? 0.47 : 0.58), "font-size": size, "font-weight": 600 });
    parts.letters = Math.floor((SIDE - 4) / (size * 0.7));
  }
  if (WRITES.code) {
    parts.code = draw(group, "text", { class: "code", x: x + SIDE / 2, y: y + SIDE * 0.63,
      "font-size": Math.min(10, (SIDE - 6) / (0.62 * (WORDS.c.digits + 2))) });
  }
  const title = draw(group, "title");
  group.addEventListener("pointerenter", () => set(title, {}, tooltip(row, col)));
  group.addEventListener("click", () => select(row, col));
  return parts;
}

drawLabels();
const CELLS = Array.from({ length: ROWS }, (_, row) =>
  Array.from({ length: COLS }, (_, col) => drawElement(row, col)));

// Fill of an element's sum: colour and opacity.
function tintOf(sum, colour) {
  if (!sum) return { fill: "none", share: 0 };
  if (colour === "progress") {
    return { fill: tileColour(sum.tile), share: 0.12 + 0.8 * sum.beats / BEATS };
  }
  const value = WORDS.c.value(sum.word);
  return { fill: value < 0 ? "var(--neg)" : "var(--pos)",
    share: Number.isFinite(value) ? 0.06 + 0.9 * Math.sqrt(Math.abs(value) / LARGEST) : 1 };
}

function showSums(cycle, colour) {
  for (let row = 0; row < ROWS; row += 1) {
    for (let col = 0; col < COLS; col += 1) {
      const parts = CELLS[row][col], { a, sum } = element(cycle, row, col);
      const { fill, share } = tintOf(sum, colour);
      set(parts.cell, { class: a && WRITES.sum ? "cell busy" : "cell" });
      set(parts.tint, { fill, "fill-opacity": share.toFixed(3) });
      const on = share > 0.55 ? " on" : "";
      if (parts.sum) {
        set(parts.sum, { class: `sum${on}`, opacity: sum && !wanted(sum) ? 0.4 : 1 },
          sum ? fit(WORDS.c.value(sum.word), parts.letters) : "");
      }
      if (parts.code) set(parts.code, { class: `code${on}` },
        sum ? WORDS.c.code(sum.word) : "");
    }
  }
}

function tooltip(row, col) {
  const held = element(state.cycle, row, col), { a, b, sum, result } = held;
  const lines = [`element ${row}, ${col}`], next = held["next b"];
  if (a) lines.push(`a ${WORDS.a.all(a.word).map(full).join(" ")}`);
  if (b) lines.push(`b ${WORDS.b.all(b.word).map(full).join(" ")}`);
  if (sum) lines.push(`sum ${full(WORDS.c.value(sum.word))} (${sum.beats} of ${BEATS})`);
  if (result) lines.push(`holds C[${result.i}, ${result.j}] = ${full(WORDS.c.value(result.word))}`);
  if (next) lines.push(`next b ${WORDS.b.all(next.word).map(full).join(" ")}`);
  return lines.join("\n");
}
