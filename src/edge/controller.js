// The controller's Durable Object. The wasm module decides and acts; this passes on what comes in.
import { DurableObject } from 'cloudflare:workers';
import { module, noteTrap } from './module.js';

/** @import { Env, Gate } from '../../types/edge.js' */

/** @extends {DurableObject<Env>} */
export class Controller extends DurableObject {
  #flushes = 0;
  #isTiming = false;

  /**
   * @param {DurableObjectState} context
   * @param {Env} env
   */
  constructor(context, env) {
    super(context, env);
    this.#run((gate) => gate.controllerOpened());
  }

  /**
   * Answers the API: a call in JSON, a reply in JSON.
   * @param {string} text
   */
  call(text) {
    return this.#run((gate) => gate.controllerCall(this.ctx, this.env, text));
  }

  /**
   * Answers an isolate: a flush in JSON, an answer in JSON.
   * @param {string} text
   */
  flush(text) {
    this.#time();
    return this.#run((gate) => gate.controllerFlush(this.ctx, this.env, text));
  }

  async alarm() {
    await this.#run((gate) => gate.controllerAlarm(this.ctx, this.env));
  }

  /**
   * Measures what flushes cost. The clock stands still while something is worked out, so it is read again
   * when the event loop has come round: in between lies what was answered meanwhile.
   */
  #time() {
    this.#flushes += 1;
    if (this.#isTiming) return;
    this.#isTiming = true;
    const [before, since] = [this.#flushes - 1, Date.now()];
    setTimeout(() => {
      this.#isTiming = false;
      module().controllerTook(this.ctx, this.env, Date.now() - since, this.#flushes - before);
    }, 0);
  }

  /**
   * @template T
   * @param {(gate: Gate) => T | Promise<T>} act
   */
  async #run(act) {
    try {
      return await act(module());
    } catch (error) {
      if (error instanceof WebAssembly.RuntimeError) noteTrap('controller', error);
      throw error;
    }
  }
}
