// Reading a QR code out of a picture 本机识码: our own codes (level M) from a photo or a camera frame, without network.
// Light and dark, the three corner patterns, a perspective grid, then the bits with Reed-Solomon repair.
import { EXP, LOG, alignment, formatBits, layout, places, sizeOf, times } from "./offline-qr.js";

const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const MASKS = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3, (x, y) => (Math.floor(x / 3) + Math.floor(y / 2)) % 2,
  (x, y) => ((x * y) % 2) + ((x * y) % 3), (x, y) => (((x * y) % 2) + ((x * y) % 3)) % 2, (x, y) => (((x + y) % 2) + ((x * y) % 3)) % 2,
];

function grey({ data, width, height }) {
  const out = new Uint8Array(width * height);
  for (let at = 0; at < out.length; at++) out[at] = (data[4 * at] * 77 + data[4 * at + 1] * 150 + data[4 * at + 2] * 29) >> 8;
  return out;
}

// Dark where a pixel is darker than its surroundings; the window spans a good part of a code.
function binary(light, width, height, window) {
  const sums = new Float64Array((width + 1) * (height + 1));
  for (let y = 0; y < height; y++) {
    let row = 0;
    for (let x = 0; x < width; x++) {
      row += light[y * width + x];
      sums[(y + 1) * (width + 1) + x + 1] = sums[y * (width + 1) + x + 1] + row;
    }
  }
  const dark = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const top = Math.max(0, y - window), low = Math.min(height, y + window + 1);
    for (let x = 0; x < width; x++) {
      const left = Math.max(0, x - window), right = Math.min(width, x + window + 1);
      const sum = sums[low * (width + 1) + right] - sums[top * (width + 1) + right] - sums[low * (width + 1) + left] + sums[top * (width + 1) + left];
      dark[y * width + x] = light[y * width + x] * (low - top) * (right - left) < sum * 0.94 ? 1 : 0;
    }
  }
  return { dark, width, height, at: (x, y) => (x >= 0 && y >= 0 && x < width && y < height ? dark[Math.floor(y) * width + Math.floor(x)] : 0) };
}

// The five runs around a dark point along a direction, in steps of one pixel; null when they run out of the picture.
function runs(image, x, y, dx, dy) {
  const found = [0, 0, 0, 0, 0];
  for (const way of [1, -1]) {
    let part = 2, step = way === 1 ? 0 : 1;
    for (; part >= 0 && part <= 4; step++) {
      const px = x + way * step * dx, py = y + way * step * dy;
      if (px < 0 || py < 0 || px >= image.width || py >= image.height) { if (part === 2 + 2 * way) break; return null; }
      const dark = image.at(px, py);
      if (dark !== (part % 2 ? 0 : 1)) { part += way; if (part < 0 || part > 4) break; }
      found[part] += 1;
    }
  }
  return found;
}

function unitOf(found) {
  if (!found || found.some((one) => !one)) return 0;
  const unit = found.reduce((sum, one) => sum + one) / 7, slack = unit * 0.62 + 0.6;
  return [1, 1, 3, 1, 1].every((want, at) => Math.abs(found[at] - want * unit) <= (at === 2 ? 1.6 : 1) * slack) ? unit : 0;
}

function centred(image, x, y, dx, dy) {
  const found = runs(image, x, y, dx, dy);
  const unit = unitOf(found);
  if (!unit) return null;
  let ahead = 0, behind = 0;
  while (image.at(x + (ahead + 1) * dx, y + (ahead + 1) * dy)) ahead++;
  while (image.at(x - (behind + 1) * dx, y - (behind + 1) * dy)) behind++;
  return { by: (ahead - behind) / 2, unit };
}

