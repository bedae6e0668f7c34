// The crossings into JavaScript, one for each step of a request, since each costs more than the
// work done on its other side. Nothing here decides anything.

// The runtime hands the URL over as it was sent, but normalises it when it fetches. Routing by one
// and fetching the other would let `/shop/%2e%2e/admin` pass for `/shop`. Most are plain already.
const PLAIN_URL = /^https?:\/\/[a-z0-9.-]+(?::\d+)?\/[\w\-~!$&()*+,;=:@%?./]*$/;
const ODD_URL = /\/\.|%2e|:443\/|:80\//i;

/** Method, URL and headers as one text: a line each, header lines as `name:value`. */
export function readRequest(request) {
  let { url } = request;
  if (!PLAIN_URL.test(url) || ODD_URL.test(url)) url = new URL(url).href;
  let text = request.method + "\n" + url;
  for (const [name, value] of request.headers) text += "\n" + name + ":" + value;
  return text;
}

function apply(headers, edits) {
  for (const edit of edits.split("\n")) {
    const colon = edit.indexOf(":");
    if (edit[0] === "=") headers.set(edit.slice(1, colon), edit.slice(colon + 1));
    else if (edit[0] === "-") headers.delete(edit.slice(1));
    else if (edit[0] === "+") headers.append(edit.slice(1, colon), edit.slice(colon + 1));
  }
}

/** Sends the client's request to another URL with edited headers; 0 ms is no limit. */
export function forward(request, url, edits, timeoutMs) {
  const upstream = new Request(url, request);
  apply(upstream.headers, edits);
  const answered = fetch(upstream);
  return timeoutMs > 0 ? inTime(answered, timeoutMs) : answered;
}

// A race and not an AbortSignal: a signal would cut a slow body too, and costs a second copy of the
// request.
function inTime(answered, timeoutMs) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => {
      reject(new Error(`no headers within ${timeoutMs} ms`));
      answered.then(discard, () => {});
    }, timeoutMs);
  });
  return Promise.race([answered, late]).finally(() => clearTimeout(timer));
}

const READ = ["content-type", "cache-control", "expires", "connection", "location"];

/** What the rules need of an answer: its status, then the headers of READ, a line each. */
export function readResponse(response) {
  let text = String(response.status);
  for (const name of READ) text += "\n" + (response.headers.get(name) ?? "");
  return text;
}

/** The answer with edited headers; the body passes through untouched. */
export function answer(response, edits) {
  const own = new Response(response.body, response);
  apply(own.headers, edits);
  return own;
}

/** An answer of our own. */
export function plain(status, headers, body) {
  const response = new Response(body, { status });
  apply(response.headers, headers);
  return response;
}

/** Lets go of an answer that nobody will read. */
export function discard(response) {
  response.body?.cancel().catch(() => {});
}

export function hasBody(request) {
  return request.body !== null;
}

export function country(request) {
  return request.cf?.country;
}

export function text(env, name) {
  const value = env[name];
  return typeof value === "string" ? value : undefined;
}

/** The values of up to 100 keys, in their order; undefined where a key does not exist. */
export async function readTexts(env, keys) {
  const values = await env.ROLLOUTS.get(keys, { cacheTtl: 30 });
  return keys.map((key) => values.get(key) ?? undefined);
}

/** The value of a key as bytes. */
export async function readBytes(env, key) {
  const value = await env.ROLLOUTS.get(key, { type: "arrayBuffer", cacheTtl: 60 });
  return value === null ? undefined : new Uint8Array(value);
}

const COPY_URL = "https://tidegate.invalid/configuration";

/** The private copy of the configuration in this place's cache, for when KV cannot be read. */
export async function loadCopy() {
  const cache = await caches.open("tidegate");
  return (await cache.match(COPY_URL))?.text();
}

export async function saveCopy(copy) {
  const cache = await caches.open("tidegate");
  await cache.put(COPY_URL, new Response(copy, { headers: { "cache-control": "max-age=604800" } }));
}

/** Whether a promise is fulfilled within so many milliseconds; it goes on all the same. */
export async function isFulfilledWithin(promise, ms) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, ms, false)));
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
