// One state, one way to change it. `dispatch` reduces at once, renders once per frame, and then hands
// the event to the controllers, which do what it asks for and dispatch what comes of it.

/** `later` puts a function off to the next frame. */
export function createStore({ initial, reduce, render, later }) {
  let state = initial;
  let isRendering = false;
  const controllers = [];

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

  return { dispatch, getState: () => state, use: (controller) => controllers.push(controller) };
}
