// The trace, unpacked: what each register holds in each cycle.
const DATA = JSON.parse(document.getElementById("trace").textContent);
const { rows: ROWS, cols: COLS, cycles: CYCLES, beats: BEATS, lanes: LANES } = DATA;

const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const ARRAYS = { 1: Uint8Array, 2: Uint16Array, 4: Uint32Array };

// Unpack a plane, cycle by cycle: unchanged numbers are copied from the cycle before.
function unpacked({ size, elements, cycles, changed, numbers }) {
  const bits = bytes(changed), fresh = new ARRAYS[size](bytes(numbers).buffer);
  const count = elements * cycles, plane = new ARRAYS[size](count);
  for (let place = 0, next = 0; place < count; place += 1) {
    const differs = bits[place >> 3] >> (place & 7) & 1;
    plane[place] = differs ? fresh[next++] : place < elements ? 0 : plane[place - elements];
  }
  return plane;
}

const PLANES = Object.fromEntries(
  Object.entries(DATA.planes).map(([name, plane]) => [name, unpacked(plane)]));

// A table of words: their values, and their codes in hexadecimal.
class Words {
  constructor({ width, codes, values }, lanes) {
    this.size = Math.ceil(width / 8);
    this.digits = Math.ceil(width / 4);
    this.codes = bytes(codes);
    this.values = new Float64Array(bytes(values).buffer);
    this.lanes = lanes;
  }
  value(word) { return this.values[word * this.lanes]; }
  all(word) { return [...this.values.subarray(word * this.lanes, (word + 1) * this.lanes)]; }
  code(word) {
    return Array.from({ length: this.lanes }, (_, lane) => {
      const start = (word * this.lanes + lane) * this.size;
      const digits = [...this.codes.subarray(start, start + this.size)].reverse()
        .map(octet => octet.toString(16).padStart(2, "0")).join("");
      return "0x" + digits.slice(-this.digits);
    }).join(" ");
  }
}

const WORDS = { a: new Words(DATA.tables.a, LANES), b: new Words(DATA.tables.b, LANES),
  c: new Words(DATA.tables.c, 1) };

// Number in a plane for the element in a row and column.
const at = (name, cycle, row, col) => PLANES[name][(cycle * ROWS + row) * COLS + col];

// Position in C of a column of a beat of C; beats are counted from 0.
const placeOfBeat = (beat, col) => ({ i: DATA.of_c[0][beat], tile: DATA.of_c[1][beat],
  j: DATA.of_c[1][beat] % DATA.across * COLS + col });

// Sums outside C come from padding.
const wanted = place => place.i < DATA.m && place.j < DATA.n;
