// Checking a code without network 离线核对: the same steps and words as the server's (docs/presentation.md), with what this
// device holds: keys of the directory, marks of ended credentials, types, and the purpose of this window.
import { byteString, fromB64, fromBase45, fromCbor, join, uint32 } from "./offline-codec.js";
import { hmacSm3, p256Point, sm2Verify } from "./offline-gm.js";

const CLAIM = -65537, LIFE = 60, SKEW = 30, ENTRY = 24 * 3600, OLDEST = 24 * 3600, DAY = 86400;
const SIGNATURE1 = new TextEncoder().encode("Signature1");
const words = new TextEncoder();
const ofCose = (head, payload) => join([0x84, 0x6a], SIGNATURE1, byteString(head), [0x40], byteString(payload));
const same = (a, b) => a.length === b.length && a.every((one, at) => one === b[at]);
const bytes = (value, length) => value instanceof Uint8Array && (!length || value.length === length);

class Bad extends Error {}
const must = (good, why) => { if (!good) throw new Bad(why); };

function opened(text) {
  let message = fromCbor(fromBase45(text.slice(4)));
  let phone = null;
  if (message.length === 3) {
    const [entry, said, signature] = message;
    must(bytes(entry) && said instanceof Map && said.size === 2 && bytes(said.get(7), 8) && bytes(signature, 64), "malformed");
    phone = { entry, iat: said.get(6), jti: said.get(7), signature };
    must(Number.isSafeInteger(phone.iat) && phone.iat >= 0 && phone.iat < 2 ** 32, "malformed");
    message = fromCbor(entry);
  }
  must(Array.isArray(message) && message.length === 4, "malformed");
  const [head, open, payload, signature] = message;
  must(bytes(head) && open instanceof Map && !open.size && bytes(payload) && bytes(signature, 64), "malformed");
  const header = fromCbor(head);
  must(header.size === 2 && header.get(1) === CLAIM && bytes(header.get(4)), "malformed");
  return { phone, head, payload, signature, kid: new TextDecoder().decode(header.get(4)) };
}

export async function phoneSigned(entry, iat, jti) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", entry));
  const payload = join([0xa3, 0x06, 0x1a], uint32(iat), [0x07, 0x48], jti, [0x3a, 0, 1, 0, 1, 0x58, 0x20], digest);
  return ofCose(Uint8Array.of(0xa1, 0x01, 0x26), payload);
}

async function phoneHolds(phone, short) {
  const point = bytes(short) && p256Point(short);
  if (!point) return false;
  const how = { name: "ECDSA", namedCurve: "P-256" };
  const key = await crypto.subtle.importKey("raw", point, how, false, ["verify"]).catch(() => null);
  return key !== null && crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key, phone.signature, await phoneSigned(phone.entry, phone.iat, phone.jti));
}

// What a code says once its signatures and times hold; throws Bad(reason) with the server's reasons.
async function read(text, held, now) {
  must(text.startsWith("GZ1:"), "not_ours");
  must(text.length <= 2400, "malformed");
  let parts, body, claim;
  try { parts = opened(text); } catch { throw new Bad("malformed"); }
  const home = parts.kid.split("/")[0];
  const key = held.keys[parts.kid];
  must(key && (key.until === null || now < key.until), "unknown_key");
  must(sm2Verify(fromB64(key.point), ofCose(parts.head, parts.payload), parts.signature), "bad_signature");
  try {
    body = fromCbor(parts.payload);
    claim = body.get(CLAIM);
    must(bytes(claim.get(5), 16) && bytes(body.get(7), 8) && claim.get(6) instanceof Map && Number.isSafeInteger(claim.get(8)), "malformed");
  } catch { throw new Bad("malformed"); }
  const shortKey = claim.get(12);
  must(body.get(1) === home && (shortKey === undefined) === (parts.phone === null), "bad_signature");
  const begin = body.get(6), end = body.get(4);
  const shown = {
    home, issuer: claim.get(1), orgName: claim.get(3), typeCode: claim.get(4), opaque: claim.get(5), attributes: claim.get(6),
    state: claim.get(7), stateAt: claim.get(8), until: claim.get(9), purpose: claim.get(10), mark: claim.get(11), signedAt: begin,
    offline: parts.phone !== null, jti: body.get(7), issuedAt: begin, endsAt: end,
  };
  if (!parts.phone) {
    must(now <= end && end > begin && end - begin <= LIFE, "too_old");
    must(begin <= now + SKEW, "not_yet");
    return shown;
  }
  must(await phoneHolds(parts.phone, shortKey), "bad_signature");
  const last = Math.min(parts.phone.iat + LIFE, end);
  must(now <= last && end > begin && end - begin <= ENTRY && parts.phone.iat >= begin - SKEW, "too_old");
  must(parts.phone.iat <= now + SKEW, "not_yet");
  return { ...shown, jti: parts.phone.jti, issuedAt: parts.phone.iat, endsAt: last };
}

