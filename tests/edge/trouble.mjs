// The worker as it was built, with trouble where a test wants it: the binding TROUBLE names what is wrong.
// - `hang`: the controller answers no call for a minute
// - `trap`: whatever the wasm module reads of the environment breaks it, as a panic would, but without the words of one
const ENTRY = `
import worker, { Controller as Built } from './index.js';

const broken = (env) => new Proxy(env, {
  get(target, name) {
    if (name === 'BEACON_PATH' || name === 'ADMIN_TOKENS') throw new Error('a trap for the tests');
    return target[name];
  },
});

export default {
  fetch: (request, env, context) => worker.fetch(request, env.TROUBLE === 'trap' ? broken(env) : env, context),
};

export class Controller extends Built {
  async call(text) {
    if (this.env.TROUBLE === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000));
    return super.call(text);
  }
}`;

/** The worker's modules with a way into trouble. */
export const withTrouble = (modules) => [{ type: 'ESModule', path: 'trouble.js', contents: ENTRY }, ...modules];
