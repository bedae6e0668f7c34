const GOODS = [
  { id: 1, name: 'Lamp' },
  { id: 2, name: 'Chair' },
];

export const dynamic = 'force-dynamic';

export function GET() {
  return Response.json(GOODS, { headers: { 'Cache-Control': 'public, max-age=60', Vary: 'Accept-Language' } });
}

export async function POST(request) {
  return Response.json({ id: 3, ...(await request.json()) }, { status: 201 });
}

export function DELETE() {
  return new Response(null, { status: 204 });
}
