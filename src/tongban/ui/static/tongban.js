// Progressive parts of every page. Nothing here is needed to finish an errand: see ux.md 6.1.
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const reduced = matchMedia("(prefers-reduced-motion: reduce)").matches;

// The error summary takes the focus, so that a screen reader says it first.
const summary = document.querySelector("[data-focus]");
if (summary) summary.focus();

// Copy a number 复制
for (const button of $$("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const words = button.querySelector("span");
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      words.textContent = "复制好了";
    } catch {
      words.textContent = "请长按复制";
    }
    setTimeout(() => { words.textContent = "复制"; }, 4000);
  });
}

// A field for files says its words in Chinese
if ($$(".fld.file > input[type=file]").length) import("./file-field.js");

// A menu that is wider than the screen shows where one is
for (const here of $$(".st-side [aria-current]")) here.parentElement.scrollLeft = here.offsetLeft - 16;

// One submission a page 防重复提交: the server takes a second one safely, this only saves the wait.
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) { event.preventDefault(); return; }
  form.dataset.sent = "1";
  const button = event.submitter;
  if (!button || form.id === "display") return;
  button.setAttribute("aria-busy", "true");
  const wide = button.classList.contains("btn");
  if (wide) {
    button.dataset.words = button.innerHTML;
    button.textContent = button.dataset.busy || "正在提交";
  }
  if ("file" in form.dataset) setTimeout(rest, 3000); // the answer is a file: the page stays, and nothing says when it came
});
const rest = () => {
  for (const form of $$("form[data-sent]")) delete form.dataset.sent;
  for (const button of $$("[aria-busy]")) {
    button.removeAttribute("aria-busy");
    if (button.dataset.words) button.innerHTML = button.dataset.words;
  }
};
addEventListener("pageshow", (event) => {
  rest();
  // a page that must not be seen again (a code, a form already sent) is asked for anew after Back
  if (event.persisted && document.querySelector("[data-fresh],[data-countdown]")) location.reload();
});

// The window is not looked at: hide the code 切走就遮住
const guarded = $$("[data-hide-on-blur]");
const cover = (hidden) => { for (const one of guarded) one.classList.toggle("covered", hidden); };
if (guarded.length) {
  document.addEventListener("visibilitychange", () => cover(document.hidden));
  addEventListener("blur", () => cover(true));
  addEventListener("focus", () => cover(false));
}

