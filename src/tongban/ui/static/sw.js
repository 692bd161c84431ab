// Service worker 离线外壳: two empty pages and their files, so that they open without network. No page with anybody's data is
// ever kept: what is shown offline comes from the phone's own store, and only there. FILES and SHELLS are written above by the server.
const CACHE = `shell-${VERSION}`;

addEventListener("install", (event) => {
  event.waitUntil((async () => {
    const cache = await caches.open(CACHE);
    await cache.addAll(FILES);
    // without cookies: a shell is the same for everybody
    for (const path of SHELLS) await cache.put(path, await fetch(path, { credentials: "omit" }));
    await skipWaiting();
  })());
});

addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
    await clients.claim();
  })());
});

addEventListener("fetch", (event) => {
  const { request } = event, url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== location.origin) return;
  if (url.pathname.startsWith("/static/")) {
    event.respondWith(caches.match(request, { ignoreVary: true }).then((found) => found || fetch(request)));
  } else if (request.mode === "navigate") {
    const shell = url.pathname.startsWith("/verify") ? "/verify/offline" : "/wallet/offline";
    event.respondWith(fetch(request).catch(() => caches.match(shell, { ignoreSearch: true, ignoreVary: true })));
  }
});
