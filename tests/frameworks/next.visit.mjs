// What a visitor of the Next.js site does (next/), whose scripts do not run: forms are sent as documents.
import { multipart } from './visitor.mjs';

/** Sessions are random, and so are the names that Next.js gives to requests for data; cookies end at a time. */
export const MASKS = [
  [/(session=)[0-9a-f-]{36}/g, '$1…'],
  [/(expires=)[^;]*(?=; Max-Age=\d{2,})/gi, '$1…'],
  [/"[\w-]{21}([vm])"/g, '"…$1"'],
];

/** What the steps of a visit must be answered with, so that the comparison is of the right thing. */
export const STATUSES = {
  whoami: 200,
  home: 200,
  'home, kept': 304,
  'home, HEAD': 200,
  style: 200,
  'style, kept': 304,
  script: 200,
  'script, kept': 304,
  'a part of a script': 206,
  'a part beyond its end': 416,
  'a script, HEAD': 200,
  'missing script': 404,
  'trailing slash': 308,
  'log-in page after the slash': 200,
  'account, not logged in': 307,
  'log-in page instead': 200,
  'log-in page': 200,
  'log-in with a wrong password': 200,
  'log-in': 303,
  account: 200,
  'page by a script': 200,
  'page by a script, ahead': 200,
  goods: 200,
  'goods, HEAD': 200,
  'goods, added to': 201,
  'goods, emptied': 204,
  'goods, by a method that they lack': 405,
  stream: 200,
  'missing page': 404,
  'log-out': 303,
};

/** The fields of a form that name its action, and those that a visitor fills in. */
function fields({ text }, filled) {
  const hidden = [...text.matchAll(/<input type="hidden" name="([^"]+)"(?: value="([^"]*)")?\/>/g)].map(
    ([, name, value = '']) => [name, value.replaceAll('&quot;', '"').replaceAll('&amp;', '&')],
  );
  return Object.fromEntries([...hidden, ...Object.entries(filled)]);
}

const submit = (visitor, name, page, filled) => {
  const form = multipart(undefined, undefined, undefined, fields(page, filled));
  return visitor.submit(name, '/login', form.body, { headers: form.headers });
};

/** The form is refused once and accepted; what it was answered with is returned. */
export async function logIn(visitor) {
  const page = await visitor.visit('log-in page', '/login');
  const refused = await submit(visitor, 'log-in with a wrong password', page, { name: 'ana', password: 'wrong' });
  return submit(visitor, 'log-in', refused, { name: 'ana', password: 'secret' });
}

export async function visitNext(visitor) {
  await visitor.fetch('whoami', '/api/whoami');
  const home = await visitor.visit('home', '/');
  await visitor.visit('home, kept', '/', { revalidate: true });
  await visitor.visit('home, HEAD', '/', { method: 'HEAD' });
  await parts(visitor, home);
  await visitor.follow('log-in page after the slash', await visitor.visit('trailing slash', '/login/?next=%2Faccount'));
  await visitor.follow('log-in page instead', await visitor.visit('account, not logged in', '/account'));
  await visitor.follow('account', await logIn(visitor));
  await data(visitor);
  await visitor.visit('stream', '/stream');
  await visitor.visit('missing page', '/nowhere');
  await visitor.submit('log-out', '/logout', {});
}

async function parts(visitor, { text }) {
  const first = (pattern) => pattern.exec(text)?.[1] ?? '/none';
  const style = first(/href="(\/_next\/static\/[^"]+\.css)"/),
    script = first(/src="(\/_next\/static\/[^"]+\.js)"/);
  for (const [name, path] of Object.entries({ style, script })) {
    await visitor.load(name, path, name);
    await visitor.load(`${name}, kept`, path, name, { revalidate: true });
  }
  const plainly = (range) => ({ headers: { Range: range, 'Accept-Encoding': 'identity' } });
  await visitor.load('a part of a script', script, 'script', plainly('bytes=5-24'));
  await visitor.load('a part beyond its end', script, 'script', plainly('bytes=99999999-'));
  await visitor.load('a script, HEAD', script, 'script', { method: 'HEAD' });
  await visitor.load('missing script', '/_next/static/chunks/gone.js', 'script');
}

/** What the scripts of a page ask for. */
async function data(visitor) {
  await visitor.fetch('page by a script', '/account?_rsc=1', { headers: { RSC: '1' } });
  await visitor.fetch('page by a script, ahead', '/?_rsc=1', { headers: { RSC: '1', 'Next-Router-Prefetch': '1' } });
  await visitor.fetch('goods', '/api/goods');
  await visitor.fetch('goods, HEAD', '/api/goods', { method: 'HEAD' });
  await visitor.fetch('goods, added to', '/api/goods', {
    method: 'POST',
    body: '{"name":"Table"}',
    headers: { 'Content-Type': 'application/json' },
  });
  await visitor.fetch('goods, emptied', '/api/goods', { method: 'DELETE' });
  await visitor.fetch('goods, by a method that they lack', '/api/goods', { method: 'PUT', body: '' });
}
