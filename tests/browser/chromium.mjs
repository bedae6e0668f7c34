// The browser of the tests: Debian's Chromium, or the one that CHROMIUM names, which asks nothing of the network by
// itself; and axe.
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const BROWSER = process.env.CHROMIUM ?? '/usr/bin/chromium';
/** The same engine without the browser's own windows: a test takes less than half of the work. */
const SHELL = '/usr/bin/chromium-headless-shell';
const ENGINE = process.env.CHROMIUM === undefined && existsSync(SHELL) ? SHELL : BROWSER;
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

/**
 * @param {string} executablePath
 * @param {{ args?: string[] } & Record<string, unknown>} more
 */
const options = (executablePath, { args = [], ...more } = {}) => ({
  executablePath,
  args: [...FLAGS, ...args],
  ...more,
});

/** Starts a browser; `more` are options of Playwright. */
export const launch = (more) => chromium.launch(options(ENGINE, more));

/** The same, as a whole browser, for what needs one: pages that come back from the cache of pages. */
export const launchWhole = (more) => chromium.launch(options(BROWSER, more));

/** Starts a whole browser with a profile in this folder, for what needs both: extensions. */
export const launchWithProfile = (folder, more) => chromium.launchPersistentContext(folder, options(BROWSER, more));
