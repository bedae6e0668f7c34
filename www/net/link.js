// A link that signs in, `#/sign-in?token=…`, as `make demo` prints it: for this machine alone, where the
// token opens nothing but a demo. On any other host such a link would let a stranger sign somebody in, or
// carry a real token through mails and logs, so it does nothing there. Either way the token leaves the
// address at once, and so the list of visited pages, the way back, and what is copied from the bar.
const LINK = /^#\/sign-in\?token=([^&]*)$/;

/** The token in an address; `''` where one may not be used, null where there is none. */
export function tokenIn({ hash, hostname }) {
  const [, text] = LINK.exec(hash) ?? [];
  if (text === undefined) return null;
  return isHere(hostname) ? decoded(text) : '';
}

/** Takes the token out of the page's address; null where there is none to use. */
export function takeToken() {
  const token = tokenIn(location);
  if (token !== null) history.replaceState(null, '', `${location.pathname}${location.search}`);
  return token || null;
}

const isHere = (hostname) => ['localhost', '127.0.0.1', '[::1]'].includes(hostname) || hostname.endsWith('.localhost');

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return '';
  }
}
