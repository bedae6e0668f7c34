// What a controller is: made once, with what it works on, and called after each event.
import type { Dispatch, Event } from '../state/events.js';
import type { State } from '../state/state.js';
import type { Clock } from './poll.js';

export type Means = {
  dispatch: Dispatch;
  getState(): State;
  clock: Clock;
  /** That of a link that signs in. */
  token: string | null;
};

/** `before` is the state before the event. */
export type Controller = (event: Event, state: State, before: State) => void;
