// Does what the page's events ask for: loads the simulation, fetches the deployment's plans, checks
// what is written a moment after it was, runs, stops, and runs many.

import { askedOf, isSound, MANY } from '../state/rehearse.js';
import { fetchDeployed } from './deployed.js';
import { open } from './engine.js';

/** Long enough to go on typing. */
const CHECK_MS = 150;
/** Of many runs, the summary is made so often. */
const SUMMARY_MS = 300;

const TO_BE_CHECKED = new Set(['choosePlan', 'editPlan', 'editScenario', 'addLine', 'removeLine', 'setSetting']);

export function createController({ dispatch, getState }) {
  let engine = null;
  let timer;
  let current = null;
  let background = null;
  let loaded = Promise.resolve();
  let isStarting = false;

  async function load() {
    dispatch({ type: 'engine', status: 'loading' });
    try {
      engine = await open();
      dispatch({ type: 'engine', status: 'ready' });
      await check();
    } catch (error) {
      fail(error);
    }
  }

  function fail(error) {
    engine = null;
    dispatch({ type: 'engine', status: 'failed', problem: error.message });
  }

  async function check() {
    clearTimeout(timer);
    if (!engine || getState().source === null) return;
    const { edition } = getState();
    let answer;
    try {
      answer = await engine.check(askedOf(getState()));
    } catch (error) {
      return fail(error);
    }
    dispatch({ type: 'checked', edition, answer });
    // The plan has no such rollout any more, so another one has been chosen.
    if (edition === getState().edition && answer.settings.some(({ setting }) => setting === 'rollout')) await check();
  }

  /** A run that is asked for while the simulation loads or the texts are checked begins after that. */
  async function start() {
    if (isStarting || getState().source === null || getState().run?.status === 'running') return;
    isStarting = true;
    await loaded;
    while (engine && getState().checkedEdition !== getState().edition) await check();
    isStarting = false;
    if (engine && isSound(getState())) await run();
  }

  async function run() {
    background?.stop();
    background = null;
    const wanted = askedOf(getState());
    const begun = performance.now();
    dispatch({ type: 'begin', asked: wanted });
    current = engine.run(wanted, (news) => dispatch({ type: 'shown', ...news }));
    try {
      dispatch({ type: 'ended', report: await current.answer, took_ms: performance.now() - begun });
    } catch (error) {
      dispatch({ type: 'failed', problem: error.message });
    }
    current = null;
  }

  async function runMany() {
    const { run: last } = getState();
    if (!engine || !last?.report || getState().many?.status === 'running') return;
    dispatch({ type: 'beginMany' });
    let fates = [];
    let summarised = performance.now();
    const sum = async () => dispatch({ type: 'summary', summary: await engine.summary(fates) });
    const own = engine.many(last.asked, MANY, (found) => {
      fates = [...fates, ...found];
      dispatch({ type: 'fates', fates: found });
      if (performance.now() - summarised < SUMMARY_MS) return;
      summarised = performance.now();
      sum();
    });
    background = own;
    try {
      await own.answer;
      if (fates.length > 0 && background === own) await sum();
      if (background === own) dispatch({ type: 'endedMany', status: fates.length < MANY ? 'stopped' : 'done' });
    } catch (error) {
      dispatch({ type: 'endedMany', problem: error.message });
    }
  }

  return (event) => {
    if (event.type === 'open') {
      loaded = load();
      fetchDeployed().then((answer) => dispatch({ type: 'deployed', ...answer }));
    }
    if (event.type === 'loadAgain') loaded = load();
    if (event.type === 'run') start();
    if (event.type === 'stop') current?.stop();
    if (event.type === 'runMany') runMany();
    if (event.type === 'stopMany') background?.stop();
    if (event.type === 'choosePlan') check();
    else if (TO_BE_CHECKED.has(event.type)) {
      clearTimeout(timer);
      timer = setTimeout(check, CHECK_MS);
    }
  };
}
