// Where the command `tidegate` lies: what TIDEGATE_COMMAND names, else the newer one of the build for use
// (`make build`) and the build that the native tests leave, which has the same sources sooner.
import { statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = ['release', 'debug'].map((profile) =>
  fileURLToPath(new URL(`../target/${profile}/tidegate`, import.meta.url)),
);
/** @param {string} file */
const builtAt = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

export const COMMAND = process.env.TIDEGATE_COMMAND ?? built.reduce((a, b) => (builtAt(b) > builtAt(a) ? b : a));
