// 国密 in the browser, for checking only: SM3, HMAC-SM3, SM2 signatures (GM/T 0003, 0004). WebCrypto has none of them.
// Nothing secret is ever computed here, so time that depends on the data gives nothing away.
const rotate = (word, by) => (word << by) | (word >>> (32 - by));
const START = [0x7380166f, 0x4914b2b9, 0x172442d7, 0xda8a0600, 0xa96f30bc, 0x163138aa, 0xe38dee4d, 0xb0fb0e4e];

export function sm3(message) {
  const bits = message.length * 8;
  const padded = new Uint8Array(((message.length + 8) >> 6) * 64 + 64);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bits / 2 ** 32));
  view.setUint32(padded.length - 4, bits >>> 0);
  const state = Int32Array.from(START);
  const w = new Int32Array(68);
  for (let block = 0; block < padded.length; block += 64) {
    for (let j = 0; j < 16; j++) w[j] = view.getInt32(block + 4 * j);
    for (let j = 16; j < 68; j++) {
      const x = w[j - 16] ^ w[j - 9] ^ rotate(w[j - 3], 15);
      w[j] = x ^ rotate(x, 15) ^ rotate(x, 23) ^ rotate(w[j - 13], 7) ^ w[j - 6];
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let j = 0; j < 64; j++) {
      const a12 = rotate(a, 12);
      const ss1 = rotate((a12 + e + rotate(j < 16 ? 0x79cc4519 : 0x7a879d8a, j % 32)) | 0, 7);
      const ff = j < 16 ? a ^ b ^ c : (a & b) | (a & c) | (b & c);
      const gg = j < 16 ? e ^ f ^ g : (e & f) | (~e & g);
      const tt1 = (ff + d + (ss1 ^ a12) + (w[j] ^ w[j + 4])) | 0;
      const tt2 = (gg + h + ss1 + w[j]) | 0;
      [a, b, c, d, e, f, g, h] = [tt1, a, rotate(b, 9), c, tt2 ^ rotate(tt2, 9) ^ rotate(tt2, 17), e, rotate(f, 19), g];
    }
    [a, b, c, d, e, f, g, h].forEach((one, at) => { state[at] ^= one; });
  }
  const out = new DataView(new ArrayBuffer(32));
  state.forEach((one, at) => out.setInt32(4 * at, one));
  return new Uint8Array(out.buffer);
}

const both = (first, second) => { const out = new Uint8Array(first.length + second.length); out.set(first); out.set(second, first.length); return out; };

export function hmacSm3(key, message) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sm3(key) : key);
  return sm3(both(block.map((one) => one ^ 0x5c), sm3(both(block.map((one) => one ^ 0x36), message))));
}

const number = (bytes) => BigInt("0x" + [...bytes].map((one) => one.toString(16).padStart(2, "0")).join(""));
const bytes32 = (value) => Uint8Array.from(value.toString(16).padStart(64, "0").match(/../g), (pair) => parseInt(pair, 16));
const mod = (value, by) => { const rest = value % by; return rest < 0n ? rest + by : rest; };

function power(base, exponent, by) {
  let found = 1n;
  for (let square = base; exponent; exponent >>= 1n, square = (square * square) % by) if (exponent & 1n) found = (found * square) % by;
  return found;
}

// y² = x³ − 3x + b over a field of p elements; points as [X, Y, Z] with x = X/Z², y = Y/Z³.
const SM2 = {
  p: 0xfffffffeffffffffffffffffffffffffffffffff00000000ffffffffffffffffn,
  b: 0x28e9fa9e9d9f5e344d5a9e4bcf6509a7f39789f515ab8f92ddbcbd414d940e93n,
  n: 0xfffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123n,
  g: [0x32c4ae2c1f1981195f9904466a39c9948fe30bbff2660be1715a4589334c74c7n, 0xbc3736a2f4f6779c59bdcee36b692153d0a9877cc62a474002df32e52139f0a0n, 1n],
};
const P256 = {
  p: 0xffffffff00000001000000000000000000000000ffffffffffffffffffffffffn,
  b: 0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604bn,
};

