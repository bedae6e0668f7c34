// The worker as it was built, with trouble where a test wants it: the binding TROUBLE names what is wrong.
// - `hang`: the controller answers no call for a minute
// - `trap`: the first step of a request breaks, as by a panic of the wasm module, but without the words of one
const ENTRY = `
import worker, { Controller as Built } from './index.js';

// The clock is read once for the module's first step, inside whatever catches its traps.
const trapped = async (request, env, context) => {
  const { now } = Date;
  Date.now = () => {
    Date.now = now;
    throw new Error('a trap for the tests');
  };
  return worker.fetch(request, env, context);
};

export default {
  fetch: (request, env, context) => (env.TROUBLE === 'trap' ? trapped : worker.fetch)(request, env, context),
};

export class Controller extends Built {
  async call(text) {
    if (this.env.TROUBLE === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000));
    return super.call(text);
  }
}`;

/** The worker's modules with a way into trouble. */
export const withTrouble = (modules) => [{ type: 'ESModule', path: 'trouble.js', contents: ENTRY }, ...modules];
