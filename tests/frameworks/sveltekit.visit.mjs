// What a visitor of the SvelteKit site does (sveltekit/).
import { multipart } from './visitor.mjs';

/** Sessions are random. Nothing else of this site is. */
export const MASKS = [[/(session=)[0-9a-f-]{36}/g, '$1…']];

/** What the steps of a visit must be answered with, so that the comparison is of the right thing. */
export const STATUSES = {
  whoami: 200,
  home: 200,
  'home, kept': 304,
  'home, HEAD': 200,
  '/icon.svg': 200,
  '/icon.svg, kept': 304,
  '/site.webmanifest': 200,
  '/site.webmanifest, kept': 304,
  '/_app/immutable/assets/0.css': 200,
  '/_app/immutable/assets/0.css, kept': 304,
  '/_app/immutable/entry/start.js': 200,
  '/_app/immutable/entry/start.js, kept': 304,
  '/_app/immutable/entry/app.js': 200,
  '/_app/immutable/entry/app.js, kept': 304,
  'a part of a script': 206,
  'a part beyond its end': 416,
  'a script, HEAD': 200,
  'service worker': 200,
  'missing script': 404,
  'trailing slash': 308,
  'log-in page after the slash': 200,
  'account, not logged in': 307,
  'log-in page instead': 200,
  'log-in page': 200,
  'log-in with a wrong password': 400,
  'log-in': 303,
  account: 200,
  'data of a page': 200,
  'data of a page that redirects nobody': 200,
  'log-in by a script, refused': 200,
  goods: 200,
  'goods, HEAD': 200,
  'goods, added to': 201,
  'goods, emptied': 204,
  'goods, by a method that they lack': 405,
  upload: 200,
  stream: 200,
  'missing page': 404,
  'log-out': 303,
  'home after logging out': 200,
  'account, logged out': 307,
  'log-in page again': 200,
};

/** The addresses of all that a page is made of, as paths of the site. */
function partsOf({ text, url }, base) {
  const found = [...text.matchAll(/(?:href=|src=|import\()"([^"]+\.(?:js|css|svg|webmanifest))"/g)].map(
    ([, link]) => new URL(link, url).pathname,
  );
  return [...new Set(found)].map((path) => (path.startsWith(`${base}/`) ? path.slice(base.length) : path));
}

/** The form is refused once, accepted, and the visitor lands on the account, which is returned. */
export async function logIn(visitor) {
  await visitor.visit('log-in page', '/login');
  await visitor.submit('log-in with a wrong password', '/login', { name: 'ana', password: 'wrong' });
  return visitor.follow('account', await visitor.submit('log-in', '/login', { name: 'ana', password: 'secret' }));
}

export async function visitSvelteKit(visitor) {
  await visitor.fetch('whoami', '/api/whoami?x=1');
  const home = await visitor.visit('home', '/');
  await visitor.visit('home, kept', '/', { revalidate: true });
  await visitor.visit('home, HEAD', '/', { method: 'HEAD' });
  await parts(visitor, partsOf(home, visitor.base));
  await redirects(visitor);
  await logIn(visitor);
  await data(visitor);
  await visitor.visit('stream', '/stream');
  await visitor.visit('missing page', '/nowhere');
  await visitor.follow('home after logging out', await visitor.submit('log-out', '/logout', {}));
  await visitor.follow('log-in page again', await visitor.visit('account, logged out', '/account'));
}

async function parts(visitor, paths) {
  for (const path of paths) {
    const dest = { js: 'script', css: 'style', svg: 'image', webmanifest: 'manifest' }[path.split('.').at(-1)];
    const name = path.replace(/\.[\w-]{8}\./, '.');
    await visitor.load(name, path, dest);
    await visitor.load(`${name}, kept`, path, dest, { revalidate: true });
  }
  const script = paths.find((path) => path.endsWith('.js')) ?? '/none.js';
  await visitor.load('a part of a script', script, 'script', {
    headers: { Range: 'bytes=5-24', 'Accept-Encoding': 'identity' },
  });
  await visitor.load('a part beyond its end', script, 'script', {
    headers: { Range: 'bytes=999999-', 'Accept-Encoding': 'identity' },
  });
  await visitor.load('a script, HEAD', script, 'script', { method: 'HEAD' });
  await visitor.load('service worker', '/service-worker.js', 'serviceworker', {
    headers: { 'Service-Worker': 'script', 'Sec-Fetch-Mode': 'same-origin' },
  });
  await visitor.load('missing script', '/_app/immutable/chunks/gone.js', 'script');
}

async function redirects(visitor) {
  await visitor.follow('log-in page after the slash', await visitor.visit('trailing slash', '/login/?next=%2Faccount'));
  await visitor.follow('log-in page instead', await visitor.visit('account, not logged in', '/account'));
}

/** What the scripts of a page ask for. */
async function data(visitor) {
  await visitor.fetch('data of a page', '/account/__data.json?x-sveltekit-invalidated=01');
  await visitor.fetch('data of a page that redirects nobody', '/__data.json?x-sveltekit-invalidated=01');
  const enhanced = {
    'x-sveltekit-action': 'true',
    Accept: 'application/json',
    'Sec-Fetch-Dest': 'empty',
    'Sec-Fetch-Mode': 'cors',
  };
  await visitor.submit(
    'log-in by a script, refused',
    '/login',
    { name: 'ana', password: 'wrong' },
    { headers: enhanced, kind: 'data' },
  );
  await visitor.fetch('goods', '/api/goods');
  await visitor.fetch('goods, HEAD', '/api/goods', { method: 'HEAD' });
  await visitor.fetch('goods, added to', '/api/goods', {
    method: 'POST',
    body: '{"name":"Table"}',
    headers: { 'Content-Type': 'application/json' },
  });
  await visitor.fetch('goods, emptied', '/api/goods', { method: 'DELETE' });
  await visitor.fetch('goods, by a method that they lack', '/api/goods', { method: 'PUT', body: '' });
  const upload = multipart('file', 'photo.jpg', Buffer.alloc(200_000, 'photo '));
  await visitor.submit('upload', '/upload', upload.body, { headers: upload.headers, kind: 'data' });
}