// The lists as they came, each checked against its issuer's key; a false one is left out.
export function lists(sent, keys) {
  const found = {};
  for (const one of sent) {
    const key = keys[one.kid];
    if (!key || !sm2Verify(fromB64(key.point), words.encode(one.body), fromB64(one.signature))) continue;
    const said = JSON.parse(one.body);
    if (said.issuer === one.kid.split("/")[0]) found[said.issuer] = said;
  }
  return found;
}

// The newest that is known of the state: [code, Unix seconds], from the code itself or from its issuer's marks.
function known(shown, list) {
  if (!list || !shown.mark || list.at / 1000 <= shown.stateAt) return [shown.state, shown.stateAt];
  const packed = fromB64(list.days[Math.floor(shown.signedAt / DAY)] || "");
  for (let at = 0; at < packed.length; at += 17) {
    if (same(hmacSm3(packed.subarray(at, at + 16), shown.opaque).subarray(0, 8), shown.mark)) return [packed[at + 16], list.at / 1000];
  }
  return [shown.state, shown.state === 1 ? list.at / 1000 : shown.stateAt];
}

const two = (value) => String(value).padStart(2, "0");
const china = (seconds) => new Date(seconds * 1000 + 8 * 3600e3);
export const strip = (seconds) => { const at = china(seconds); return [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()].map(two).join(":"); };
export const clock = (seconds) => { const at = china(seconds); return `${at.getUTCMonth() + 1} 月 ${at.getUTCDate()} 日 ${two(at.getUTCHours())}:${two(at.getUTCMinutes())}`; };
export const age = (seconds) => {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  return minutes < 60 ? `${minutes} 分钟` : minutes < 2880 ? `${Math.floor(minutes / 60)} 小时` : `${Math.floor(minutes / 1440)} 天`;
};
const day = (text) => { const [year, month, date] = text.split("-").map(Number); return `${year} 年 ${month} 月 ${date} 日`; };
const AGAIN = "“请您点一下换新码，我再扫一次。”码过了 60 秒或者用过一次就作废，截图不行。";
const PAPER = "“这个码核对不上，请出示实体证件。”别扣对方证件。";
const WRONG = {
  malformed: ["false", "不是有效的码", "码不完整，或者被改过", "“这个码读不出来，请您打开亮证页面，再出示一次。”"],
  not_ours: ["false", "不是亮证的码", "扫到的是别的码，没有打开它", "“请您在手机里点‘亮证’，出示那一页的码。”"],
  bad_signature: ["false", "不是真的", "签名对不上，码被改过或者是假的", PAPER],
  too_old: ["used", "码过期了", "出示码只管 60 秒", AGAIN],
  not_yet: ["unknown", "时间对不上", "这台设备的钟慢了，请先校准时间", "请先把时间调成自动，再扫一次。"],
  used: ["used", "码用过了", "一个码只能核对一次", AGAIN],
};

function fieldsOf(shown, held) {
  const kind = held.types[shown.typeCode];
  const purpose = held.purpose;
  if (!kind || !purpose || (shown.purpose !== "any" && shown.purpose !== purpose.id)) return [];
  return (purpose.fields[kind.name] || []).flatMap((key) => {
    const found = Object.entries(kind.fields).find(([label, field]) => field.key === key && shown.attributes.has(Number(label)));
    return found ? [{ key, name: found[1].name, value: found[1].kind === "date" ? day(shown.attributes.get(Number(found[0]))) : shown.attributes.get(Number(found[0])) }] : [];
  });
}

