// Whom messages go to: local servers that answer as a test has it and keep what they got.
import { createServer } from 'node:http';

/**
 * What a receiver got: when, and what of the request.
 * @typedef {{ at: number, method: string, path: string, headers: import('node:http').IncomingHttpHeaders, body: any }} Got
 * @typedef {(response: import('node:http').ServerResponse, got: Got) => void} Answer
 */

/** Takes what comes. @type {Answer} */
export const takes = (response) => response.writeHead(200).end('ok');

/**
 * Answers with a status.
 * @param {number} status
 * @param {Record<string, string>} [headers]
 * @returns {Answer}
 */
export const answers =
  (status, headers = {}) =>
  (response) =>
    response.writeHead(status, headers).end(`status ${status}`);

/** Never answers. @type {Answer} */
export const hangs = () => {};

/** Breaks the connection. @type {Answer} */
export const resets = (response) => response.socket.resetAndDestroy();

/**
 * A receiver on a port of its own.
 * @param {Answer} [answer]
 */
export async function startReceiver(answer = takes) {
  /** @type {Got[]} */
  const got = [];
  const receiver = { got, answer, url: '', close: () => Promise.resolve() };
  const server = createServer(async (request, response) => {
    const chunks = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      // Whoever sends it is gone: that is no delivery.
      return;
    }
    const text = Buffer.concat(chunks).toString('utf8');
    const { method, url, headers } = request;
    const one = { at: Date.now(), method, path: url, headers, body: parsed(text) };
    got.push(one);
    receiver.answer(response, one);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  receiver.url = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`;
  receiver.close = () =>
    new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  return receiver;
}

/** @param {string} text */
function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
