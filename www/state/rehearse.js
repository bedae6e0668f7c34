// The state of the page Rehearse, which it keeps for itself, so that nothing of it is loaded before it is
// opened. Pure like the console's: texts and answers come in events.

/** @import { Plan } from '../../types/api.js' */
/** @import { Problem } from './events.js' */
/**
 * @import {
 *   Amount, Asked, Checked, Comparison, Fate, Happened, Outline, Point, Progress, RehearseEvent, Report, Source, Summary,
 *   Track
 * } from './rehearse-events.js'
 */
/**
 * @typedef {object} Run
 * @property {'running' | 'done' | 'stopped' | 'failed'} status
 * @property {Asked} asked
 * @property {Outline[]} rollouts
 * @property {Source | null} source
 * @property {Point[]} points
 * @property {Comparison[]} comparisons
 * @property {Happened[]} events
 * @property {Progress | null} progress
 * @property {number} start_ms
 * @property {Report | null} report
 * @property {string | null} problem
 * @property {number | null} took_ms
 */
/**
 * @typedef {object} Many
 * @property {'running' | 'done' | 'stopped' | 'failed'} status
 * @property {number} wanted
 * @property {Fate[]} fates
 * @property {Summary | null} summary
 * @property {string | null} problem
 */
/**
 * @typedef {object} Rehearse
 * @property {{ status: 'loading' | 'ready' | 'failed', problem: string | null }} engine
 * @property {{ status: 'loading' | 'ready' | 'failed', plans: Plan[], problem: Problem | null }} deployed
 * @property {Source | null} source null before one is chosen
 * @property {string} plan
 * @property {string} scenario
 * @property {Record<Amount, number | null> & { rollout: string | null }} settings
 * @property {number} edition grows with each change of what is asked for; a check answers for one of them
 * @property {Checked | null} checked
 * @property {number} checkedEdition
 * @property {Run | null} run
 * @property {Many | null} many
 */

/** Runs in the background. */
export const MANY = 100;

/** @type {Rehearse} */
export const initial = {
  engine: { status: 'loading', problem: null },
  deployed: { status: 'loading', plans: [], problem: null },
  source: null,
  plan: '',
  scenario: 'approve everything\n',
  settings: { subjects: null, requests_per_hour: null, seed: null, rollout: null },
  edition: 0,
  checked: null,
  checkedEdition: -1,
  run: null,
  many: null,
};

/**
 * @param {Rehearse} state
 * @param {RehearseEvent} event
 * @returns {Rehearse}
 */
export function reduce(state, event) {
  switch (event.type) {
    case 'engine':
      return { ...state, engine: { status: event.status, problem: event.problem ?? null } };
    case 'deployed':
      return {
        ...state,
        deployed: {
          status: event.problem ? 'failed' : 'ready',
          plans: event.plans ?? [],
          problem: event.problem ?? null,
        },
      };
    case 'choosePlan':
      return changed({
        ...state,
        source: event.source,
        plan: event.text,
        settings: { ...state.settings, rollout: event.rollout ?? null },
      });
    case 'editPlan':
      return changed({ ...state, plan: event.text, source: state.source?.kind === 'own' ? state.source : OWN });
    case 'editScenario':
      return changed({ ...state, scenario: event.text });
    case 'addLine':
      return changed({ ...state, scenario: withLine(state.scenario, event.line) });
    case 'removeLine':
      return changed({
        ...state,
        scenario: state.scenario
          .split('\n')
          .filter((_, index) => index !== event.index)
          .join('\n'),
      });
    case 'setSetting':
      return changed({ ...state, settings: { ...state.settings, [event.name]: event.value } });
    case 'checked':
      return event.edition === state.edition
        ? { ...state, ...settled(state, event.answer), checkedEdition: event.edition }
        : state;
    case 'begin':
      return {
        ...state,
        many: null,
        run: {
          status: 'running',
          asked: event.asked,
          rollouts: state.checked?.rollouts ?? [],
          source: state.source,
          points: [],
          comparisons: [],
          events: [],
          progress: null,
          start_ms: 0,
          report: null,
          problem: null,
          took_ms: null,
        },
      };
    case 'shown':
      return state.run?.status === 'running' ? { ...state, run: grown(state.run, event) } : state;
    case 'ended':
      return state.run
        ? {
            ...state,
            run: {
              ...state.run,
              status: event.report.over ? 'done' : 'stopped',
              report: event.report,
              took_ms: event.took_ms,
            },
          }
        : state;
    case 'failed':
      return state.run ? { ...state, run: { ...state.run, status: 'failed', problem: event.problem } } : state;
    case 'beginMany':
      return { ...state, many: { status: 'running', wanted: MANY, fates: [], summary: null, problem: null } };
    case 'fates':
      return state.many?.status === 'running'
        ? { ...state, many: { ...state.many, fates: [...state.many.fates, ...event.fates] } }
        : state;
    case 'summary':
      return state.many ? { ...state, many: { ...state.many, summary: event.summary } } : state;
    case 'endedMany':
      return state.many
        ? {
            ...state,
            many: {
              ...state.many,
              status: 'status' in event ? event.status : 'failed',
              problem: 'status' in event ? null : event.problem,
            },
          }
        : state;
    default:
      return state;
  }
}

