/*
 * The service worker: opens the app without a network.
 * Flow: install (the files of one build into one cache) -> wait -> activate (old caches go) -> answer from the cache.
 * Always true:
 * - a page and its scripts come from one build: both are answered from the cache that was filled as a whole;
 * - what the server answers (/v1, /docs, /metrics) never passes through here and is never kept;
 * - a new version takes over only when a page asks ("take-over"), and the files of the version before stay, since a tab of that
 *   version may still load a part of itself.
 * The build writes BUILD and FILES.
 */
const BUILD = "development";
const FILES = [];

const PREFIX = "sotto-";
const CACHE = PREFIX + BUILD;
/** Belongs to the server; `/` in front, so that a username cannot be mistaken for one. */
const NOT_OURS = /^\/(v1|docs|metrics|healthz|readyz)(\/|$)/;
/** Files whose name holds a hash of what is in them, and data that only ever grows: once here, good for ever. */
const KEPT = /^\/(assets|emoji)\//;

self.addEventListener("install", (event) => {
  event.waitUntil(
    caches.open(CACHE).then((cache) =>
      // The page itself must be this build's; hashed files may come from the browser's cache.
      Promise.all(FILES.map((file) => cache.add(new Request(file, { cache: KEPT.test(file) ? "default" : "reload" })))),
    ),
  );
});

self.addEventListener("activate", (event) => {
  event.waitUntil(
    (async () => {
      // Names come in the order of their making: the last one before ours is the version that tabs may still run.
      const others = (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CACHE);
      await Promise.all(others.slice(0, -1).map((name) => caches.delete(name)));
      await self.clients.claim();
    })(),
  );
});

self.addEventListener("message", (event) => {
  if (event.data === "take-over") self.skipWaiting();
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== self.location.origin || NOT_OURS.test(url.pathname)) return;
  if (request.mode === "navigate") {
    event.respondWith(page(request));
  } else if (KEPT.test(url.pathname)) {
    event.respondWith(keptFile(request));
  } else if (FILES.includes(url.pathname)) {
    event.respondWith(own(request));
  }
});

/** Every address of the app is one page. */
async function page(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match("/")) ?? fetch(request);
}

async function own(request) {
  const cache = await caches.open(CACHE);
  return (await cache.match(request, { ignoreSearch: true })) ?? fetch(request);
}

async function keptFile(request) {
  // Any version's cache: the name says what is in it.
  const known = await caches.match(request);
  if (known !== undefined) return known;
  const answer = await fetch(request);
  if (answer.ok) {
    const copy = answer.clone();
    const cache = await caches.open(CACHE);
    // A full disk must not lose the answer.
    await cache.put(request, copy).catch(() => undefined);
  }
  return answer;
}

/** A notification brings its conversation to the front. */
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  const path = typeof event.notification.data?.path === "string" ? event.notification.data.path : "/";
  event.waitUntil(
    (async () => {
      const pages = await self.clients.matchAll({ type: "window" });
      const open = pages.find((client) => client.visibilityState === "visible") ?? pages[0];
      if (open === undefined) {
        await self.clients.openWindow(path);
        return;
      }
      await open.focus();
      open.postMessage({ open: path });
    })(),
  );
});
