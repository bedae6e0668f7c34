// Boots the console: the store, the controllers and the frame. Nothing else happens here.
import { createClock } from './net/clock.js';
import { command } from './net/command.js';
import { explain } from './net/explain.js';
import { history } from './net/history.js';
import { metrics } from './net/metrics.js';
import { poll } from './net/poll.js';
import { session } from './net/session.js';
import { routeOf } from './state/route.js';
import { initial, reduce } from './state/state.js';
import { createStore } from './state/store.js';
import * as app from './views/app.js';

const CONTROLLERS = [session, poll, command, metrics, history, explain];

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
const tick = () => dispatch({ type: 'clock', now: clock.now() });

tick();
follow();
for (const controller of CONTROLLERS) store.use(controller({ dispatch, getState, clock }));
window.addEventListener('hashchange', follow);
setInterval(tick, 1_000);
