// Messages that the site shows to its users: each becomes an event of the window, `tidegate:message`.
// 1. Once for each user in this browser: the server gives a message another id for each of them, and the ids of those
//    that were shown are kept here. `preventDefault()` says that the page does not let go of it yet: it comes again with
//    the next page, until `detail.dismiss()`.
// 2. They are text. A link leads to a page or an address of the web, and to nothing else.
// 3. What is no message is passed over, and what comes again does nothing.
const KEY = 'tidegate:messages';
/** More ids are forgotten, the oldest first. */
const IDS_MAX = 50;
const LINK = /^(https?:\/\/|\/(?![/\\]))/i;
const isText = (value) => value === `${value}`;

/** Ids that this page has had, also where nothing can be kept. */
const had = new Set();

const kept = () => {
  try {
    const ids = JSON.parse(localStorage[KEY]);
    return Array.isArray(ids) ? ids : [];
  } catch {
    return [];
  }
};

const keep = (id) => {
  try {
    localStorage[KEY] = JSON.stringify([...kept().filter((own) => own !== id), id].slice(-IDS_MAX));
  } catch {}
};

/**
 * Shows the messages of an answer that are new, and adds them to those of the page.
 * @param {any} messages
 * @param {PageMessage[]} shown
 */
export const show = (messages, shown) => {
  const known = kept();
  for (const message of messages) {
    const { id, rollout, kind, title, text, link } = message ?? {};
    if (![id, rollout, kind, title, text].every(isText) || had.has(id) || known.includes(id)) continue;
    had.add(id);
    const detail = { id, rollout, kind, title, text, ...(LINK.test(link) && { link }), dismiss: () => keep(id) };
    shown.push(detail);
    // Listeners that throw do not reach this.
    if (dispatchEvent(new CustomEvent('tidegate:message', { detail, cancelable: true }))) keep(id);
  }
};
