// The controller's storage, for the wasm module. Nothing here decides anything.

/** @import { Env } from '../../types/edge.js' */

/**
 * The rows that a statement yields, each a list of its columns, as JSON.
 * @param {DurableObjectState} context
 * @param {string} statement
 * @param {string} parameters a list in JSON
 */
export function rows(context, statement, parameters) {
  return JSON.stringify([...context.storage.sql.exec(statement, ...JSON.parse(parameters)).raw()]);
}

/**
 * Runs statements, `[[statement, parameter, …], …]` as JSON: all of them or none.
 * @param {DurableObjectState} context
 * @param {string} statements
 */
export function commit(context, statements) {
  context.storage.transactionSync(() => {
    for (const [statement, ...parameters] of JSON.parse(statements)) context.storage.sql.exec(statement, ...parameters);
  });
}

/**
 * Wakes the controller at a time, in milliseconds since 1970.
 * @param {DurableObjectState} context
 * @param {number} ms
 */
export function wakeAt(context, ms) {
  context.storage
    .setAlarm(ms)
    .catch((error) =>
      console.error(JSON.stringify({ tidegate: 'alarm_unset', subject: 'controller', message: String(error) })),
    );
}

const WRITE_MS_MAX = 10_000;

/** @type {Set<string>} */
const late = new Set();

/** The keys of writes that came late, a line each, and each once. */
export function lateWrites() {
  const keys = [...late];
  late.clear();
  return keys.join('\n');
}

/**
 * Writes texts into KV, `[[key, text], …]` as JSON; resolves with what went wrong with each, or null.
 * @param {DurableObjectState} context
 * @param {Env} env
 * @param {string} pairs a null text deletes
 */
export async function writeTexts(context, env, pairs) {
  /** @param {[string, string | null]} pair */
  const write = async ([key, text]) => {
    if (!key) return null;
    let timer;
    const written = text === null ? env.ROLLOUTS.delete(key) : env.ROLLOUTS.put(key, text);
    const tooLong = new Promise((_, reject) => {
      timer = setTimeout(() => {
        reject(new Error(`KV took longer than ${WRITE_MS_MAX} ms`));
        const noteLate = () => {
          late.add(key);
          wakeAt(context, Date.now());
        };
        written.then(noteLate, () => {});
      }, WRITE_MS_MAX);
    });
    try {
      await Promise.race([written, tooLong]);
      return null;
    } catch (error) {
      return String(error?.message ?? error);
    } finally {
      clearTimeout(timer);
    }
  };
  return JSON.stringify(await Promise.all(JSON.parse(pairs).map(write)));
}
