// One element: what it holds, its sums so far, and its last cycles.
const HISTORY = 9;
const heading = document.getElementById("of-element");
const inspector = document.getElementById("inspector");
const facts = make("dl"), body = make("tbody");
const line = draw(inspector, "svg", { viewBox: "0 0 1000 64", preserveAspectRatio: "none",
  role: "img", "aria-label": "Sum of this element by cycle" });
const zero = draw(line, "line", { class: "zero", x1: 0, x2: 1000 });
const curve = draw(line, "path", { class: "line" });
const now = draw(line, "line", { class: "now", y1: 0, y2: 64 });
inspector.prepend(facts);
inspector.append(make("table", { "aria-label": "Last cycles of this element" },
  make("thead", {}, make("tr", {}, ...["cycle", "a", "b", "sum", FLOW.last].map(
    name => make("th", { scope: "col" }, name)))), body));

const coded = (words, word) => [words.all(word).map(full).map(minus).join(", "), " ",
  make("code", {}, words.code(word))];
const subscript = (name, i, j) => `${name}[${i}, ${j}]`;
const lanesOf = beat => LANES === 1 ? beat : `${beat * LANES}\u2013${beat * LANES + LANES - 1}`;

function showFacts(held) {
  const { a, b, sum, result } = held, next = held["next b"];
  const padding = place => wanted(place) ? "" : " (padding)";
  const ofB = part => part && [subscript("B", lanesOf(part.beat), part.j), " = ",
    ...coded(WORDS.b, part.word)];
  const texts = {
    a: a && [subscript("A", a.i, lanesOf(a.beat)), " = ", ...coded(WORDS.a, a.word)],
    b: ofB(b), "next b": ofB(next),
    sum: sum && [...coded(WORDS.c, sum.word)],
    of: sum && [subscript("C", sum.i, sum.j), padding(sum),
      `, ${sum.beats} of ${BEATS} ${LANES === 1 ? "products" : "steps"}`],
    result: result && [subscript("C", result.i, result.j), padding(result), " = ",
      ...coded(WORDS.c, result.word)],
  };
  const entries = FLOW.facts.map(name => [name, texts[name]]);
  facts.replaceChildren(...entries.flatMap(([name, texts]) => [
    make("dt", {}, name), make("dd", { "data-name": name }, ...(texts || ["\u2013"]))]));
}

function showCurve(row, col) {
  const sums = Array.from({ length: CYCLES }, (_, cycle) => at("sums", cycle, row, col)
    ? WORDS.c.value(at("acc", cycle, row, col)) : null);
  const finite = sums.filter(value => value !== null && Number.isFinite(value));
  const low = Math.min(0, ...finite), high = Math.max(0, ...finite), span = high - low || 1;
  const y = value => (60 - 56 * (value - low) / span).toFixed(2);
  let path = "", drawn = false;
  sums.forEach((value, cycle) => {
    const shows = value !== null && Number.isFinite(value);
    const fresh = opens(at("sums", cycle, row, col));
    if (shows) path += `${drawn && !fresh ? "L" : "M"}${across(cycle)} ${y(value)}h${across(1)}`;
    drawn = shows;
  });
  set(curve, { d: path });
  set(zero, { y1: y(0), y2: y(0) });
}

function showHistory(cycle, row, col) {
  const from = Math.max(0, cycle - HISTORY + 1);
  body.replaceChildren(...Array.from({ length: cycle - from + 1 }, (_, index) => {
    const when = cycle - index, held = element(when, row, col);
    const { a, b, sum } = held, last = held[FLOW.last];
    const value = (words, word) => fit(words.value(word), 9) + (words.lanes > 1 ? " \u2026" : "");
    return make("tr", index ? {} : { class: "now" }, ...[String(when),
      a ? value(WORDS.a, a.word) : "", b ? value(WORDS.b, b.word) : "",
      sum ? value(WORDS.c, sum.word) : "",
      last ? value(STAYS ? WORDS.b : WORDS.c, last.word) : ""].map(
      text => make("td", {}, text)));
  }));
}

function showElement(cycle, row, col) {
  set(heading, {}, `Element in row ${row}, column ${col}`);
  showFacts(element(cycle, row, col));
  showHistory(cycle, row, col);
  set(now, { x1: across(cycle + 0.5), x2: across(cycle + 0.5) });
}
