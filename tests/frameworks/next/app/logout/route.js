import { cookies } from 'next/headers';
import { NextResponse } from 'next/server';

/** A redirect with the whole address, as the application knows it. */
export async function POST(request) {
  const jar = await cookies();
  for (const name of ['session', 'name', 'seen']) jar.delete(name);
  return NextResponse.redirect(new URL('/', request.url), 303);
}