// What to do with a valid one, in the server's words: [reason, what to say].
function advice(shown, held, name, fields) {
  const { purpose } = held, kind = held.types[shown.typeCode];
  if (!purpose) return [`${name}，本机没登记，不显示内容`, "只能看到有效不有效。"];
  if (shown.purpose !== "any" && shown.purpose !== purpose.id) {
    const meant = (held.purposes || {})[shown.purpose] || "别的用途";
    return [`${name}，对方选的是给${meant}看`, `“您选的是给${meant}看，请换一个再出示一次。”对方可以不同意。`];
  }
  if (!kind || !purpose.fields[kind.name]) return [`${name}，和本用途无关`, "这张证不在本用途能看的范围里，内容没有显示。"];
  const named = Object.fromEntries(Object.values(kind.fields).map((one) => [one.key, one.name]));
  const seen = new Set(fields.map((one) => one.key));
  const missing = ((purpose.required || {})[kind.name] || []).filter((key) => !seen.has(key) && named[key]).map((key) => named[key]).join("、");
  if (missing) return [`${name}，还差${missing}`, `“请您换一个出示范围，这次办事还要看${missing}。”对方可以不同意。`];
  return [`${name}，可以办`, `看一眼本人，对上就能办。对方只给了这 ${fields.length} 项，别的不用问。`];
}

// The verdict: {kind, code, headline, reason, type, lines: [[name, value]…], say, told: what to tell the home later or null}.
// `held`: what the node gave, with `lists` checked; `taken(jti)`: true when this device has taken the code before.
export async function check(text, held, now, taken) {
  let shown;
  try {
    shown = await read(text.trim(), held, now);
    must(held.nodes[shown.issuer], "unknown_key");
    must(!(await taken(shown)), "used");
  } catch (why) {
    if (!(why instanceof Bad)) throw why;
    if (why.message === "unknown_key") {
      return { kind: "unknown", code: "unknown_key", headline: "现在不能确认", reason: "签名的单位不在这台设备的资料里", type: "", fields: [], told: null,
        lines: [["资料是什么时候的", `${clock(held.at)}，${age(now - held.at)}前`]], say: "请联网更新资料，再扫一次。" };
    }
    const [kind, headline, reason, say] = WRONG[why.message];
    return { kind, code: why.message, headline, reason, type: "", fields: [], lines: [], say, told: null };
  }
  const kind = held.types[shown.typeCode];
  const name = kind ? kind.name : "证照";
  const list = held.lists[shown.issuer];
  const [state, at] = known(shown, list);
  const today = china(now).toISOString().slice(0, 10);
  const over = state === 1 && shown.until && today > shown.until;
  const fields = fieldsOf(shown, held);
  const told = held.purpose ? { home: shown.home, opaque: shown.opaque, jti: shown.offline ? shown.jti : null, at: now, fields: fields.map((one) => one.name) } : null;
  const base = { type: name, fields: [], told: told && { ...told, fields: [] } };
  const listed = ["状态清单", list ? `${held.nodes[shown.issuer]}的，${clock(list.at / 1000)}，${age(now - list.at / 1000)}前` : "这台设备没有"];
  const how = [["怎么核对的", "本机没有联网，按存下的资料核对"], ...(shown.offline ? [["怎么出示的", "离线出示，手机没有联网"]] : []), listed];
  if (over) {
    return { ...base, kind: "expired", code: "expired", headline: "过期了", reason: `${day(shown.until)}到期`,
      lines: [["证照", name], ["谁发的", `${shown.orgName}，签名是真的`], ...how], say: "“您这张电子证照到期了。带实体证件也能办，或者先在手机里换新。”" };
  }
  if (state !== 1) {
    return { ...base, kind: "revoked", code: String(state), headline: held.states[state] || "不能使用", reason: "发证单位说不能用",
      lines: [["证照", name], ["谁定的", shown.orgName], ["什么时候知道的", clock(at)], ...how], say: "“这张电子证照不能用了。请拿实体证件来，或打 12345 问。”别扣对方证件。" };
  }
  if (now - at > OLDEST) {
    return { ...base, kind: "unknown", code: "stale", headline: "现在不能确认", reason: `状态从 ${clock(at)} 起查不到，不是证件有问题`,
      lines: [["证照", name], ["签名", `是真的，${shown.orgName}`], ["最后知道的", `有效，${clock(at)}`], ...how], say: "请联网更新资料再扫，或者请对方出示实体证件。" };
  }
  const [reason, say] = advice(shown, held, name, fields);
  return { kind: "valid", code: "valid", headline: "有效", reason, type: name, fields, told,
    lines: [...fields.map((one) => [one.name, one.value]), ["谁发的", `${shown.orgName}，签名是真的`], ["有效期至", shown.until ? day(shown.until) : "长期"], ["最后知道的", `有效，${clock(at)}，${age(now - at)}前`], ...how], say };
}
