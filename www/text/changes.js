// Who changes a rollout, and what messages are. What was done comes in the server's words.

const ACTORS = { schedule: 'The schedule', guardrail: 'A guardrail', kv: 'An edit in KV' };
const KINDS = { alert: 'Alert', escalation: 'Escalation', checkin: 'Check-in', notice: 'Notice' };

export const actor = (name) => ACTORS[name] ?? name;
export const messageKind = (kind) => KINDS[kind] ?? kind;
