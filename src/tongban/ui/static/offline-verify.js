// The verifier's page without network 离线核对: keys, marks of ended credentials and their ages are kept on this device; a code is
// scanned by gun, photo or camera, checked here, and told to the holder's home when there is network again.
import { age, check, clock, lists } from "./offline-check.js";
import { fromB64, toB64 } from "./offline-codec.js";
import { scan } from "./offline-scan.js";
import { all, drop, get, put, putNew } from "./offline-store.js";
import "./file-field.js";

const $ = (selector) => document.querySelector(selector);
const LARGEST = 1600, KEEP = 600;
const here = () => Math.floor(Date.now() / 1000);
let held = null;

async function load() {
  held = (await get("held", "verifier")) || null;
  if (held) held.lists = lists(held.ended, held.keys);
  const now = here(), said = $("[data-ages]"), form = $("[data-check]");
  form.hidden = !held;
  if (!held) { said.textContent = "这台设备还没有资料，请联网打开这一页一次"; return; }
  const known = Object.values(held.lists), oldest = Math.min(...known.map((one) => one.at / 1000));
  $("[data-unit]").textContent = held.unit || "还没登记的查验方";
  $("[data-purpose]").textContent = held.purpose ? `用途：${held.purpose.name}` : "没有登记，只能看到有效不有效";
  said.textContent = `资料是 ${clock(held.at)} 的，${age(now - held.at)}前。${known.length} 个地方的状态清单` + (known.length ? `，最旧的是 ${age(now - oldest)}前` : "");
  said.classList.toggle("warn", now - held.at > 86400);
  $("[data-waiting]").textContent = (await all("told")).length ? `有 ${(await all("told")).length} 次核对等联网后告诉持证人` : "";
}

async function refresh() {
  try {
    const answer = await fetch("/verify/offline/data.json", { credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    await put("held", "verifier", await answer.json());
    await tell();
  } catch { /* no network: what is held stays */ }
  await load();
}

async function tell() {
  for (const one of await all("told")) {
    const answer = await fetch("/verify/offline/told", { method: "POST", body: JSON.stringify(one), headers: { "Content-Type": "application/json" } });
    if (answer.ok) await drop("told", one.opaque + one.jti);
  }
}

async function taken(shown) {
  const now = here();
  for (const one of await all("seen")) if (one.until < now) await drop("seen", one.jti);
  const jti = toB64(shown.jti);
  return !(await putNew("seen", jti, { jti, until: shown.endsAt + KEEP }));
}

const CLASS = { valid: "", expired: "exp", used: "exp", revoked: "rev", false: "rev", unknown: "unk" };
const ICON = { valid: "check", expired: "clock", used: "clock", revoked: "stop", false: "stop", unknown: "warn" };
let clearing;

async function look(text) {
  const found = await check(text, held, here(), taken);
  if (found.told) {
    const one = { home: found.told.home, opaque: toB64(found.told.opaque), jti: found.told.jti ? toB64(found.told.jti) : "", at: found.told.at * 1000, fields: found.told.fields };
    await put("told", one.opaque + one.jti, one);
  }
  const box = $("[data-verdict]"), word = $("[data-word]");
  box.hidden = false;
  box.dataset.kind = found.kind;
  box.dataset.reason = found.code;
  const say = $("[data-say]");
  say.className = ("vd-say " + CLASS[found.kind]).trim();
  const use = say.querySelector("use");
  use.setAttribute("href", use.getAttribute("href").split("#")[0] + "#i-" + ICON[found.kind]);
  word.textContent = found.headline;
  $("[data-why]").textContent = found.reason;
  $("[data-advice]").textContent = found.say;
  $("[data-told]").hidden = !found.told;
  $("[data-lines]").replaceChildren(...[...found.lines, ["核对时间", clock(here())]].map(([name, value]) => {
    const row = document.createElement("div"), left = document.createElement("dt"), right = document.createElement("dd");
    left.textContent = name;
    right.textContent = value;
    row.append(left, right);
    return row;
  }));
  word.focus();
  clearTimeout(clearing);
  clearing = setTimeout(clear, 30000);
  await load();
}

function clear() {
  clearTimeout(clearing);
  $("[data-verdict]").hidden = true;
  for (const one of document.querySelectorAll("[data-word],[data-why],[data-advice]")) one.textContent = "";
  $("[data-lines]").replaceChildren();
  $("[data-check]").reset();
  $("#f-code").focus();
}

async function pixels(source, width, height) {
  const scale = Math.min(1, LARGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  pen.drawImage(source, 0, 0, canvas.width, canvas.height);
  return pen.getImageData(0, 0, canvas.width, canvas.height);
}

async function read(source, width, height) {
  if ("BarcodeDetector" in window) {
    const found = await new BarcodeDetector({ formats: ["qr_code"] }).detect(source).catch(() => []);
    if (found.length) return found[0].rawValue;
  }
  return scan(await pixels(source, width, height));
}

const form = $("[data-check]");
const wrong = (words) => { $("[data-wrong]").textContent = words; };

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  event.stopPropagation();
  wrong("");
  const photo = $("#f-photo").files[0], typed = $("#f-code").value.trim();
  if (typed) { await look(typed); return; }
  if (!photo) { wrong("扫一下对方的码，或者选一张照片"); return; }
  const bitmap = await createImageBitmap(photo).catch(() => null);
  const text = bitmap && await read(bitmap, bitmap.width, bitmap.height);
  if (text) await look(text); else wrong("照片里没找到二维码，可能太暗、太糊或者没拍全");
}, true);

const camera = $("[data-camera]"), video = $("video");
let stream;
function darken() { if (stream) for (const one of stream.getTracks()) one.stop(); stream = undefined; video.hidden = true; camera.textContent = "用摄像头扫"; }
if (navigator.mediaDevices?.getUserMedia) {
  camera.hidden = false;
  camera.addEventListener("click", async () => {
    if (stream) { darken(); return; }
    try { stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment", width: { ideal: 1280 } } }); } catch { wrong("摄像头打不开，可以拍照上传"); return; }
    video.srcObject = stream;
    video.hidden = false;
    camera.textContent = "关掉摄像头";
    await video.play();
    while (stream) {
      const text = await read(video, video.videoWidth, video.videoHeight);
      if (text) { darken(); await look(text); break; }
      await new Promise((next) => { setTimeout(next, 120); });
    }
  });
}

$("[data-next]").addEventListener("click", clear);
$("[data-refresh]").addEventListener("click", refresh);
addEventListener("online", refresh);
$("[data-script]").hidden = true;
if (navigator.serviceWorker) navigator.serviceWorker.register("/sw.js");
refresh();
