// Runs test files side by side, so many at once as the first argument says: most of them wait for the clock of a
// controller or for a browser. Those that take longest begin first; else the last of them would run alone at the end.
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** The longest first; what is not here takes less than half a minute, and comes after them in the order given. */
const LONGEST = [
  'tests/browser/beacon-late.test.mjs',
  'tests/edge/versions.test.mjs',
  'tests/edge/receivers.test.mjs',
  'tests/browser/stranger-site.test.mjs',
  'tests/console/quality.test.mjs',
  'tests/browser/beacon.test.mjs',
  'tests/edge/stranger-failures.test.mjs',
  'tests/edge/plans-by-hand.test.mjs',
  'tests/console/rehearse.test.mjs',
  'tests/browser/old-builds.test.mjs',
  'tests/edge/adoption.test.mjs',
  'tests/console/commands.test.mjs',
  'tests/browser/messages.test.mjs',
  'tests/console/incident.test.mjs',
  'tests/edge/api.test.mjs',
  'tests/edge/etag.test.mjs',
  'tests/edge/judgement.test.mjs',
  'tests/edge/outbox.test.mjs',
  'tests/edge/keep.test.mjs',
  'tests/edge/stranger-verdicts.test.mjs',
];

const [concurrency, ...files] = process.argv.slice(2);
if (!(Number(concurrency) > 0) || files.length === 0) {
  console.error('usage: node scripts/run-tests.mjs <how many at once> <file>…');
  process.exit(2);
}
const gone = LONGEST.filter((file) => !existsSync(file));
if (gone.length > 0) {
  console.error(`scripts/run-tests.mjs lists ${gone.join(' and ')}, which is not there: take it off the list`);
  process.exit(2);
}
const place = (file) => (LONGEST.includes(file) ? LONGEST.indexOf(file) : LONGEST.length);
const ordered = files.toSorted((one, other) => place(one) - place(other)).map((file) => resolve(file));
run({ files: ordered, concurrency: Number(concurrency) })
  .on('test:fail', () => {
    process.exitCode = 1;
  })
  .compose(new spec())
  .pipe(process.stdout);
