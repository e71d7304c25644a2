// State of the page, and what changes it.
const RATES = [0.5, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 60];
const state = { cycle: 0, row: Math.floor((ROWS - 1) / 2), col: Math.floor((COLS - 1) / 2),
  colour: "progress", rate: RATES[4], timer: null };
const control = name => document.getElementById(name);
const status_ = control("status");

function show(direction = 0) {
  const { cycle, row, col, colour } = state;
  showSums(cycle, colour);
  showLanes(cycle, direction);
  showPlot(cycle);
  showProduct(cycle, colour);
  showElement(cycle, row, col);
  showChosen(row, col);
  control("cycle").value = cycle;
  control("cycle").setAttribute("aria-valuetext", `cycle ${cycle} of ${CYCLES - 1}`);
  set(status_, {}, `Cycle ${cycle} of ${CYCLES - 1}: ${DATA.busy[cycle]} of ${total} elements `
    + `busy, ${DATA.left.filter(when => when <= cycle).length} of ${DATA.left.length} rows of C done`);
}

function go(cycle) {
  const wished = Math.max(0, Math.min(CYCLES - 1, cycle)), direction = wished - state.cycle;
  if (direction === 0) return;
  state.cycle = wished;
  show(Math.abs(direction) === 1 ? direction : 0);
}

function select(row, col) {
  state.row = Math.max(0, Math.min(ROWS - 1, row));
  state.col = Math.max(0, Math.min(COLS - 1, col));
  showCurve(state.row, state.col);
  showElement(state.cycle, state.row, state.col);
  showChosen(state.row, state.col);
}

function tick() {
  if (state.cycle === CYCLES - 1) return pause();
  go(state.cycle + 1);
  state.timer = setTimeout(tick, 1000 / state.rate);
}

function play() {
  if (state.cycle === CYCLES - 1) go(0);
  status_.setAttribute("aria-live", "off");
  set(control("play"), { "aria-label": "Pause" }, "\u2016 Pause");
  state.timer = setTimeout(tick, 1000 / state.rate);
}

function pause() {
  clearTimeout(state.timer);
  state.timer = null;
  status_.setAttribute("aria-live", "polite");
  set(control("play"), { "aria-label": "Play" }, "\u25B8 Play");
}

const toggle = () => state.timer === null ? play() : pause();
const jump = cycle => { pause(); go(cycle); };

function setSpeed(place) {
  const speed = control("speed");
  speed.value = place;
  state.rate = RATES[speed.value];
  set(control("rate"), {}, `${state.rate} cycles/s`);
}
const faster = by => setSpeed(Number(control("speed").value) + by);

const KEYS = {
  " ": toggle, ArrowRight: () => jump(state.cycle + 1), ArrowLeft: () => jump(state.cycle - 1),
  PageDown: () => jump(state.cycle + 10), PageUp: () => jump(state.cycle - 10),
  Home: () => jump(0), End: () => jump(CYCLES - 1), "+": () => faster(1), "-": () => faster(-1),
};
const MOVES = { ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0] };

document.addEventListener("keydown", event => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const { target, key } = event;
  const own = target.matches("select, #speed") || target.matches("button") && key === " ";
  if (own) return;
  const move = event.shiftKey && MOVES[key];
  const act = move ? () => select(state.row + move[0], state.col + move[1]) : KEYS[key];
  if (!act) return;
  event.preventDefault();
  act();
});
for (const [name, act] of Object.entries({ first: KEYS.Home, back: KEYS.ArrowLeft, play: toggle,
  forward: KEYS.ArrowRight, end: KEYS.End })) control(name).addEventListener("click", act);
control("cycle").addEventListener("input", event => jump(Number(event.target.value)));
control("speed").addEventListener("input", event => setSpeed(event.target.value));
control("colour").addEventListener("change", event => {
  state.colour = event.target.value;
  show();
});

for (const [signs, meaning] of FLOW.signs) {
  control("signs").append(make("li", {}, ...signs.split(" ").map(
    sign => make("i", { class: `sign ${sign}` })), ` ${meaning}`));
}

const root = document.documentElement;
const setTheme = theme => root.setAttribute("data-theme", theme);
setTheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
control("theme").addEventListener("click",
  () => setTheme(root.dataset.theme === "dark" ? "light" : "dark"));

// The URL can set the initial state: #cycle=12&element=3,2&colour=value&theme=dark
function begin(wishes) {
  const [row, col] = (wishes.get("element") || "").split(",").map(Number);
  if (wishes.get("theme")) setTheme(wishes.get("theme"));
  if (wishes.get("colour") === "value") state.colour = control("colour").value = "value";
  const fast = RATES.findIndex(rate => rate >= CYCLES / 30);
  setSpeed(Math.max(4, fast < 0 ? RATES.length - 1 : fast));
  state.cycle = Math.max(0, Math.min(CYCLES - 1, Math.floor(Number(wishes.get("cycle")) || 0)));
  if (col >= 0) [state.row, state.col] = [row, col];
  select(state.row, state.col);
  show();
}
begin(new URLSearchParams(location.hash.slice(1)));
