import { json } from '@sveltejs/kit';

const GOODS = [
  { id: 1, name: 'Lamp' },
  { id: 2, name: 'Chair' },
];

export function GET({ setHeaders }) {
  setHeaders({ 'cache-control': 'public, max-age=60', vary: 'accept-language' });
  return json(GOODS);
}

export async function POST({ request }) {
  return json({ id: 3, ...(await request.json()) }, { status: 201 });
}

export function DELETE() {
  return new Response(null, { status: 204 });
}
