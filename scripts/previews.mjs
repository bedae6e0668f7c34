// Pictures of messages as people get them: Slack's layout after its public rules, Teams' by Microsoft's own
// renderer of Adaptive Cards, mail as a browser shows it. Each is what `tidegate notify preview` prints.
// `node scripts/previews.mjs [FOLDER]`; without FOLDER into docs/images. In the environment: CHROMIUM,
// TIDEGATE_COMMAND.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { COMMAND } from './command.mjs';
import { slackPage } from './previews/slack.mjs';
import { teamsPage } from './previews/teams.mjs';

const FOLDER = process.argv[2] ?? 'docs/images';
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
const RENDERER = readFileSync('node_modules/adaptivecards/dist/adaptivecards.min.js', 'utf8');
/** What a night brings: what is wrong, what was done, and that it is over. */
const KINDS = (process.env.KINDS ?? 'alert,rollback,resolved').split(',');
/** 03:12 in Berlin. */
const AT = '2026-12-02T02:12:05Z';
const ALL =
  'notice stage checkin digest waiting blocked fault alert rollback escalation kill resolved report test'.split(' ');

/**
 * @param {string} channel
 * @param {string} kind
 */
const sent = (channel, kind) =>
  JSON.parse(
    execFileSync(COMMAND, ['--json', 'notify', 'preview', '--channel', channel, '--kind', kind, '--at', AT], {
      encoding: 'utf8',
    }),
  );

mkdirSync(FOLDER, { recursive: true });
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ['--no-sandbox', '--disable-gpu', '--hide-scrollbars'],
});
try {
  await picture('slack', slackPage(KINDS.map((kind) => JSON.parse(sent('slack', kind).body))), 720);
  await picture(
    'teams',
    teamsPage(
      KINDS.map((kind) => JSON.parse(sent('teams', kind).body)),
      RENDERER,
    ),
    720,
  );
  await picture('mail', mailPage([sent('mail', 'rollback').mail]), 720);
  // What the documents do not show is looked at all the same: a dark program, a phone, every kind.
  if (FOLDER !== 'docs/images') {
    const slack = (/** @type {string} */ kind) => JSON.parse(sent('slack', kind).body);
    await picture('mail-dark', mailPage([sent('mail', 'rollback').mail]), 720, 'dark');
    await picture('mail-kinds', mailPage(KINDS.map((kind) => sent('mail', kind).mail)), 720);
    await picture('slack-phone', slackPage([slack('rollback')]), 390);
    await picture('slack-kinds', slackPage(ALL.map(slack)), 720);
  }
} finally {
  await browser.close();
}

/**
 * A mail as a program shows it: its subject above it. A dark program without colours of its own turns those
 * of the mail round, which a filter does here.
 *
 * @param {{ subject: string, html: string }[]} mails
 */
function mailPage(mails) {
  const text = (/** @type {string} */ words) => words.replace(/[&<]/g, (c) => (c === '&' ? '&amp;' : '&lt;'));
  const frames = mails.map(
    ({ subject, html }) =>
      `<h2>${text(subject)}</h2><iframe srcdoc="${html.replace(/&/g, '&amp;').replace(/"/g, '&quot;')}"></iframe>`,
  );
  return `<!doctype html><meta charset="utf-8"><style>
    body { margin: 0; padding: 16px; font: 15px system-ui, sans-serif; background: #fff; color: #1b1f24; }
    h2 { font-size: 17px; margin: 12px 0; } iframe { border: 0; width: 100%; display: block; }
    @media (prefers-color-scheme: dark) { html { background: #000; } body { filter: invert(1) hue-rotate(180deg); } }
  </style>${frames.join('')}<script>
    for (const frame of document.querySelectorAll('iframe')) {
      frame.onload = () => { frame.style.height = frame.contentDocument.documentElement.scrollHeight + 'px'; };
    }
  </script>`;
}

/**
 * @param {string} name
 * @param {string} html
 * @param {number} width
 * @param {'light' | 'dark'} [colorScheme]
 */
async function picture(name, html, width, colorScheme = 'light') {
  const page = await browser.newPage({ viewport: { width, height: 400 }, colorScheme });
  page.on('pageerror', (error) => {
    throw error;
  });
  await page.setContent(html, { waitUntil: 'load' });
  await page.screenshot({ path: join(FOLDER, `message-${name}.png`), fullPage: true });
  await page.close();
}
