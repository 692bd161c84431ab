// A QR code drawn on the phone 手机上画二维码 (ISO/IEC 18004): alphanumeric, level M, one fixed mask, as the server draws it.
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
// per version 1…40, level M: check bytes a block, blocks
const CHECK = [10, 16, 26, 18, 24, 16, 18, 22, 22, 26, 30, 22, 22, 24, 24, 28, 28, 26, 26, 26, 26, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28, 28];
const BLOCKS = [1, 1, 1, 2, 2, 4, 4, 4, 5, 5, 5, 8, 9, 9, 10, 10, 11, 13, 14, 16, 17, 17, 18, 20, 21, 23, 25, 26, 28, 29, 31, 33, 35, 37, 38, 40, 43, 45, 47, 49];
const MASK = 3;

export const EXP = new Uint8Array(512);
export const LOG = new Uint8Array(256);
for (let at = 0, value = 1; at < 255; at++) {
  EXP[at] = EXP[at + 255] = value;
  LOG[value] = at;
  value = (value << 1) ^ (value & 128 ? 0x11d : 0);
}
export const times = (a, b) => (a && b ? EXP[LOG[a] + LOG[b]] : 0);

export const sizeOf = (version) => 17 + 4 * version;
export function alignment(version) {
  if (version === 1) return [];
  const count = Math.floor(version / 7) + 2;
  const step = version === 32 ? 26 : Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  return [6, ...Array.from({ length: count - 1 }, (_, at) => sizeOf(version) - 7 - step * (count - 2 - at))];
}
function allBytes(version) {
  let bits = (16 * version + 128) * version + 64;
  if (version > 1) {
    const count = Math.floor(version / 7) + 2;
    bits -= (25 * count - 10) * count - 55;
    if (version > 6) bits -= 36;
  }
  return bits >> 3;
}
export const layout = (version) => ({ all: allBytes(version), check: CHECK[version - 1], blocks: BLOCKS[version - 1] });

function checkBytes(data, count) {
  let poly = [1];
  for (let at = 0; at < count; at++) poly = [...poly, 0].map((one, place) => one ^ times(poly[place - 1] || 0, EXP[at]));
  const rest = new Uint8Array(data.length + count);
  rest.set(data);
  for (let at = 0; at < data.length; at++) if (rest[at]) for (let k = 1; k <= count; k++) rest[at + k] ^= times(poly[k], rest[at]);
  return rest.slice(data.length);
}

function dataBytes(text, version) {
  const bits = [];
  const put = (value, length) => { for (let at = length - 1; at >= 0; at--) bits.push((value >> at) & 1); };
  put(2, 4);
  put(text.length, version < 10 ? 9 : version < 27 ? 11 : 13);
  for (let at = 0; at < text.length; at += 2) {
    const one = LETTERS.indexOf(text[at]);
    if (at + 1 < text.length) put(one * 45 + LETTERS.indexOf(text[at + 1]), 11); else put(one, 6);
  }
  const { all, check, blocks } = layout(version);
  const room = (all - check * blocks) * 8;
  if (bits.length > room) return null;
  put(0, Math.min(4, room - bits.length));
  while (bits.length % 8) bits.push(0);
  const bytes = [];
  for (let at = 0; at < bits.length; at += 8) bytes.push(parseInt(bits.slice(at, at + 8).join(""), 2));
  for (let pad = 0xec; bytes.length < room / 8; pad ^= 0xec ^ 0x11) bytes.push(pad);
  return bytes;
}

function interleaved(bytes, version) {
  const { all, check, blocks } = layout(version);
  const long = all % blocks, short = Math.floor(all / blocks) - check;
  const parts = [];
  for (let at = 0, begin = 0; at < blocks; at++) {
    const size = short + (at >= blocks - long ? 1 : 0);
    const data = bytes.slice(begin, (begin += size));
    parts.push([data, checkBytes(data, check)]);
  }
  const out = [];
  for (let at = 0; at <= short; at++) for (const [data] of parts) if (at < data.length) out.push(data[at]);
  for (let at = 0; at < check; at++) for (const [, more] of parts) out.push(more[at]);
  return out;
}

function remainder(value, poly, size) {
  let rest = value;
  for (let at = 0; at < size; at++) rest = (rest << 1) ^ ((rest >> (size - 1)) * poly);
  return rest;
}
export const formatBits = (level, mask) => { const data = (level << 3) | mask; return ((data << 10) | remainder(data, 0x537, 10)) ^ 0x5412; };
export const versionBits = (version) => (version << 12) | remainder(version, 0x1f25, 12);