// Count-down to the next code 倒计时; said aloud only when the code changes. It counts from the page's own arrival.
for (const box of $$("[data-countdown]")) {
  const whole = Number(box.dataset.countdown);
  const bar = box.querySelector("i");
  const left = box.querySelector("[data-left]");
  const began = performance.now();
  const tick = () => {
    const rest = Math.max(0, Math.ceil(whole - (performance.now() - began) / 1000));
    left.textContent = rest;
    if (bar) bar.style.width = `${(100 * rest) / whole}%`;
    if (rest > 0) return;
    clearInterval(timer);
    if (!box.dataset.renew) return;
    if (document.hidden) document.addEventListener("visibilitychange", () => location.replace(box.dataset.renew), { once: true });
    else location.replace(box.dataset.renew);
  };
  const timer = setInterval(tick, 250);
  tick();
}
for (const one of $$("[data-clock]")) {
  const said = one.textContent.trim().split(":").map(Number);
  let offset = 0;
  if (said.length === 3 && said.every(Number.isFinite)) {
    const now = new Date();
    const here = now.getHours() * 3600 + now.getMinutes() * 60 + now.getSeconds();
    offset = (said[0] * 3600 + said[1] * 60 + said[2] - here) * 1000;
  }
  setInterval(() => {
    const now = new Date(Date.now() + offset);
    one.textContent = [now.getHours(), now.getMinutes(), now.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
  }, reduced ? 5000 : 1000);
}
// Keep the screen on while a code shows 屏幕常亮
if (guarded.length && navigator.wakeLock) navigator.wakeLock.request("screen").catch(() => {});

// Read aloud 朗读: the main content in order, a sentence at a time, never by itself.
const voice = window.speechSynthesis;
const skip = "script,style,noscript,[hidden],[aria-hidden=true],.cta,.vh.no-read";
function sentences(root) {
  const found = [];
  const blocks = $$("h1,h2,h3,p,li,dt,dd,legend,label,td,th,figcaption", root);
  const leaves = blocks.filter((one) => !one.closest(skip) && !blocks.some((other) => other !== one && one.contains(other)));
  for (const one of leaves) {
    const digits = one.dataset.digits;
    const text = digits ? [...digits].join(" ") : one.textContent.replace(/\s+/g, " ").trim();
    if (text) found.push([one, text]);
  }
  return found;
}
function read(button) {
  if (voice.speaking) { voice.cancel(); return; }
  const words = button.querySelector("span") || button;
  const first = words.textContent;
  const only = button.dataset.read && document.querySelector(button.dataset.read);
  const queue = only ? [[only, only.dataset.digits ? [...only.dataset.digits].join(" ") : only.textContent]] : sentences(document.querySelector("main"));
  button.setAttribute("aria-pressed", "true");
  const stop = () => { button.setAttribute("aria-pressed", "false"); words.textContent = first; };
  if (words !== button) words.textContent = "停";
  const next = () => {
    const [one, text] = queue.shift() || [];
    if (!one) { stop(); return; }
    const said = new SpeechSynthesisUtterance(text);
    said.lang = "zh-CN";
    said.rate = document.documentElement.dataset.mode === "elder" ? 0.85 : 1;
    said.onstart = () => one.classList.add("reading");
    said.onend = () => { one.classList.remove("reading"); next(); };
    said.onerror = () => { one.classList.remove("reading"); queue.length = 0; stop(); };
    voice.speak(said);
  };
  next();
}
if (voice) {
  for (const button of $$("[data-read]")) {
    button.hidden = false;
    button.addEventListener("click", () => read(button));
  }
  addEventListener("pagehide", () => voice.cancel());
}

// The mode or size changes in the middle of a form 换版本: what is typed and not yet saved waits in this tab, and is taken out at once.
const display = document.getElementById("display");
const waits = `typed:${location.pathname}`;
const questions = () => $$("main form[method=post] :is(input,select,textarea)").filter((one) => one.name && !/hidden|file|password|submit/.test(one.type));
const ticked = (one) => /radio|checkbox/.test(one.type);
if (display) {
  display.addEventListener("submit", () => {
    const typed = questions().map((one) => [one.name, one.value, ticked(one) ? one.checked : null]);
    if (typed.length) sessionStorage.setItem(waits, JSON.stringify(typed));
  });
}
const typed = sessionStorage.getItem(waits);
if (typed) {
  sessionStorage.removeItem(waits);
  const kept = JSON.parse(typed);
  for (const one of questions()) {
    const found = kept.find(([name, value]) => name === one.name && (!ticked(one) || value === one.value));
    if (!found) continue;
    if (ticked(one)) one.checked = found[2]; else one.value = found[1];
  }
  // a page with one question carries along what was typed for the others
  const alone = document.querySelector("form[data-one]");
  const here = new Set(alone ? [...alone.elements].map((one) => one.name) : []);
  for (const [name, value, on] of alone ? kept : []) {
    if (on === false || name.startsWith("_") || here.has(name)) continue;
    alone.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  }
}

// Elder mode says a choice back 复述
for (const echo of $$("[data-echo]")) {
  const group = document.getElementsByName(echo.dataset.echo);
  for (const one of group) one.addEventListener("change", () => {
    echo.hidden = false;
    echo.querySelector("b").textContent = one.closest("label").textContent.trim();
  });
}

// A clerk's clear screen 自动清屏
for (const one of $$("[data-leave]")) setTimeout(() => location.replace(one.dataset.leave), Number(one.dataset.after || 30) * 1000);

// Staff keys 快捷键: "/" to the search box, data-key on a link or button
if (document.documentElement.dataset.channel === "staff") {
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const one = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
    if (!one) return;
    event.preventDefault();
    if (one.matches("input:not([type=radio],[type=checkbox]),textarea,select")) one.focus(); else one.click();
  });
}

// Passkeys 通行密钥: the form shows itself where the browser can; its button asks the device and sends the answer.
if (window.PublicKeyCredential && window.isSecureContext) {
  for (const form of $$("form[data-passkey]")) {
    form.hidden = false;
    const go = form.querySelector("[data-passkey-go]");
    if (go) go.addEventListener("click", async (event) => {
      event.preventDefault();
      try {
        const answer = await fetch(form.dataset.passkey, { credentials: "same-origin" });
        if (!answer.ok) throw new Error("refused");
        const options = await answer.json();
        const key = "passkeyMake" in form.dataset
          ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
          : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
        form.elements.credential.value = JSON.stringify(key.toJSON());
        form.requestSubmit();
      } catch (error) {
        // the person said no, or the device has no key: the other ways stand below
        if (error.name === "NotAllowedError") return;
        // anything else the server says in words, when the form comes without a key
        form.elements.credential.value = "";
        form.requestSubmit();
      }
    });
  }
}

