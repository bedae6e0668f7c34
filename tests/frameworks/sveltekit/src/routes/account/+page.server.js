import { redirect } from '@sveltejs/kit';
import { base } from '$app/paths';

export function load({ cookies }) {
  if (cookies.get('session') === undefined) redirect(307, `${base}/login`);
  return { name: cookies.get('name') };
}
