// Output stationary: A moves east and B north through the elements; finished sums move north.
const FLOW = {
  facts: ["a", "b", "sum", "of", "result"], last: "result", kept: "holding a finished sum",
  signs: [["t1 t2", "partial sum; colours alternate by tile and deepen with each product"],
    ["a", "operand of A, moves east"], ["b", "operand of B, moves north"],
    ["r", "finished sum, moves north to the C stream"]],
};

// Position in C of a result of a tile.
const placeInC = (tile, row, col) => ({ i: Math.floor(tile / DATA.across) * ROWS + row,
  j: tile % DATA.across * COLS + col });

// What an element holds in a cycle; null for empty registers.
function element(cycle, row, col) {
  const step = at("operands", cycle, row, col), sum = at("sums", cycle, row, col);
  const owner = at("owners", cycle, row, col);
  const held = { a: null, b: null, sum: null, result: null };
  if (step) {
    const tile = Math.floor((step - 1) / BEATS), beat = (step - 1) % BEATS;
    const { i, j } = placeInC(tile, row, col);
    held.a = { beat, i, word: at("a", cycle, row, col) };
    held.b = { beat, j, word: at("b", cycle, row, col) };
  }
  if (sum) {
    const tile = Math.floor((sum - 1) / BEATS);
    held.sum = { tile, beats: (sum - 1) % BEATS + 1, word: at("acc", cycle, row, col),
      ...placeInC(tile, row, col) };
  }
  if (owner) {
    const tile = Math.floor((owner - 1) / ROWS);
    held.result = { tile, word: at("result", cycle, row, col),
      ...placeInC(tile, (owner - 1) % ROWS, col) };
  }
  return held;
}

// Whether a sum with this tag is the first one of an element.
const opens = tag => (tag - 1) % BEATS === 0;
