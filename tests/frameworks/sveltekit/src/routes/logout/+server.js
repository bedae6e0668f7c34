import { redirect } from '@sveltejs/kit';
import { base } from '$app/paths';

export function POST({ cookies }) {
  for (const name of ['session', 'name', 'seen']) cookies.delete(name, { path: base || '/' });
  redirect(303, `${base}/`);
}
