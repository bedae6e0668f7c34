// The calendar of a plan, read by the parser that calendars are built on: nothing of it is lost or bent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import ICAL from 'ical.js';
import { COMMAND } from '../../scripts/command.mjs';

const PLANS = ['admin-workbench', 'staged', 'analytics-playbook', 'dark-launch'];
const path = (name) => fileURLToPath(new URL(`../../plans/${name}.toml`, import.meta.url));
const timeline = (name, ...options) =>
  execFileSync(COMMAND, ['timeline', path(name), ...options], { encoding: 'utf8', env: { ...process.env, TZ: 'UTC' } });

for (const name of PLANS) {
  test(`the calendar of ${name} has each event of its timeline, at its time and in its words`, () => {
    const text = timeline(name, '--ics');
    const { rollouts } = JSON.parse(timeline(name, '--json'));
    const events = new ICAL.Component(ICAL.parse(text)).getAllSubcomponents('vevent').map((own) => new ICAL.Event(own));
    const expected = rollouts.flatMap(({ rollout, events: own }) => own.map((event) => ({ rollout, ...event })));
    assert.equal(events.length, expected.length);
    assert.equal(new Set(events.map(({ uid }) => uid)).size, events.length, 'each event has an id of its own');
    // What a plan that is not started has ahead begins now, which is not the same moment for both calls.
    const near = (date, at) => Math.abs(date.toJSDate() - Date.parse(at)) < 60_000;
    for (const { rollout, id, at, until, title, detail } of expected) {
      const found = events.find(({ uid }) => uid.startsWith(`${rollout}-${id}@`));
      if (id.startsWith('freeze-') && !found) continue;
      assert.ok(found, `${rollout}-${id} is in the calendar`);
      assert.ok(near(found.startDate, at), `${id} begins at ${at}`);
      if (until) assert.ok(near(found.endDate, until), `${id} ends at ${until}`);
      assert.ok(found.summary.endsWith(title), `${found.summary} is ${title}`);
      if (detail) assert.ok(found.description.startsWith(detail), `${found.description} is ${detail}`);
    }
  });
}

test('its lines are as long as RFC 5545 allows, end as it says, and fold between characters', () => {
  const text = timeline('staged', '--ics');
  assert.ok(text.endsWith('END:VCALENDAR\r\n'));
  for (const line of text.slice(0, -2).split('\r\n')) {
    assert.ok(Buffer.byteLength(line) <= 75, line);
    assert.ok(!/[\r\n\uFFFD]/.test(line), line);
  }
  assert.ok(readFileSync(path('staged'), 'utf8').includes('…'), 'the plan has characters of several bytes');
  assert.ok(text.replaceAll('\r\n ', '').includes('Pilot results: …'));
});
