// One state, one way to change it. `dispatch` reduces at once, renders once per frame, and then hands
// the event to the controllers, which do what it asks for and dispatch what comes of it.

/**
 * `later` puts a function off to the next frame.
 * @template State, Event
 * @param {object} parts
 * @param {State} parts.initial
 * @param {(state: State, event: Event) => State} parts.reduce
 * @param {(state: State) => void} parts.render
 * @param {(run: () => void) => void} parts.later
 */
export function createStore({ initial, reduce, render, later }) {
  let state = initial;
  let isRendering = false;
  /** @type {((event: Event, state: State, before: State) => void)[]} */
  const controllers = [];

  /** @param {Event} event */
  function dispatch(event) {
    const before = state;
    state = reduce(state, event);
    if (state !== before && !isRendering) {
      isRendering = true;
      later(() => {
        isRendering = false;
        render(state);
      });
    }
    for (const controller of controllers) controller(event, state, before);
  }

  return {
    dispatch,
    getState: () => state,
    /** @param {(event: Event, state: State, before: State) => void} controller */
    use: (controller) => controllers.push(controller),
  };
}
