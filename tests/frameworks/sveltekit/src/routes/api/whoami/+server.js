import { json } from '@sveltejs/kit';

/** Where the application believes that it is, and who asks. */
export function GET({ url, getClientAddress }) {
  return json({ url: url.href, client: getClientAddress() });
}