// The sign-in ends soon 快到时间: one line with 继续用, two minutes before; nothing typed is lost.
for (const line of $$("form[data-session-left]")) {
  let timer;
  const wait = (left) => {
    clearTimeout(timer);
    timer = setTimeout(() => { line.hidden = false; }, Math.max(0, left - Number(line.dataset.sessionWarn)) * 1000);
  };
  wait(Number(line.dataset.sessionLeft));
  line.addEventListener("submit", async (event) => {
    event.preventDefault();
    event.stopPropagation();
    const answer = await fetch(line.action, { method: "POST", body: new URLSearchParams(new FormData(line)), headers: { Accept: "application/json" } });
    if (!answer.ok) { location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search)); return; }
    line.hidden = true;
    wait((await answer.json()).left);
  }, true);
}

// Scan to log in 扫码登录: ask how it stands; the page itself comes anew when something happened.
for (const one of $$("[data-scan-state]")) {
  const ask = async () => {
    const answer = await fetch(one.dataset.scanState, { credentials: "same-origin" }).catch(() => null);
    const said = answer && answer.ok ? (await answer.json()).state : "waiting";
    if (said !== "waiting") location.reload(); else setTimeout(ask, 1500);
  };
  setTimeout(ask, 1500);
}
for (const form of $$("form[data-go-on]")) form.requestSubmit();

// Gesture 手势: the device's own key signs the page's challenge; points are drawn or typed.
const keys = () => new Promise((good, bad) => {
  const asked = indexedDB.open("tongban", 1);
  asked.onupgradeneeded = () => asked.result.createObjectStore("keys");
  asked.onsuccess = () => good(asked.result);
  asked.onerror = () => bad(asked.error);
});
const stored = async (mode, act) => {
  const store = (await keys()).transaction("keys", mode).objectStore("keys");
  return new Promise((good, bad) => { const asked = act(store); asked.onsuccess = () => good(asked.result); asked.onerror = () => bad(asked.error); });
};
const b64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
for (const form of window.crypto && crypto.subtle && window.indexedDB ? $$("form[data-device-key]") : []) {
  form.hidden = false;
  const typed = form.elements.gesture;
  const dots = $$("[data-dot]", form);
  const draw = () => { for (const dot of dots) dot.classList.toggle("on", typed.value.includes(dot.dataset.dot)); };
  const board = form.querySelector("[data-dots]");
  let drawing = false;
  board.addEventListener("pointerdown", (event) => { drawing = true; typed.value = ""; over(event); });
  const over = (event) => {
    if (!drawing) return;
    const dot = document.elementFromPoint(event.clientX, event.clientY)?.closest("[data-dot]");
    if (dot && !typed.value.includes(dot.dataset.dot)) { typed.value += dot.dataset.dot; draw(); }
  };
  board.addEventListener("pointermove", over);
  addEventListener("pointerup", () => { drawing = false; });
  typed.addEventListener("input", draw);
  form.addEventListener("submit", async (event) => {
    if (form.elements.signature.value) return;
    event.preventDefault();
    event.stopPropagation();
    let pair = await stored("readonly", (store) => store.get("device"));
    if (form.dataset.deviceKey === "make") {
      pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
      await stored("readwrite", (store) => store.put(pair, "device"));
      form.elements.public_key.value = b64(await crypto.subtle.exportKey("spki", pair.publicKey));
    }
    const text = new TextEncoder().encode(form.elements.challenge.value);
    form.elements.signature.value = pair ? b64(await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, text)) : "-";
    form.requestSubmit();
  }, true);
}

// Signed out here: what this phone holds for showing cards offline goes 退出就清掉.
if ("out" in document.documentElement.dataset && localStorage.getItem("offline")) {
  localStorage.removeItem("offline");
  indexedDB.deleteDatabase("tongban-offline");
}

// Kiosk 自助机: after a minute without a touch it asks; twenty seconds later it ends the session and goes home.
if (document.documentElement.dataset.channel === "kiosk") {
  let idle;
  let asking;
  const leave = () => {
    const end = document.getElementById("kiosk-end");
    if (end) end.requestSubmit(); else if (location.pathname !== "/") location.replace("/");
  };
  const ask = () => {
    asking = document.createElement("p");
    asking.className = "notice warn kio-ask";
    asking.setAttribute("role", "alert");
    asking.textContent = "还在用吗？点一下屏幕接着用，20 秒后自动结束。";
    document.querySelector("main").before(asking);
    idle = setTimeout(leave, 20000);
  };
  const wake = () => {
    clearTimeout(idle);
    if (asking) { asking.remove(); asking = null; }
    idle = setTimeout(ask, 60000);
  };
  for (const name of ["pointerdown", "keydown", "scroll"]) addEventListener(name, wake, { passive: true });
  wake();
}