/** @type {Source} */
const OWN = { kind: 'own', name: 'plan.toml', title: 'your own plan' };

/** @param {Rehearse} state */
const changed = (state) => ({ ...state, edition: state.edition + 1 });

/**
 * A plan of several rollouts is rehearsed for one of them: the one asked for, else the first.
 * @param {Rehearse} state
 * @param {Checked} checked
 */
function settled(state, checked) {
  const keys = checked.rollouts.map(({ key }) => key);
  const { rollout } = state.settings;
  const wanted = keys.length < 2 ? null : rollout !== null && keys.includes(rollout) ? rollout : keys[0];
  return { checked, settings: wanted === rollout ? state.settings : { ...state.settings, rollout: wanted } };
}

/** @type {(text: string, line: string) => string} */
const withLine = (text, line) => `${text === '' || text.endsWith('\n') ? text : `${text}\n`}${line}\n`;

/**
 * @param {Run} run
 * @param {{ progress: Progress, tracks: Track[], events: Happened[] }} news
 * @returns {Run}
 */
function grown(run, { progress, tracks, events }) {
  const [track] = tracks;
  return {
    ...run,
    progress,
    start_ms: progress.start_ms,
    comparisons: track.comparisons,
    points: run.points.concat(track.points),
    events: run.events.concat(events),
  };
}

/**
 * What the simulation is asked, with its own numbers where nobody has set one.
 * @param {Pick<Rehearse, 'plan' | 'scenario' | 'settings' | 'checked'>} state
 * @returns {Asked}
 */
export function askedOf({ plan, scenario, settings, checked }) {
  const limits = checked?.limits;
  /** @param {Amount} name */
  const number = (name) => settings[name] ?? limits?.[name].default;
  const rollout = settings.rollout ? { rollout: settings.rollout } : {};
  const wanted = limits
    ? { subjects: number('subjects'), requests_per_hour: number('requests_per_hour'), seed: number('seed') }
    : {};
  return { plan, scenario, settings: { ...wanted, ...rollout } };
}

/**
 * Whether what is asked for is known to be sound.
 * @param {Rehearse} state
 */
export const isSound = (state) =>
  state.source !== null && state.checkedEdition === state.edition && Boolean(state.checked?.ok);

/**
 * The outline of the rollout that counts.
 * @param {Outline[] | undefined} rollouts
 * @param {string | null | undefined} key
 */
export const outlineOf = (rollouts, key) => rollouts?.find((rollout) => rollout.key === key) ?? rollouts?.[0] ?? null;
