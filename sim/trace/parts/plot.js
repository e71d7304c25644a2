// Busy elements by cycle. Click or drag to go to a cycle.
const PLOT = { width: 1000, height: 60 };
const total = ROWS * COLS;
const plot = document.getElementById("plot");
const about = make("div", { class: "about" });
const used = make("span"), useful = make("span");
about.append(used, useful);
plot.append(about);
const mean = DATA.busy.reduce((sum, busy) => sum + busy, 0) / CYCLES / total;
const frame = make("div", { class: "frame" });
plot.append(frame);
const chart = draw(frame, "svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img",
  preserveAspectRatio: "none", "aria-label": `Utilisation by cycle, ${percent(mean)} on average, ${
    percent(Math.max(...DATA.busy) / total)} at most` });

const held = Array.from({ length: CYCLES }, (_, cycle) => {
  const from = cycle * total;
  return PLANES.owners.subarray(from, from + total).reduce((sum, owner) => sum + (owner > 0), 0);
});
const across = cycle => PLOT.width * cycle / CYCLES;
const height = share => (PLOT.height - 2) * (1 - share) + 1;
const stairs = counts => counts.map((number, cycle) =>
  `V${height(number / total).toFixed(2)}H${across(cycle + 1).toFixed(2)}`).join("");
for (const share of [0, 0.5, 1]) {
  draw(chart, "line", { class: "rule", x1: 0, x2: PLOT.width, y1: height(share), y2: height(share) });
}
draw(chart, "path", { class: "area", d: `M0 ${height(0)}${stairs(DATA.busy)}V${height(0)}` });
draw(chart, "path", { class: "held", d: `M0 ${height(0)}${stairs(held)}` });
frame.append(make("span", { class: "scale", style: "top:0" }, "100 %"),
  make("span", { class: "scale", style: "top:1.9rem" }, "50 %"));
const cursor = draw(chart, "rect", { class: "cursor", y: 0, width: across(1),
  height: PLOT.height });

function cycleAt(event) {
  const box = chart.getBoundingClientRect();
  return Math.floor((event.clientX - box.left) / box.width * CYCLES);
}
chart.addEventListener("pointerdown", event => {
  chart.setPointerCapture(event.pointerId);
  pause();
  go(cycleAt(event));
});
chart.addEventListener("pointermove", event => {
  if (event.buttons & 1) go(cycleAt(event));
});

function showPlot(cycle) {
  set(cursor, { x: across(cycle) });
  const busy = DATA.busy[cycle];
  used.replaceChildren(make("b", { class: "use" }, `Utilisation ${percent(busy / total)}`),
    ` (${percent(mean)} on average), `,
    make("b", { class: "kept" }, `${FLOW.kept} ${percent(held[cycle] / total)}`));
  set(useful, {}, `useful products: ${percent(DATA.utilisation)} of all slots in ${CYCLES} cycles`);
}