function corners(image) {
  const found = [];
  const step = Math.max(1, Math.floor(image.height / 600));
  for (let y = 0; y < image.height; y += step) {
    let begin = 0, last = 0;
    const ends = [];
    for (let x = 0; x <= image.width; x++) {
      const dark = x < image.width ? image.dark[y * image.width + x] : 2;
      if (dark === last) continue;
      ends.push([last, x - begin]);
      begin = x;
      last = dark;
      const five = ends.slice(-5);
      if (five.length < 5 || five[0][0] !== 1 || !unitOf(five.map((one) => one[1]))) continue;
      let cx = x - five[4][1] - five[3][1] - five[2][1] / 2, cy = y;
      const down = centred(image, cx, cy, 0, 1);
      if (!down) continue;
      cy += down.by;
      const across = centred(image, cx, cy, 1, 0);
      if (!across) continue;
      cx += across.by;
      const near = found.find((one) => Math.hypot(one.x - cx, one.y - cy) < one.unit * 3);
      if (near) { near.x += (cx - near.x) / ++near.hits; near.y += (cy - near.y) / near.hits; } else found.push({ x: cx, y: cy, unit: (down.unit + across.unit) / 2, hits: 1 });
    }
  }
  return found.sort((a, b) => b.hits - a.hits).slice(0, 10);
}

// Three corners that could be one code's, the likeliest first: [at the right angle, to its right, below it].
function triples(found) {
  const out = [];
  for (const a of found) for (const b of found) for (const c of found) {
    if (a === b || a === c || b === c) continue;
    const ux = b.x - a.x, uy = b.y - a.y, vx = c.x - a.x, vy = c.y - a.y;
    const u = Math.hypot(ux, uy), v = Math.hypot(vx, vy);
    if (ux * vy - uy * vx <= 0 || Math.min(u, v) < 10) continue;
    const units = [a.unit, b.unit, c.unit];
    const score = Math.abs(ux * vx + uy * vy) / (u * v) + Math.abs(u - v) / Math.max(u, v) + (Math.max(...units) - Math.min(...units)) / Math.max(...units);
    if (score < 1) out.push({ a, b, c, score });
  }
  return out.sort((one, two) => one.score - two.score).slice(0, 6);
}

// From the centre of a corner pattern to its outer edge is three and a half modules.
function moduleAlong(image, from, to) {
  const length = Math.hypot(to.x - from.x, to.y - from.y), dx = (to.x - from.x) / length, dy = (to.y - from.y) / length;
  let changes = 0, last = 1;
  for (let at = 0; at < length; at += 0.25) {
    const dark = image.at(from.x + dx * at + 0.5, from.y + dy * at + 0.5);
    if (dark !== last) { last = dark; if (++changes === 3) return at / 3.5; }
  }
  return 0;
}

// The projective map that takes four places of the grid to four places of the picture.
function mapping(from, to) {
  const rows = from.flatMap(([x, y], at) => [[x, y, 1, 0, 0, 0, -to[at][0] * x, -to[at][0] * y, to[at][0]], [0, 0, 0, x, y, 1, -to[at][1] * x, -to[at][1] * y, to[at][1]]]);
  for (let col = 0; col < 8; col++) {
    let best = col;
    for (let row = col; row < 8; row++) if (Math.abs(rows[row][col]) > Math.abs(rows[best][col])) best = row;
    [rows[col], rows[best]] = [rows[best], rows[col]];
    if (!rows[col][col]) return null;
    for (let row = 0; row < 8; row++) {
      const by = row === col ? 0 : rows[row][col] / rows[col][col];
      if (by) for (let at = col; at < 9; at++) rows[row][at] -= by * rows[col][at];
    }
  }
  const h = rows.map((row, at) => row[8] / row[at]);
  return (x, y) => { const w = h[6] * x + h[7] * y + 1; return [(h[0] * x + h[1] * y + h[2]) / w, (h[3] * x + h[4] * y + h[5]) / w]; };
}

