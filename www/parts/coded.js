// A sentence in which `…` marks what is code, as the messages of the server and the simulation have it.
import { el } from './dom.js';

/** → nodes */
export const coded = (text) => text.split('`').map((part, index) => (index % 2 === 1 ? el('code', {}, part) : part));
