// The controller's storage, for the wasm module. Nothing here decides anything.

/** The rows that a statement yields, each a list of its columns, as JSON. */
export function rows(context, statement, parameters) {
  return JSON.stringify(context.storage.sql.exec(statement, ...JSON.parse(parameters)).raw().toArray());
}

/** Runs statements, `[[statement, parameter, …], …]` as JSON: all of them or none. */
export function commit(context, statements) {
  context.storage.transactionSync(() => {
    for (const [statement, ...parameters] of JSON.parse(statements)) context.storage.sql.exec(statement, ...parameters);
  });
}

/** Wakes the controller at a time, in milliseconds since 1970. */
export function wakeAt(context, ms) {
  context.storage.setAlarm(ms).catch((error) => console.error(JSON.stringify({ tidegate: "alarm_unset", subject: "controller", message: String(error) })));
}

const WRITE_MS_MAX = 10_000;

/** Writes texts into KV, `[[key, text], …]` as JSON; resolves with what went wrong with each, or null. */
export async function writeTexts(env, pairs) {
  const write = async ([key, text]) => {
    let timer;
    const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error(`KV took longer than ${WRITE_MS_MAX} ms`)), WRITE_MS_MAX)));
    try {
      if (key) await Promise.race([text === null ? env.ROLLOUTS.delete(key) : env.ROLLOUTS.put(key, text), late]);
      return null;
    } catch (error) {
      return String(error?.message ?? error);
    } finally {
      clearTimeout(timer);
    }
  };
  return JSON.stringify(await Promise.all(JSON.parse(pairs).map(write)));
}
