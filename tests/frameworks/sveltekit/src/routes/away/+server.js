import { redirect } from '@sveltejs/kit';
import { base } from '$app/paths';

/** A redirect with the whole address, as the application knows it. */
export function GET({ url }) {
  redirect(302, `${url.origin}${base}/account`);
}
