// The browser of the tests: Debian's Chromium, or the one that CHROMIUM names, which asks nothing of the network by
// itself; and axe.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const EXECUTABLE = process.env.CHROMIUM ?? '/usr/bin/chromium';
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The text of axe, to be run in a page whose context has `bypassCSP`. */
export const AXE = readFileSync(
  fileURLToPath(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url)),
  'utf8',
);

/** @param {{ args?: string[] } & Record<string, unknown>} more */
const options = ({ args = [], ...more } = {}) => ({ executablePath: EXECUTABLE, args: [...FLAGS, ...args], ...more });

/** Starts a browser; `more` are options of Playwright. */
export const launch = (more) => chromium.launch(options(more));

/** Starts a browser with a profile in this folder, for what needs one: extensions. */
export const launchWithProfile = (folder, more) => chromium.launchPersistentContext(folder, options(more));
