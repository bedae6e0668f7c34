// Boots the console: the store, the controllers and the frame. Nothing else happens here.
import { createClock } from './net/clock.js';
import { command } from './net/command.js';
import { explain } from './net/explain.js';
import { history } from './net/history.js';
import { takeToken } from './net/link.js';
import { metrics } from './net/metrics.js';
import { outbox } from './net/outbox.js';
import { poll } from './net/poll.js';
import { session } from './net/session.js';
import { routeOf } from './state/route.js';
import { initial, reduce } from './state/state.js';
import { createStore } from './state/store.js';
import * as app from './views/app.js';

const CONTROLLERS = [session, poll, command, metrics, history, explain, outbox];

// Before anything else sees the address.
const token = takeToken();
const clock = createClock();
const store = createStore({
  initial: initial(),
  reduce,
  render: (state) => frame.update(state),
  later: (run) => requestAnimationFrame(run),
});
const { dispatch, getState } = store;
const frame = app.mount(document.querySelector('#app'), dispatch);
const follow = () => dispatch({ type: 'route', ...routeOf(location.hash) });
const moved = () => {
  const next = takeToken();
  follow();
  if (next !== null) dispatch({ type: 'signIn', token: next });
};
const tick = () => dispatch({ type: 'clock', now: clock.now() });

tick();
follow();
for (const controller of CONTROLLERS) store.use(controller({ dispatch, getState, clock, token }));
window.addEventListener('hashchange', moved);
setInterval(tick, 1_000);
