// What moves: A to the east and, in output-stationary arrays, B and finished sums to the north.
const PAD = Math.max(2, Math.round(SIDE * 0.05));
const CHIP = WRITES.operands ? Math.round(SIDE * 0.19) : Math.max(3, Math.round(SIDE * 0.12));
const STILL = matchMedia("(prefers-reduced-motion: reduce)");

const lane = name => draw(picture, "g", { class: `chip ${name}` });
const layers = { a: lane("a"), b: lane("b"), c: lane("c") };

// A chip in the cell at a row and column, inside or outside the array.
function chip(layer, row, col, { dx, dy, width, height, writes }) {
  const group = draw(layer, "g", { visibility: "hidden" });
  const x = left(col) + dx, y = top_(row) + dy, size = Math.min(11, height - 2);
  draw(group, "rect", { x, y, width, height, rx: Math.min(3, height / 2) });
  const text = writes && draw(group, "text", { x: x + width / 2, y: y + height / 2 + size * 0.36,
    "font-size": size });
  return { group, rect: group.firstChild, text, letters: Math.floor((width - 2) / (size * 0.62)) };
}

const half = (SIDE - 3 * PAD) / 2, low = SIDE - CHIP - PAD;
const inside = { dy: low, width: half, height: CHIP, writes: WRITES.operands };
const outside = height => ({ dx: PAD, width: SIDE - 2 * PAD, height, writes: WRITES.queue });
const TALL = WRITES.queue ? Math.max(CHIP, 13) : CHIP;
const CHIPS = { a: [], b: [], c: [] };
for (let row = 0; row < ROWS; row += 1) {
  for (let col = -QUEUE; col < COLS; col += 1) {
    CHIPS.a.push({ row, col, ...chip(layers.a, row, col,
      col < 0 ? { ...outside(TALL), dy: (SIDE - TALL) / 2 } : { dx: PAD, ...inside }) });
  }
}
for (let col = 0; col < COLS; col += 1) {
  for (let row = 0; row < ROWS + (STAYS ? 0 : QUEUE); row += 1) {
    CHIPS.b.push({ row, col, ...chip(layers.b, row, col,
      row >= ROWS ? { ...outside(TALL), dy: (SIDE - TALL) / 2 }
        : { dx: 2 * PAD + half, ...inside }) });
  }
  for (let row = STAYS ? 0 : -1; row < ROWS + (STAYS ? 1 : 0); row += 1) {
    const outer = row < 0 || row === ROWS, height = outer ? TALL : STRIP;
    CHIPS.c.push({ row, col, outer, ...chip(layers.c, row, col,
      { dx: PAD, dy: row < 0 ? SIDE - TALL - 4 : row === ROWS ? 4 : PAD, width: SIDE - 2 * PAD,
        height, writes: outer ? WRITES.queue : WRITES.result }) });
  }
}

// An operand outside the array: the one that enters the first element some cycles from now.
function waiting(name, cycle, row, col) {
  const later = name === "a" ? -col : row - ROWS + 1;
  const steps = inTheArray(name, row, col) ? 0 : later;
  let when = cycle;
  for (let count = 0; count < steps; when += 1) {
    if (when + 1 >= CYCLES) return null;
    if (PLANES.moved[when + 1]) count += 1;
  }
  const r = Math.min(row, ROWS - 1), c = Math.max(col, 0);
  return at("operands", when, r, c) ? at(name, when, r, c) : null;
}

const inTheArray = (name, row, col) => name === "a" ? col >= 0 : row < ROWS;

// The weight in use in an element.
function weightInUse(cycle, row, col) {
  const { b } = element(cycle, row, col);
  return b && b.word;
}

function showOperands(name, cycle) {
  for (const { row, col, group, text, letters } of CHIPS[name]) {
    const word = STAYS && name === "b" ? weightInUse(cycle, row, col) : waiting(name, cycle, row, col);
    const away = name === "a" ? Math.max(0, -col - 1) : Math.max(0, row - ROWS);
    set(group, { visibility: word === null ? "hidden" : "visible",
      opacity: inTheArray(name, row, col) ? 1 : (0.9 - 0.6 * away / QUEUE).toFixed(2) });
    if (text) set(text, {}, word === null ? "" : fitAll(WORDS[name], word, letters));
  }
}

// The result in an element, or above the array the one that just left the top of the column.
function resultAt(cycle, row, col) {
  if (row >= 0) return element(cycle, row, col).result;
  const before = cycle ? element(cycle - 1, 0, col).result : null;
  return before && at("owners", cycle, 0, col) !== at("owners", cycle - 1, 0, col) ? before : null;
}

// The next weight of an element, or below the array the sum that just left the column.
function nextAt(cycle, row, col) {
  if (row < ROWS) return element(cycle, row, col)["next b"];
  const before = cycle && PLANES.moved[cycle] ? element(cycle - 1, ROWS - 1, col).sum : null;
  return before && before.beats === BEATS ? before : null;
}

function showResults(cycle, direction) {
  for (const { row, col, outer, group, rect, text, letters } of CHIPS.c) {
    const result = STAYS ? nextAt(cycle, row, col) : resultAt(cycle, row, col);
    const ofB = STAYS && !outer;
    set(group, { visibility: result ? "visible" : "hidden",
      opacity: !result ? 1 : ofB ? 0.55 : wanted(result) ? 1 : 0.35 });
    if (result) set(rect, { fill: ofB ? "var(--b)" : tileColour(result.tile) });
    if (text) {
      set(text, {}, !result ? "" : ofB ? fitAll(WORDS.b, result.word, letters)
        : fit(WORDS.c.value(result.word), letters));
    }
    if (direction === 1 && result && SIDE >= 36 && !STAYS && row + 1 < ROWS) {
      const came = row < 0 || at("owners", cycle, row, col) !== at("owners", cycle - 1, row, col)
        && at("owners", cycle, row, col) === at("owners", cycle - 1, row + 1, col);
      if (came) slide(group, 0, SIDE);
    }
  }
}

// Animate a group from its position one cycle ago.
function slide(group, dx, dy) {
  for (const running of group.getAnimations()) running.cancel();
  if (STILL.matches) return;
  const duration = Math.min(260, 700 / state.rate);
  group.animate([{ transform: `translate(${dx}px, ${dy}px)` }, { transform: "none" }],
    { duration, easing: "ease-out" });
}

function showLanes(cycle, direction) {
  showOperands("a", cycle);
  showOperands("b", cycle);
  showResults(cycle, direction);
  if (direction && PLANES.moved[direction > 0 ? cycle : cycle + 1]) {
    slide(layers.a, -direction * SIDE, 0);
    if (!STAYS) slide(layers.b, 0, direction * SIDE);
  }
}

const chosen = draw(picture, "rect", { class: "selected", width: SIDE, height: SIDE,
  rx: Math.min(6, SIDE / 6) });
const showChosen = (row, col) => set(chosen, { x: left(col), y: top_(row) });
