// What this device keeps for working without network 本机存的: keys and entries of a holder, or a verifier's lists. All in one database,
// which goes when nobody, or somebody else, is signed in (tongban.js).
export const NAME = "tongban-offline";
const SHELVES = ["cards", "entries", "held", "seen", "told"];

const asked = (request) => new Promise((good, bad) => { request.onsuccess = () => good(request.result); request.onerror = () => bad(request.error); });

let opening;
function database() {
  opening ??= new Promise((good, bad) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => { for (const one of SHELVES) request.result.createObjectStore(one); };
    request.onsuccess = () => { request.result.onversionchange = () => { request.result.close(); opening = undefined; }; good(request.result); };
    request.onerror = () => bad(request.error);
  });
  return opening;
}

const shelf = async (name, mode) => (await database()).transaction(name, mode).objectStore(name);
export const get = async (name, key) => asked((await shelf(name, "readonly")).get(key));
export const all = async (name) => asked((await shelf(name, "readonly")).getAll());
export const put = async (name, key, value) => asked((await shelf(name, "readwrite")).put(value, key));
export const drop = async (name, key) => asked((await shelf(name, "readwrite")).delete(key));

// Put it unless the key is there; false when it was. One transaction, so two scans at once have one winner.
export async function putNew(name, key, value) {
  const store = await shelf(name, "readwrite");
  return asked(store.add(value, key)).then(() => true, () => false);
}

export async function wipe() {
  for (const name of SHELVES) await asked((await shelf(name, "readwrite")).clear());
}
