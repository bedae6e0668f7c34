// What happens in the console: the events that its reducers and controllers take, and no others. A name
// that is not here would be a silent no-op, so it is an error of types.
import type {
  Problem as ApiProblem,
  Assignment,
  CommandName,
  ConfigFault,
  Entry,
  Message,
  Metrics,
  Outbox,
  Rollout,
  Session,
  Tried,
} from '../../types/api.js';
import type { Explained } from './history.js';

/** What went wrong: the API's problem document, or one that the console made in its place. */
export type Problem = Pick<ApiProblem, 'detail'> & Partial<Omit<ApiProblem, 'type' | 'detail'>> & { type?: string };

/** A command that a dialog can be of. */
export type Command = CommandName;

/** What was typed in a dialog: numbers are text until they are sent. */
export type Form = {
  reason: string;
  percentage: string;
  stage: string;
  to: 'off' | 'previous' | 'percentage';
  item: string;
  typed: string;
};

/** What the address says. */
export type Route = {
  view: 'list' | 'rehearse' | 'outbox' | 'missing' | 'rollout';
  key: string | null;
  revision?: number;
};

export type Since = '30m' | '2h' | '24h' | '7d' | '90d';
export type HistoryFilter = 'all' | 'changes' | 'alerts';
export type FlagColumn = 'key' | 'percentage' | 'phase' | 'health' | 'since';

/** What the server has said. `at` and `sentAt` are of the server's clock, in milliseconds since 1970. */
type Answer =
  | { type: 'contact'; at: number }
  | { type: 'lost'; at: number; problem: Problem }
  | { type: 'rollouts'; items: Rollout[]; faults: ConfigFault[]; plans: unknown; sentAt: number; at: number }
  | { type: 'rollout'; key: string; view: Rollout; etag: string; sentAt: number; at: number }
  | { type: 'noRollout'; key: string; problem: Problem }
  | { type: 'metrics'; key: string; since: Since; endpoint: string | null; data: Metrics; at: number }
  | { type: 'noMetrics'; key: string; problem: Problem }
  | { type: 'history'; key: string; items: Explained[]; before: number | null; isOlder: boolean }
  | { type: 'messages'; key: string; items: Message[]; before: string | null; isOlder: boolean }
  | { type: 'noHistory'; key: string; problem: Problem }
  | { type: 'outbox'; view: Outbox; sentAt: number; at: number }
  | { type: 'noOutbox'; problem: Problem }
  | { type: 'sentAgain' }
  | { type: 'explained'; key: string; id: string; answer: Assignment }
  | { type: 'unexplained'; key: string; id: string; problem: Problem };

/** Who one is. */
type OfSession =
  | { type: 'signIn'; token: string }
  | { type: 'signOut' }
  | ({ type: 'session' } & Session)
  | { type: 'noSession'; problem?: Problem }
  | { type: 'sessionEnded'; byAccess?: boolean };

/** A command, from the button to what became of it. */
type OfCommand =
  | { type: 'ask'; command: Command; item?: string }
  | { type: 'askAll'; command: 'kill' | 'revive' | 'note' }
  | { type: 'shortcuts' }
  | { type: 'edit'; fields: Partial<Form> }
  | { type: 'foretelling' }
  | { type: 'forecast'; tried: Tried | null; problem: Problem | null }
  | { type: 'confirm' }
  | { type: 'sending'; id: string }
  | { type: 'refused'; problem: Problem }
  | { type: 'unknown'; problem: Problem }
  | { type: 'decideAgain' }
  | { type: 'done'; command: Command; key?: string; entry?: Entry }
  | { type: 'close' };

/** What somebody looks at, and how. */
type OfView =
  | ({ type: 'route' } & Route)
  | { type: 'clock'; now: number }
  | { type: 'refresh' }
  | { type: 'filter'; text: string }
  | { type: 'filterFlags'; text: string }
  | { type: 'sortFlags'; column: FlagColumn }
  | { type: 'filterHistory'; filter: HistoryFilter }
  | { type: 'loadOlder' }
  | { type: 'chooseSince'; since: Since }
  | { type: 'chooseEndpoint'; endpoint: string | null }
  | { type: 'explain'; id: string }
  | { type: 'sendAgain'; id: string }
  | { type: 'testChannel'; channel: string; rollout: string }
  | { type: 'toast'; id: string; text: string; tone?: Tone }
  | { type: 'dismiss'; id: string };

export type Tone = 'good' | 'warn' | 'bad';

export type Event = Answer | OfSession | OfCommand | OfView;
export type Dispatch = (event: Event) => void;