const onCurve = (curve, x, y) => x < curve.p && y < curve.p && mod(y * y - (x * x * x - 3n * x + curve.b), curve.p) === 0n;

function double([x, y, z], p) {
  if (!z || !y) return [1n, 1n, 0n];
  const delta = (z * z) % p, gamma = (y * y) % p, beta = (x * gamma) % p;
  const alpha = (3n * (x - delta) * (x + delta)) % p;
  const x3 = mod(alpha * alpha - 8n * beta, p);
  return [x3, mod(alpha * (4n * beta - x3) - 8n * gamma * gamma, p), mod((y + z) * (y + z) - gamma - delta, p)];
}

function add(one, two, p) {
  const [x1, y1, z1] = one, [x2, y2, z2] = two;
  if (!z1) return two;
  if (!z2) return one;
  const zz1 = (z1 * z1) % p, zz2 = (z2 * z2) % p;
  const u1 = (x1 * zz2) % p, u2 = (x2 * zz1) % p;
  const s1 = (y1 * z2 * zz2) % p, s2 = (y2 * z1 * zz1) % p;
  const h = mod(u2 - u1, p), r = mod(s2 - s1, p);
  if (!h) return r ? [1n, 1n, 0n] : double(one, p);
  const hh = (h * h) % p, hhh = (h * hh) % p, v = (u1 * hh) % p;
  const x3 = mod(r * r - hhh - 2n * v, p);
  return [x3, mod(r * (v - x3) - s1 * hhh, p), (z1 * z2 * h) % p];
}

// j·one + k·two, both at once
function sum(j, one, k, two, p) {
  const table = [null, one, two, add(one, two, p)];
  let found = [1n, 1n, 0n];
  for (let bit = 255n; bit >= 0n; bit--) {
    found = double(found, p);
    const pick = Number((j >> bit) & 1n) | (Number((k >> bit) & 1n) << 1);
    if (pick) found = add(found, table[pick], p);
  }
  return found;
}

const USER = new TextEncoder().encode("1234567812345678");
const heads = new Map();

// What the standard puts before the message: a digest of signer id, curve and key.
function head(point, id) {
  const known = id === USER && heads.get(String(point));
  if (known) return known;
  const parts = [Uint8Array.of((id.length * 8) >> 8, (id.length * 8) & 255), id, bytes32(SM2.p - 3n), bytes32(SM2.b), bytes32(SM2.g[0]), bytes32(SM2.g[1]), point];
  const made = sm3(parts.reduce(both));
  if (id === USER) heads.set(String(point), made);
  return made;
}

// Whether `signature` (64 bytes r‖s) was made over `message` by the key at `point` (64 bytes x‖y). Never throws for bad input.
export function sm2Verify(point, message, signature, id = USER) {
  if (point.length !== 64 || signature.length !== 64) return false;
  const x = number(point.subarray(0, 32)), y = number(point.subarray(32));
  const r = number(signature.subarray(0, 32)), s = number(signature.subarray(32));
  if (!onCurve(SM2, x, y) || !r || !s || r >= SM2.n || s >= SM2.n) return false;
  const t = (r + s) % SM2.n;
  if (!t) return false;
  const [found, , z] = sum(s, SM2.g, t, [x, y, 1n], SM2.p);
  if (!z) return false;
  const inverse = power(z, SM2.p - 2n, SM2.p);
  const e = number(sm3(both(head(point, id), message)));
  return (e + found * inverse * inverse % SM2.p) % SM2.n === r;
}

// The 65 bytes of a P-256 point given as 33; null when there is none.
export function p256Point(short) {
  if (short.length !== 33 || (short[0] !== 2 && short[0] !== 3)) return null;
  const x = number(short.subarray(1)), { p, b } = P256;
  let y = power(mod(x * x * x - 3n * x + b, p), (p + 1n) / 4n, p);
  if ((y & 1n) !== BigInt(short[0] & 1)) y = p - y;
  return onCurve(P256, x, y) ? both(Uint8Array.of(4), both(bytes32(x), bytes32(y))) : null;
}
