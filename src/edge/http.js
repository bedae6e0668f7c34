// Requests and answers as one text each, and the changes that are asked for applied to them.
// Nothing here decides anything.

/** Applies changes to headers: lines of `-name`, `=name:value` or `+name:value`. */
export function apply(headers, edits) {
  for (const edit of edits.split("\n")) {
    const colon = edit.indexOf(":");
    if (edit[0] === "=") headers.set(edit.slice(1, colon), edit.slice(colon + 1));
    else if (edit[0] === "-") headers.delete(edit.slice(1));
    else if (edit[0] === "+") headers.append(edit.slice(1, colon), edit.slice(colon + 1));
  }
}

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

/** What the rules need of an answer, a line each: its status, then five headers. */
export function readResponse({ status, headers }) {
  const line = (name) => "\n" + (headers.get(name) ?? "");
  const location = (status >= 300 && status < 400) || status === 201 ? line("location") : "";
  return status + line("content-type") + line("cache-control") + line("expires") + line("connection") + location;
}

/** The answer with edited headers; the body passes through untouched. */
export function answer(response, edits) {
  const own = new Response(response.body, response);
  apply(own.headers, edits);
  return own;
}

/** Lets go of an answer that nobody will read. */
export function discard(response) {
  response.body?.cancel().catch(() => {});
}
