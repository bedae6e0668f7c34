import { headers } from 'next/headers';

export const dynamic = 'force-dynamic';

/** Where the application believes that it is, and who asks. */
export async function GET() {
  const sent = await headers();
  return Response.json(
    Object.fromEntries(
      ['x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-for'].map((name) => [name, sent.get(name)]),
    ),
  );
}
