// Changes of a rollout in words, the same as in `tidegate history`.
import { percent } from './numbers.js';

const ACTORS = { schedule: 'The schedule', guardrail: 'A guardrail', kv: 'An edit in KV' };
const KINDS = {
  alert: 'Alert',
  escalation: 'Escalation',
  checkin: 'Check-in',
  notice: 'Notice',
  resolved: 'Resolved',
  digest: 'Digest',
  stage: 'Stage',
  rollback: 'Rollback',
  kill: 'Kill',
  waiting: 'Waits for a person',
  blocked: 'Blocked',
  fault: 'Fault',
  report: 'Report',
  test: 'Test',
};

export const actor = (name) => ACTORS[name] ?? name;
export const messageKind = (kind) => KINDS[kind] ?? kind;

/** What was done: `rolled it back to 0 %`. */
export function done(command) {
  const words = DONE[command.command];
  return words ? words(command) : command.command;
}

const fromKv = (text, { key, kv }) =>
  key ? `${text}: the key ${key} in KV` : kv === undefined ? text : `${text}: “${kv}” in KV`;

const DONE = {
  start: () => 'started it',
  advance: () => 'advanced it',
  set: (command) => fromKv(`set it to ${percent(command.percentage)}`, command),
  pause: () => 'paused it',
  resume: ({ stage }) => `resumed it${stage ? ` in ${stage}` : ''}`,
  rollback: ({ to = 'off' }) =>
    `rolled it back to ${to === 'off' ? '0 %' : to === 'previous' ? 'the stage before' : percent(to)}`,
  kill: (command) => fromKv('killed it', command),
  revive: (command) =>
    command.key ? `revived it: the key ${command.key} is gone from KV` : fromKv('revived it', command),
  approve: ({ item }) => `approved “${item}”`,
  complete: () => 'completed it',
  note: () => 'noted',
  apply: ({ plan }) => `applied the plans of revision ${plan}`,
  take_over: () => 'took it over as it was set through KV',
  release: () => 'released it: the rollouts before it have ended',
  wait: () => 'made it wait: a rollout before it runs again',
  end: () => 'ended it: the bake time of its last stage is over',
};
