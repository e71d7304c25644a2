// C, which fills up as its rows leave the array.
const AREA = 4096;
const leaves = Array.from({ length: DATA.m * DATA.n <= AREA ? DATA.m : 0 }, () => []);
DATA.left.forEach((cycle, beat) => {
  for (let col = 0; col < COLS; col += 1) {
    const place = placeOfBeat(beat, col);
    if (wanted(place) && leaves.length) leaves[place.i][place.j] = { cycle, tile: place.tile,
      value: WORDS.c.value(PLANES.c[beat * COLS + col]) };
  }
});

const product = document.getElementById("product");
const count = make("p", { style: "margin:0 0 .3rem" });
product.append(count);
const C_SIDE = Math.max(2, Math.min(16, Math.floor(220 / Math.max(DATA.m, DATA.n))));
const map = leaves.length ? draw(product, "svg", { viewBox: `0 0 ${DATA.n} ${DATA.m}`,
  width: DATA.n * C_SIDE, height: DATA.m * C_SIDE, role: "img",
  "aria-label": "Results of C so far" }) : null;
const C_CELLS = leaves.map((row, i) => row.map((result, j) => {
  const cell = draw(map, "rect", { x: j, y: i, width: 1, height: 1 });
  draw(cell, "title", {}, `C[${i}, ${j}] = ${full(result.value)}, in cycle ${result.cycle}`);
  return cell;
}));

function showProduct(cycle, colour) {
  const beats = DATA.left.filter(when => when <= cycle).length;
  set(count, {}, `${beats} of ${DATA.left.length} rows done, ${DATA.tiles} tile${
    DATA.tiles > 1 ? "s" : ""}; C is ${DATA.m} by ${DATA.n}`);
  leaves.forEach((row, i) => row.forEach((result, j) => {
    const out = result.cycle <= cycle;
    const share = colour === "value" ? 0.06 + 0.9 * Math.sqrt(Math.abs(result.value) / LARGEST)
      : 0.85;
    const fill = colour === "value" ? result.value < 0 ? "var(--neg)" : "var(--pos)"
      : tileColour(result.tile);
    set(C_CELLS[i][j], { style: out ? `fill:${fill};fill-opacity:${share.toFixed(3)}` : "" });
  }));
}
