import { build, files, version } from '$service-worker';

const CACHE = `shell-${version}`;

self.addEventListener('install', (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([...build, ...files])));
});
self.addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  event.respondWith(caches.match(event.request).then((kept) => kept ?? fetch(event.request)));
});