// Modules that hold no data: 1 where a pattern or a format bit stands.
export function reserved(version) {
  const size = sizeOf(version);
  const grid = Array.from({ length: size }, () => new Uint8Array(size));
  const fill = (left, top, wide, high) => { for (let y = top; y < top + high; y++) for (let x = left; x < left + wide; x++) grid[y][x] = 1; };
  fill(0, 0, 9, 9);
  fill(size - 8, 0, 8, 9);
  fill(0, size - 8, 9, 8);
  fill(6, 0, 1, size);
  fill(0, 6, size, 1);
  const places = alignment(version), last = size - 7;
  for (const y of places) for (const x of places) if (!((x === 6 && (y === 6 || y === last)) || (y === 6 && x === last))) fill(x - 2, y - 2, 5, 5);
  if (version > 6) { fill(size - 11, 0, 3, 6); fill(0, size - 11, 6, 3); }
  return grid;
}

// The places of the data bits in order: two columns at a time, up and down.
export function* places(version) {
  const size = sizeOf(version), taken = reserved(version);
  for (let right = size - 1, up = true; right > 0; right -= 2, up = !up) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = up ? size - 1 - step : step;
      for (const x of [right, right - 1]) if (!taken[y][x]) yield [x, y];
    }
  }
}

// The modules of `text`, rows of 0 and 1. Throws for a letter outside the alphanumeric set, or too many.
export function modules(text) {
  if ([...text].some((one) => !LETTERS.includes(one))) throw new Error("letters");
  let version = 1, bytes = null;
  while (version <= 40 && !(bytes = dataBytes(text, version))) version++;
  if (!bytes) throw new Error("too long");
  const size = sizeOf(version);
  const grid = Array.from({ length: size }, () => new Uint8Array(size));
  const finder = (left, top) => {
    for (let y = 0; y < 7; y++) for (let x = 0; x < 7; x++) {
      const ring = Math.max(Math.abs(x - 3), Math.abs(y - 3));
      grid[top + y][left + x] = ring === 2 ? 0 : 1;
    }
  };
  for (let at = 8; at < size - 8; at++) grid[6][at] = grid[at][6] = at % 2 ? 0 : 1;
  finder(0, 0);
  finder(size - 7, 0);
  finder(0, size - 7);
  const centres = alignment(version), last = size - 7;
  for (const y of centres) for (const x of centres) {
    if ((x === 6 && (y === 6 || y === last)) || (y === 6 && x === last)) continue;
    for (let dy = -2; dy <= 2; dy++) for (let dx = -2; dx <= 2; dx++) grid[y + dy][x + dx] = Math.max(Math.abs(dx), Math.abs(dy)) === 1 ? 0 : 1;
  }
  const format = formatBits(0, MASK);
  for (let at = 0; at < 15; at++) {
    const bit = (format >> at) & 1;
    grid[at < 6 ? at : at < 8 ? at + 1 : size - 15 + at][8] = bit;
    grid[8][at < 8 ? size - 1 - at : at < 9 ? 7 : 14 - at] = bit;
  }
  grid[size - 8][8] = 1;
  if (version > 6) {
    const said = versionBits(version);
    for (let at = 0; at < 18; at++) {
      const a = size - 11 + (at % 3), b = Math.floor(at / 3);
      grid[b][a] = grid[a][b] = (said >> at) & 1;
    }
  }
  const bits = interleaved(bytes, version);
  let at = 0;
  for (const [x, y] of places(version)) {
    const bit = at < bits.length * 8 ? (bits[at >> 3] >> (7 - (at & 7))) & 1 : 0;
    grid[y][x] = bit ^ ((x + y) % 3 ? 0 : 1);
    at++;
  }
  return grid;
}

// Draws it into an <svg> that holds a white <rect> and a dark <path>: quiet zone 4.
export function draw(svg, text) {
  const grid = modules(text);
  let path = "";
  grid.forEach((row, y) => row.forEach((dark, x) => { if (dark) path += `M${x + 4} ${y + 4}h1v1h-1z`; }));
  svg.setAttribute("viewBox", `0 0 ${grid.length + 8} ${grid.length + 8}`);
  svg.querySelector("path").setAttribute("d", path);
}
