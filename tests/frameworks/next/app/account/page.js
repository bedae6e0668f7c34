import { cookies } from 'next/headers';
import { redirect } from 'next/navigation';

export default async function Account() {
  const jar = await cookies();
  if (!jar.has('session')) redirect('/login');
  return <h1>{`Hello, ${jar.get('name').value}`}</h1>;
}
