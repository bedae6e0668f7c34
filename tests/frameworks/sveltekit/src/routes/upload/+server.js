import { json } from '@sveltejs/kit';

export async function POST({ request }) {
  const form = await request.formData();
  const file = form.get('file');
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return json({ name: file.name, bytes: file.size, sha256: Buffer.from(digest).toString('hex') });
}