// Places where the small pattern near the fourth corner may be, around where a flat code would have it; the likeliest first.
function smallPatterns(image, map, size) {
  const scoreAt = (x0, y0) => {
    let score = 0;
    for (let y = -2; y <= 2; y++) for (let x = -2; x <= 2; x++) {
      const ring = Math.max(Math.abs(x), Math.abs(y));
      score += image.at(...map(x0 + x, y0 + y)) === (ring === 1 ? 0 : 1) ? 1 : -1;
    }
    return score;
  };
  const middle = size - 6.5, reach = Math.max(4, Math.round(size / 8)), found = [];
  for (let dy = -reach; dy <= reach; dy += 0.5) for (let dx = -reach; dx <= reach; dx += 0.5) {
    const score = scoreAt(middle + dx, middle + dy);
    if (score > 13) found.push({ score: score - Math.hypot(dx, dy) / 8, x: middle + dx, y: middle + dy });
  }
  found.sort((one, two) => two.score - one.score);
  const out = [];
  for (const one of found) {
    if (out.length === 4) break;
    if (out.some((other) => Math.hypot(other.x - one.x, other.y - one.y) < 2)) continue;
    // the middle of all the places around it that fit as well
    const fits = [];
    for (let dy = -1; dy <= 1; dy += 0.125) for (let dx = -1; dx <= 1; dx += 0.125) fits.push([scoreAt(one.x + dx, one.y + dy), one.x + dx, one.y + dy]);
    const most = Math.max(...fits.map(([score]) => score)), top = fits.filter(([score]) => score === most);
    const mean = (at) => top.reduce((sum, each) => sum + each[at], 0) / top.length;
    out.push({ x: mean(1), y: mean(2) });
  }
  return out.map(({ x, y }) => map(x, y));
}

function timing(image, map, size) {
  let good = 0;
  for (let at = 8; at < size - 8; at++) good += (image.at(...map(at + 0.5, 6.5)) === (at % 2 ? 0 : 1)) + (image.at(...map(6.5, at + 0.5)) === (at % 2 ? 0 : 1));
  return good / (2 * (size - 16));
}

function maskOf(cell, size) {
  let best = null;
  for (const second of [false, true]) {
    let said = 0;
    for (let at = 0; at < 15; at++) {
      const bit = second
        ? at < 8 ? cell(size - 1 - at, 8) : cell(8, size - 15 + at)
        : at < 8 ? cell(8, at < 6 ? at : at + 1) : cell(at < 9 ? 7 : 14 - at, 8);
      said |= bit << at;
    }
    for (let mask = 0; mask < 8; mask++) {
      const wrong = (said ^ formatBits(0, mask)).toString(2).replace(/0/g, "").length;
      if (wrong <= 3 && (!best || wrong < best.wrong)) best = { wrong, mask };
    }
  }
  return best;
}

// Reed-Solomon: the data bytes of one block, repaired; null when too much is wrong.
function repaired(block, check) {
  const syndromes = Array.from({ length: check }, (_, at) => block.reduce((sum, one) => times(sum, EXP[at]) ^ one, 0));
  if (syndromes.every((one) => !one)) return block.slice(0, -check);
  let locator = [1], before = [1], length = 0, gap = 1, last = 1;
  for (let n = 0; n < check; n++) {
    let delta = syndromes[n];
    for (let at = 1; at <= length; at++) delta ^= times(locator[at] || 0, syndromes[n - at]);
    if (!delta) { gap++; continue; }
    const by = times(delta, EXP[255 - LOG[last]]), old = locator;
    const shifted = [...new Array(gap).fill(0), ...before];
    locator = Array.from({ length: Math.max(locator.length, shifted.length) }, (_, at) => (locator[at] || 0) ^ times(by, shifted[at] || 0));
    if (2 * length <= n) { length = n + 1 - length; before = old; last = delta; gap = 1; } else gap++;
  }
  if (length > check / 2) return null;
  const value = (poly, x) => poly.reduceRight((sum, one) => times(sum, x) ^ one, 0);
  const evaluator = Array.from({ length: check }, (_, at) => syndromes.slice(0, at + 1).reduce((sum, one, place) => sum ^ times(one, locator[at - place] || 0), 0));
  const out = block.slice();
  let fixed = 0;
  for (let at = 0; at < block.length; at++) {
    const inverse = EXP[(255 - (block.length - 1 - at)) % 255];
    if (value(locator, inverse)) continue;
    const slope = locator.reduce((sum, one, power) => (power % 2 ? sum ^ times(one, EXP[(LOG[inverse] * (power - 1)) % 255]) : sum), 0);
    if (!slope) return null;
    out[at] ^= times(times(EXP[(LOG[inverse] * 254) % 255], value(evaluator, inverse)), EXP[255 - LOG[slope]]);
    fixed++;
  }
  const good = fixed === length && Array.from({ length: check }, (_, at) => out.reduce((sum, one) => times(sum, EXP[at]) ^ one, 0)).every((one) => !one);
  return good ? out.slice(0, -check) : null;
}

