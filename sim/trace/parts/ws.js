// Weight stationary: B stays in the elements, A moves east through them, sums move south.
const FLOW = {
  facts: ["a", "b", "sum", "of", "next b"], last: "next b", kept: "holding a next weight",
  signs: [["t1 t2", "partial sum, moves south; colours alternate by tile and deepen with each product"],
    ["a", "operand of A, moves east"], ["b", "weight of B in use, stays"],
    ["r", "weight of the next pass, waits"]],
};

// The weight that came with a beat of B; the last step of a pass comes first.
function weight(name, beat, cycle, row, col) {
  if (!beat) return null;
  const pass = Math.floor((beat - 1) / ROWS), step = ROWS - 1 - (beat - 1) % ROWS;
  const tile = Math.floor(pass / DATA.passes), part = pass % DATA.passes;
  return { tile, beat: part * ROWS + step, j: tile % DATA.across * COLS + col,
    word: at(name, cycle, row, col) };
}

// What an element holds in a cycle; null for empty registers.
function element(cycle, row, col) {
  const step = at("operands", cycle, row, col), tag = at("sums", cycle, row, col);
  const held = { a: null, sum: null,
    b: weight("b", at("weights", cycle, row, col), cycle, row, col),
    "next b": weight("waiting", at("owners", cycle, row, col), cycle, row, col) };
  if (step) {
    held.a = { beat: DATA.of_a[2][step - 1] * ROWS + row, i: DATA.of_a[0][step - 1],
      word: at("a", cycle, row, col) };
  }
  if (tag) {
    const [i, tile, part] = DATA.of_a.map(each => each[tag - 1]);
    held.sum = { tile, beats: part * ROWS + row + 1, word: at("acc", cycle, row, col), i,
      j: tile % DATA.across * COLS + col };
  }
  return held;
}

// Whether a sum with this tag starts a new curve: each sum belongs to another row of C.
const opens = () => true;
