// A visitor with a browser's habits: cookies by path, conditions for what is kept, `Origin` and
// `Referer`, redirects resolved against the address that was asked for. Every exchange is written down.
import assert from 'node:assert/strict';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { open, pairs, value, values } from '../edge/wire.mjs';

const BROWSER = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36',
  'Accept-Language': 'en',
  'Accept-Encoding': 'gzip, br',
};
/** What a body that comes in parts may take between the first and the last one to count as streamed. */
const STREAMED_MS = 300;

export class Visitor {
  #cookies = new Map();
  #kept = new Map();
  #server;
  #headers;
  /** What was asked and answered, in order. */
  transcript = [];

  /**
   * - `server`: where the requests go, `{ origin, host, scheme }` as in wire.mjs
   * - `site`: the address by which the visitor knows the site, such as `https://shop.example.com`
   * - `base`: the path under which the visitor knows it
   * - `headers`: what a proxy in front adds to each request
   */
  constructor({ server, site, base = '', headers = {}, cookies = {} }) {
    Object.assign(this, { site, base });
    this.#server = server;
    this.#headers = headers;
    for (const [name, text] of Object.entries(cookies)) this.#cookies.set(name, { text, path: '/' });
    this.at = `${site}${base}/`;
  }

  /** The address of a path of the site. */
  #url(path) {
    return new URL(path.startsWith('/') ? this.base + path : path, this.at);
  }

  cookie(name) {
    return this.#cookies.get(name)?.text;
  }

  #cookieHeader(path) {
    const sent = [...this.#cookies].filter(([, cookie]) => isUnder(path, cookie.path));
    return sent.length === 0 ? {} : { Cookie: sent.map(([name, { text }]) => `${name}=${text}`).join('; ') };
  }

  #keepCookies(headers, url) {
    for (const line of values(headers, 'set-cookie')) {
      const [first, ...rest] = line.split(';').map((part) => part.trim());
      const [name, text] = [first.slice(0, first.indexOf('=')), first.slice(first.indexOf('=') + 1)];
      const attributes = new Map(rest.map((part) => part.split('=')).map(([key, of = '']) => [key.toLowerCase(), of]));
      const domain = attributes.get('domain');
      if (domain !== undefined && domain.replace(/^\./, '') !== url.hostname) continue;
      const ends = attributes.get('max-age') === '0' || Date.parse(attributes.get('expires')) < Date.now();
      if (ends) this.#cookies.delete(name);
      else this.#cookies.set(name, { text, path: attributes.get('path') ?? '/' });
    }
  }

  /** Sends a request under a name; the answer is written down and returned. */
  async ask(name, path, { method = 'GET', headers = {}, body, revalidate = false, kind = 'data' } = {}) {
    const url = this.#url(path);
    const kept = revalidate ? this.#kept.get(url.href) : undefined;
    const asked = {
      ...BROWSER,
      ...this.#headers,
      ...this.#cookieHeader(url.pathname),
      ...headers,
      ...(kept?.etag === undefined ? {} : { 'If-None-Match': kept.etag }),
      ...(kept?.modified === undefined ? {} : { 'If-Modified-Since': kept.modified }),
    };
    const { origin, host, scheme } = this.#server;
    const answer = await open(origin, url.pathname + url.search, { method, headers: pairs(asked), body, host, scheme });
    const { bytes, isStreamed } = await read(answer.stream);
    const entry = {
      name,
      kind,
      method,
      url: url.href,
      status: answer.status,
      statusText: answer.statusText,
      headers: answer.headers,
      body: bytes,
      isStreamed,
    };
    entry.get = (header) => value(entry.headers, header);
    entry.text = decoded(bytes, entry.get('content-encoding')).toString('utf8');
    this.transcript.push(entry);
    this.#keepCookies(answer.headers, url);
    if (answer.status === 200)
      this.#kept.set(url.href, { etag: entry.get('etag'), modified: entry.get('last-modified') });
    return entry;
  }

  /** Goes to a page, as by a link on the one before. */
  async visit(name, path, options = {}) {
    const url = this.#url(path);
    const answer = await this.ask(name, path, {
      kind: 'page',
      ...options,
      headers: { ...NAVIGATION, Referer: this.at, ...options.headers },
    });
    this.at = url.href;
    return answer;
  }

  /** Sends a form from the page that the visitor is on. */
  async submit(name, path, fields, options = {}) {
    const body =
      typeof fields === 'string' || Buffer.isBuffer(fields) ? fields : new URLSearchParams(fields).toString();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded', Origin: this.site, ...options.headers };
    return this.visit(name, path, { method: 'POST', ...options, body, headers });
  }

  /** A request of a page's script. */
  async fetch(name, path, options = {}) {
    const isPost = options.method !== undefined && !['GET', 'HEAD'].includes(options.method);
    return this.ask(name, path, {
      ...options,
      headers: {
        Accept: '*/*',
        ...metadata('empty', 'cors'),
        Referer: this.at,
        ...(isPost ? { Origin: this.site } : {}),
        ...options.headers,
      },
    });
  }

  /** A part of a page. */
  async load(name, path, dest, options = {}) {
    return this.ask(name, path, {
      kind: 'asset',
      ...options,
      headers: { Accept: '*/*', ...metadata(dest, 'no-cors'), Referer: this.at, ...options.headers },
    });
  }

  /** Goes where an answer redirects, which must be on the site. */
  async follow(name, answer) {
    const location = answer.get('location');
    assert.ok(
      location !== undefined,
      `${answer.name}: ${answer.status} without a Location: ${answer.text.slice(0, 300)}`,
    );
    const target = new URL(location, answer.url);
    assert.equal(target.origin, this.site, `${answer.name} sends the visitor to ${target}, which is not the site`);
    return this.visit(name, target.href);
  }
}

const NAVIGATION = {
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'Upgrade-Insecure-Requests': '1',
  ...metadata('document', 'navigate'),
  'Sec-Fetch-User': '?1',
};

function metadata(dest, mode) {
  return { 'Sec-Fetch-Dest': dest, 'Sec-Fetch-Mode': mode, 'Sec-Fetch-Site': 'same-origin' };
}

function isUnder(path, prefix) {
  return path === prefix || path.startsWith(prefix.endsWith('/') ? prefix : `${prefix}/`);
}

function decoded(bytes, coding) {
  if (bytes.length === 0) return bytes;
  return { gzip: gunzipSync, br: brotliDecompressSync }[coding]?.(bytes) ?? bytes;
}

async function read(stream) {
  const chunks = [];
  let first;
  for await (const chunk of stream) {
    first ??= performance.now();
    chunks.push(chunk);
  }
  return { bytes: Buffer.concat(chunks), isStreamed: first !== undefined && performance.now() - first > STREAMED_MS };
}

/** A form as a browser encodes it where it may hold files; this one holds a file if `bytes` are given. */
export function multipart(field, name, bytes, fields = {}) {
  const boundary = '----WebKitFormBoundaryTidegate0000001';
  const text = Object.entries(fields).map(
    ([key, of]) => `--${boundary}\r\nContent-Disposition: form-data; name="${key}"\r\n\r\n${of}\r\n`,
  );
  const file =
    bytes === undefined
      ? []
      : [
          `--${boundary}\r\nContent-Disposition: form-data; name="${field}"; filename="${name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
          bytes,
          '\r\n',
        ];
  return {
    headers: { 'Content-Type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([...text, ...file, `--${boundary}--\r\n`].map((part) => Buffer.from(part))),
  };
}
