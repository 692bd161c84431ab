// Showing without network 离线出示: the phone makes keys that cannot leave it, the home signs an entry for each, and each
// showing uses one entry. The page with the chooser prepares; the empty page /wallet/offline shows, also with the network off.
import { base45, byteString, fromB64, join, toB64, uint32 } from "./offline-codec.js";
import { clock, phoneSigned, strip } from "./offline-check.js";
import { draw } from "./offline-qr.js";
import { all, drop, get, put, wipe } from "./offline-store.js";

const KEYS = 8, LIFE = 60, LONGEST = 300;
const $ = (selector, root = document) => root.querySelector(selector);
const here = () => Math.floor(Date.now() / 1000);

async function shortPoint(key) {
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", key));
  return join([2 | (raw[64] & 1)], raw.subarray(1, 33));
}

const form = $("form[data-prepare]");
if (form && window.indexedDB && crypto.subtle && navigator.serviceWorker) {
  form.hidden = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const said = $("[data-said]");
    said.textContent = "正在存";
    try {
      const pairs = [];
      for (let at = 0; at < KEYS; at++) pairs.push(await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]));
      const points = await Promise.all(pairs.map((one) => shortPoint(one.publicKey)));
      const fields = new URLSearchParams(new FormData(form));
      fields.set("keys", toB64(join(...points)));
      const answer = await fetch(form.action, { method: "POST", body: fields, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const made = await answer.json();
      const before = await get("held", "owner");
      if (before && before !== made.owner) await wipe();
      await put("held", "owner", made.owner);
      for (const one of await all("entries")) if (one.card === made.card) await drop("entries", one.id);
      for (const [at, one] of made.entries.entries()) {
        await put("entries", one.id, { id: one.id, card: made.card, cose: fromB64(one.cose), key: pairs[at].privateKey, until: made.until, used: 0 });
      }
      await put("cards", made.card, { id: made.card, name: made.name, hint: made.hint, seen: made.seen, until: made.until, ahead: made.at - here() });
      localStorage.setItem("offline", document.documentElement.dataset.mode || "on");
      await navigator.serviceWorker.register("/sw.js");
      // a worker that could not be installed is never ready, and nothing says so
      await Promise.race([navigator.serviceWorker.ready, new Promise((_, late) => { setTimeout(late, 10000); })]);
      location.assign("/wallet/offline");
    } catch {
      said.textContent = "没存成，请看看网络，再试一次";
    }
  }, true);
}

const wallet = $("[data-offline-wallet]");
if (wallet) {
  const list = $("[data-cards]"), empty = $("[data-empty]"), pass = $("[data-pass]");
  if (localStorage.getItem("offline") === "elder") document.documentElement.dataset.mode = "elder";
  let timer;

  const living = async () => {
    const now = here();
    for (const one of await all("entries")) if (one.until <= now) await drop("entries", one.id);
    for (const one of await all("cards")) if (one.until <= now) await drop("cards", one.id);
    const entries = await all("entries");
    return (await all("cards")).map((card) => ({ card, left: entries.filter((one) => one.card === card.id && !one.used) }));
  };

  const code = async (entry, ahead) => {
    const iat = here() + ahead, jti = crypto.getRandomValues(new Uint8Array(8));
    const signature = new Uint8Array(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, entry.key, await phoneSigned(entry.cose, iat, jti)));
    return "GZ1:" + base45(join([0x83], byteString(entry.cose), [0xa2, 0x06, 0x1a], uint32(iat), [0x07, 0x48], jti, byteString(signature)));
  };

  const stop = async () => { clearInterval(timer); pass.hidden = true; await show(); };

  const begin = async (card, entry) => {
    entry.used = here();
    await put("entries", entry.id, entry);
    list.hidden = true;
    pass.hidden = false;
    $("[data-name]").textContent = card.name;
    $("[data-hint]").textContent = card.hint;
    $("[data-seen]").textContent = card.seen.join("、");
    const opened = here();
    let made = 0;
    const turn = async () => {
      const now = here();
      if (now - opened >= LONGEST) { await stop(); return; }
      if (now - made >= LIFE - 1) {
        made = now;
        const text = await code(entry, card.ahead);
        draw($("svg.qr", pass), text);
        pass.dataset.code = text;
      }
      $("[data-left]", pass).textContent = Math.max(0, LIFE - 1 - (now - made));
      $("[data-now]", pass).textContent = strip(now);
    };
    await turn();
    timer = setInterval(turn, 1000);
    $("[data-name]").focus();
  };

  const show = async () => {
    const found = await living();
    list.hidden = false;
    list.replaceChildren(...found.map(({ card, left }) => {
      const item = $("template[data-card]").content.firstElementChild.cloneNode(true);
      $("[data-card-name]", item).textContent = card.name;
      $("[data-card-hint]", item).textContent = left.length ? `${card.hint}，能用到 ${clock(card.until)}，还能出示 ${left.length} 次` : `${card.hint}，次数用完了，联网后再存`;
      const button = $("button", item);
      button.hidden = !left.length;
      button.setAttribute("aria-label", `${card.name}，给人看`);
      button.addEventListener("click", () => begin(card, left[0]));
      return item;
    }));
    empty.hidden = found.length > 0;
    $("[data-wipe]").hidden = !found.length;
  };

  $("[data-stop]").addEventListener("click", stop);
  $("[data-wipe]").addEventListener("click", async () => { await wipe(); localStorage.removeItem("offline"); await show(); });
  $("[data-script]").hidden = true;
  show();
}
