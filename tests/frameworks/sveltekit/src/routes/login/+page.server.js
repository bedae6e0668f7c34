import { fail, redirect } from '@sveltejs/kit';
import { base } from '$app/paths';

const WEEK_S = 7 * 24 * 3600;

export const actions = {
  default: async ({ request, cookies }) => {
    const form = await request.formData();
    const name = form.get('name');
    if (form.get('password') !== 'secret') return fail(400, { name, message: 'Name and password do not match.' });
    const path = base || '/';
    cookies.set('session', crypto.randomUUID(), { path, maxAge: WEEK_S });
    cookies.set('name', name, { path });
    cookies.set('seen', 'yes', { path, httpOnly: false, sameSite: 'none' });
    redirect(303, `${base}/account`);
  },
};
