// How bytes leave: validators and 304, gzip, ranges.
import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';

const WORTH_ZIPPING_BYTES = 512;

/**
 * Bytes with their type and their validator. Text has a weak one, since it may leave compressed;
 * anything else has a strong one, which ranges need.
 */
export function entity(content, type) {
  const body = Buffer.from(content);
  const text = /^text\/|json|svg/.test(type);
  const hash = createHash('sha256').update(body).digest('hex').slice(0, 16);
  return { body, type, etag: text ? `W/"${hash}"` : `"${hash}"`, zips: text && body.length >= WORTH_ZIPPING_BYTES };
}

export function json(res, status, value, headers = {}) {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store', ...headers });
  res.end(`${JSON.stringify(value)}\n`);
}

export function plain(res, status, text, headers = {}) {
  res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store', ...headers });
  res.end(`${text}\n`);
}

export function redirect(res, status, location) {
  plain(res, status, `See ${location}`, { Location: location });
}

/** Sends an entity: whole, as 304, or, where `ranges` is set, in part. */
export function send(req, res, { body, type, etag, zips }, { status = 200, headers = {}, ranges = false } = {}) {
  /** @type {Record<string, string>} */
  const common = { ...headers, ETag: etag };
  if (zips) common.Vary = 'Accept-Encoding';
  if (status === 200 && matches(req.headers['if-none-match'], etag)) return res.writeHead(304, common).end();
  common['Content-Type'] = type;
  if (ranges) {
    common['Accept-Ranges'] = 'bytes';
    const range = asked(req, etag, body.length);
    if (range !== undefined) return sendPart(res, body, range, common);
  }
  const zip = zips && /\bgzip\b/.test(req.headers['accept-encoding'] ?? '');
  if (zip) common['Content-Encoding'] = 'gzip';
  const bytes = zip ? gzipSync(body) : body;
  res.writeHead(status, { ...common, 'Content-Length': bytes.length }).end(bytes);
}

function sendPart(res, body, { start, end }, headers) {
  if (start > end) return res.writeHead(416, { ...headers, 'Content-Range': `bytes */${body.length}` }).end();
  const part = body.subarray(start, end + 1);
  const range = `bytes ${start}-${end}/${body.length}`;
  res.writeHead(206, { ...headers, 'Content-Range': range, 'Content-Length': part.length }).end(part);
}

function matches(ifNoneMatch, etag) {
  const opaque = (tag) => tag.trim().replace(/^W\//, '');
  return (ifNoneMatch ?? '').split(',').some((tag) => tag.trim() === '*' || opaque(tag) === opaque(etag));
}

/** The one range asked for; `undefined` for none, several, or one for another version. */
function asked(req, etag, length) {
  const [, first, last] = /^bytes=(\d*)-(\d*)$/.exec(req.headers.range ?? '') ?? [];
  if (first === undefined || first + last === '') return undefined;
  if ((req.headers['if-range'] ?? etag) !== etag) return undefined;
  if (first === '')
    return Number(last) === 0 ? { start: 1, end: 0 } : { start: Math.max(0, length - Number(last)), end: length - 1 };
  if (Number(first) >= length) return { start: 1, end: 0 };
  return { start: Number(first), end: last === '' ? length - 1 : Math.min(Number(last), length - 1) };
}
