export const dynamic = 'force-dynamic';

import { connection } from 'next/server';
import { Suspense } from 'react';

const SLOW_MS = 700;

async function Slow() {
  await connection();
  await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
  return <p>in the end</p>;
}

export default function Stream() {
  return (
    <>
      <h1>at once</h1>
      <Suspense fallback={<p>Loading…</p>}>
        <Slow />
      </Suspense>
    </>
  );
}
