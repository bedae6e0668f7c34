// The controller's Durable Object, and those of relays, which have other names. The wasm module decides and acts; this
// passes on what comes in.
import { DurableObject } from 'cloudflare:workers';
import { module, noteTrap } from './module.js';

/** @import { Env, Gate } from '../../types/edge.js' */

/** @extends {DurableObject<Env>} */
export class Controller extends DurableObject {
  #flushes = 0;
  #isTiming = false;
  /** Whether it is a relay. */
  #isRelay;

  /**
   * @param {DurableObjectState} context
   * @param {Env} env
   */
  constructor(context, env) {
    super(context, env);
    this.#isRelay = !context.id.equals(env.CONTROLLER.idFromName('tidegate'));
    this.#run((gate) => (this.#isRelay ? gate.relayOpened(context.id.toString()) : gate.controllerOpened()));
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
    this.#time((gate, ms, flushes) => gate.controllerTook(this.ctx, this.env, ms, flushes));
    return this.#run((gate) => gate.controllerFlush(this.ctx, this.env, text));
  }

  /**
   * Answers an isolate, or a relay below, as the relay of this name.
   * @param {string} name
   * @param {string} text
   */
  relay(name, text) {
    this.#time((gate, ms, flushes) => gate.relayTook(this.ctx, this.env, name, ms, flushes));
    return this.#run((gate) => gate.relayFlush(this.ctx, this.env, name, text));
  }

  /**
   * Takes what comes unasked from above, as the relay of this name: an answer in JSON.
   * @param {string} name
   * @param {string} text
   */
  news(name, text) {
    return this.#run((gate) => gate.relayNews(this.ctx, this.env, name, text));
  }

  async alarm() {
    await this.#run((gate) =>
      this.#isRelay ? gate.relayAlarm(this.ctx, this.env) : gate.controllerAlarm(this.ctx, this.env),
    );
  }

  /**
   * Measures what flushes cost. The clock stands still while something is worked out, so it is read again
   * when the event loop has come round: in between lies what was answered meanwhile.
   * @param {(gate: Gate, ms: number, flushes: number) => void} took
   */
  #time(took) {
    this.#flushes += 1;
    if (this.#isTiming) return;
    this.#isTiming = true;
    const [before, since] = [this.#flushes - 1, Date.now()];
    setTimeout(() => {
      this.#isTiming = false;
      took(module(), Date.now() - since, this.#flushes - before);
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