function textOf(bytes, version) {
  let at = 0;
  const take = (count) => { let value = 0; for (let bit = 0; bit < count; bit++, at++) value = (value << 1) | ((bytes[at >> 3] >> (7 - (at & 7))) & 1); return value; };
  let out = "";
  while (at + 4 <= bytes.length * 8) {
    const mode = take(4);
    if (!mode) break;
    if (mode === 2) {
      let count = take(version < 10 ? 9 : version < 27 ? 11 : 13);
      for (; count > 1; count -= 2) { const pair = take(11); out += (LETTERS[Math.floor(pair / 45)] || "") + LETTERS[pair % 45]; }
      if (count) out += LETTERS[take(6)] || "";
    } else if (mode === 4) {
      const raw = Uint8Array.from({ length: take(version < 10 ? 8 : 16) }, () => take(8));
      out += new TextDecoder().decode(raw);
    } else return null;
  }
  return out || null;
}

function decoded(cell, version) {
  const size = sizeOf(version), found = maskOf(cell, size);
  if (!found) return null;
  const { all, check, blocks } = layout(version);
  const bytes = new Uint8Array(all);
  let at = 0;
  for (const [x, y] of places(version)) {
    if (at >= all * 8) break;
    bytes[at >> 3] |= (cell(x, y) ^ (MASKS[found.mask](x, y) ? 0 : 1)) << (7 - (at & 7));
    at++;
  }
  const long = all % blocks, short = Math.floor(all / blocks) - check;
  const parts = Array.from({ length: blocks }, () => []);
  let place = 0;
  for (let step = 0; step <= short; step++) for (let one = 0; one < blocks; one++) if (step < short || one >= blocks - long) parts[one].push(bytes[place++]);
  for (let step = 0; step < check; step++) for (let one = 0; one < blocks; one++) parts[one].push(bytes[place++]);
  const out = [];
  for (const part of parts) {
    const good = repaired(part, check);
    if (!good) return null;
    out.push(...good);
  }
  return textOf(out, version);
}

function readAt(image, { a, b, c }) {
  const lengths = [[a, b], [b, a], [a, c], [c, a]].map(([from, to]) => moduleAlong(image, from, to)).filter(Boolean);
  if (lengths.length < 3) return null;
  const unit = lengths.reduce((sum, one) => sum + one) / lengths.length;
  const about = ((Math.hypot(b.x - a.x, b.y - a.y) + Math.hypot(c.x - a.x, c.y - a.y)) / 2) / unit + 7;
  const nearest = Math.round((about - 17) / 4);
  const tries = [];
  for (let version = Math.max(1, nearest - 3); version <= Math.min(40, nearest + 3); version++) {
    const size = sizeOf(version);
    const three = [[3.5, 3.5], [size - 3.5, 3.5], [3.5, size - 3.5]], seen = [[a.x + 0.5, a.y + 0.5], [b.x + 0.5, b.y + 0.5], [c.x + 0.5, c.y + 0.5]];
    const flat = mapping([...three, [size - 3.5, size - 3.5]], [...seen, [b.x + c.x - a.x + 0.5, b.y + c.y - a.y + 0.5]]);
    if (flat) tries.push({ version, size, three, seen, flat, score: timing(image, flat, size) });
  }
  for (const one of tries.sort((first, second) => second.score - first.score).slice(0, 3)) {
    const maps = [one.flat];
    const small = alignment(one.version).length ? smallPatterns(image, one.flat, one.size) : [];
    maps.unshift(...small.map((place) => mapping([...one.three, [one.size - 6.5, one.size - 6.5]], [...one.seen, place])));
    for (const map of maps) {
      const text = map && decoded((x, y) => image.at(...map(x + 0.5, y + 0.5)), one.version);
      if (text) return text;
    }
  }
  return null;
}

// The text of the code in an ImageData, or null. Some 50 ms for a phone's camera frame.
export function scan(picture) {
  const light = grey(picture);
  for (const part of [24, 8, 3]) {
    const image = binary(light, picture.width, picture.height, Math.max(8, Math.round(Math.max(picture.width, picture.height) / part)));
    for (const three of triples(corners(image))) {
      const text = readAt(image, three);
      if (text) return text;
    }
  }
  return null;
}
