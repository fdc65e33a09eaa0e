// The service worker of an exported site: keeps all its files, each checked by its hash, so that it works offline.

const SITE = null; // {release, files: {name: integrity}}, written by the export
const ours = `planner ${registration.scope} `;
const kept = ours + SITE?.release;

addEventListener("install", (event) => event.waitUntil((async () => {
  const cache = await caches.open(kept);
  await Promise.all(Object.entries(SITE.files).map(async ([name, integrity]) => {
    const answer = await fetch(name, { integrity, cache: "no-cache" });
    if (!answer.ok) throw new Error(`${name}: ${answer.status}`);
    await cache.put(name, answer);
  }));
  await skipWaiting();
})()));

addEventListener("activate", (event) => event.waitUntil((async () => {
  const old = (await caches.keys()).filter((name) => name.startsWith(ours) && name !== kept);
  await Promise.all(old.map((name) => caches.delete(name)));
  await clients.claim();
})()));

addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  if (event.request.method !== "GET" || !url.href.startsWith(registration.scope)) return;
  const name = url.pathname.slice(new URL(registration.scope).pathname.length) || "index.html";
  event.respondWith((async () => (await (await caches.open(kept)).match(name)) ?? fetch(event.request))());
});
