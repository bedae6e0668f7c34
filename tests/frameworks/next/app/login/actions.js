'use server';
import { cookies } from 'next/headers';
import { redirect } from 'next/navigation';

const WEEK_S = 7 * 24 * 3600;

export async function logIn(_state, form) {
  if (form.get('password') !== 'secret') return 'Name and password do not match.';
  const jar = await cookies();
  jar.set('session', crypto.randomUUID(), { httpOnly: true, secure: true, maxAge: WEEK_S });
  jar.set('name', form.get('name'), { httpOnly: true, sameSite: 'lax' });
  jar.set('seen', 'yes', { secure: true, sameSite: 'none' });
  redirect('/account');
}
