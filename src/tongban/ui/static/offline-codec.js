// Texts and bytes of a code 出示码的编码: Base45 (RFC 9285), base64url, and the CBOR (RFC 8949) that our codes use: no floats, no tags.
const LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:";
const VALUE = new Map([...LETTERS].map((one, at) => [one, at]));

export function base45(bytes) {
  let out = "";
  for (let at = 0; at < bytes.length; at += 2) {
    const pair = at + 1 < bytes.length;
    let rest = pair ? bytes[at] * 256 + bytes[at + 1] : bytes[at];
    for (let letters = pair ? 3 : 2; letters; letters--) { out += LETTERS[rest % 45]; rest = Math.floor(rest / 45); }
  }
  return out;
}

export function fromBase45(text) {
  const signs = [...text].map((one) => VALUE.get(one));
  if (signs.length % 3 === 1 || signs.includes(undefined)) throw new Error("not Base45");
  const out = [];
  for (let at = 0; at < signs.length; at += 3) {
    const [a, b, c] = signs.slice(at, at + 3);
    const sum = a + 45 * b + (c === undefined ? 0 : 2025 * c);
    if (sum > (c === undefined ? 255 : 65535)) throw new Error("not Base45");
    if (c !== undefined) out.push(sum >> 8);
    out.push(sum & 255);
  }
  return Uint8Array.from(out);
}

export const toB64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
export const fromB64 = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (one) => one.charCodeAt(0));

export function join(...parts) {
  const all = parts.map((one) => (typeof one === "number" ? [one] : [...one]));
  return Uint8Array.from(all.flat());
}

// A byte string with its CBOR head.
export function byteString(bytes) {
  const size = bytes.length;
  const head = size < 24 ? [0x40 | size] : size < 256 ? [0x58, size] : [0x59, size >> 8, size & 255];
  return join(head, bytes);
}

export const uint32 = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

const words = new TextDecoder("utf-8", { fatal: true });

// One CBOR value and nothing after it; maps become Map. Throws for anything our codes never hold.
export function fromCbor(bytes) {
  let at = 0;
  const take = (count) => {
    if (at + count > bytes.length) throw new Error("short");
    at += count;
    return bytes.subarray(at - count, at);
  };
  const size = (low) => {
    if (low < 24) return low;
    if (low > 27) throw new Error("length");
    return take(1 << (low - 24)).reduce((sum, one) => sum * 256 + one, 0);
  };
  const item = (depth) => {
    if (depth > 8) throw new Error("deep");
    const [head] = take(1);
    const kind = head >> 5;
    if (kind > 5) throw new Error("kind");
    const count = size(head & 31);
    if (!Number.isSafeInteger(count)) throw new Error("large");
    if (kind === 0) return count;
    if (kind === 1) return -1 - count;
    if (kind === 2) return take(count).slice();
    if (kind === 3) return words.decode(take(count));
    if (count > bytes.length) throw new Error("short");
    if (kind === 4) return Array.from({ length: count }, () => item(depth + 1));
    const map = new Map();
    for (let pair = 0; pair < count; pair++) map.set(item(depth + 1), item(depth + 1));
    return map;
  };
  const found = item(0);
  if (at !== bytes.length) throw new Error("more");
  return found;
}
