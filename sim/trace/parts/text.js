// Format numbers, and create SVG and HTML elements.
const full = value => Number.isFinite(value) ? String(value)
  : Number.isNaN(value) ? "NaN" : value < 0 ? "-Inf" : "Inf";
const minus = text => text.replace(/^-/, "\u2212").replace("e-", "e\u2212");

// As many digits of a value as fit into a number of letters; empty if none fit.
function fit(value, letters) {
  if (!Number.isFinite(value)) return full(value).length <= letters ? minus(full(value)) : "";
  for (let digits = 7; digits; digits -= 1) {
    const rounded = Number(value.toPrecision(digits));
    for (const text of [String(rounded), String(rounded).replace(/^(-?)0\./, "$1."),
      rounded.toExponential().replace("e+", "e")]) {
      if (text.length <= letters) return minus(text);
    }
  }
  return "";
}

// `fit` for all lanes of a word.
const fitAll = (words, word, letters) => words.lanes === 1 ? fit(words.value(word), letters)
  : (text => text.length <= letters ? text : "")(words.all(word).map(x => fit(x, 4)).join(" "));

// Create an SVG element with attributes inside `parent`.
function draw(parent, name, attributes = {}, text = "") {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (text) node.textContent = text;
  parent.append(node);
  return node;
}

// Set only attributes that changed: one step changes few of thousands.
function set(node, attributes, text) {
  for (const [key, value] of Object.entries(attributes)) {
    const wished = String(value);
    if (node.getAttribute(key) !== wished) node.setAttribute(key, wished);
  }
  if (text !== undefined && node.textContent !== text) node.textContent = text;
}

// Create an HTML element with children.
function make(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const percent = share => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
const tileColour = tile => `var(--t${tile % 2 + 1})`;
