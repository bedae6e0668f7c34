// The sections of a rollout's page, in order. `column`: what one steers by stands on the left, what one
// watches on the right; on a phone the left comes first. Each is `{ mount(root, dispatch) }`, whose
// root is the section's element with its heading already in it; a section with nothing to say hides it.
import * as checklist from './checklist.js';
import * as explain from './explain.js';
import * as history from './history.js';
import * as ladder from './ladder.js';
import * as notes from './notes.js';
import * as plots from './plots.js';
import * as signals from './signals.js';
import * as verdicts from './verdicts.js';

export const SECTIONS = [
  { id: 'stages', title: 'Stages', column: 'left', mount: ladder.mount },
  { id: 'checklist', title: 'Checklist', column: 'left', mount: checklist.mount },
  { id: 'notes', title: 'Notes', column: 'left', mount: notes.mount },
  { id: 'explain', title: 'Explain a user', column: 'left', mount: explain.mount },
  { id: 'verdicts', title: 'Guardrails and gates', column: 'right', mount: verdicts.mount },
  { id: 'signals', title: 'Signals', column: 'right', mount: signals.mount },
  { id: 'plots', title: 'New vs legacy', column: 'right', mount: plots.mount },
  { id: 'history', title: 'History', column: 'right', mount: history.mount },
];
