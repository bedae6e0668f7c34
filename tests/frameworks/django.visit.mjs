// What a visitor of the Django site does (django/).
import { multipart } from './visitor.mjs';

/** Tokens against forgery are masked anew in each page; sessions are random; what ends does so at a time. */
export const MASKS = [
  [/((?:name="csrfmiddlewaretoken" value|csrftoken)=["']?)[A-Za-z0-9]{32,64}/g, '$1…'],
  [/(sessionid=)[a-z0-9]{32}/g, '$1…'],
  [/(messages=)[\w:.-]{20,}/g, '$1…'],
  [/^(expires: ).*/, '$1…'],
  [/(expires=)[^;]*(?=; (?:HttpOnly|Max-Age=\d{2,}))/gi, '$1…'],
];

/** What the steps of a visit must be answered with, so that the comparison is of the right thing. */
export const STATUSES = {
  whoami: 200,
  home: 200,
  'home, kept': 304,
  'home, HEAD': 200,
  '/static/style.css': 200,
  '/static/style.css, kept': 304,
  '/static/app.js': 200,
  '/static/app.js, kept': 304,
  'a part of a script': 206,
  'a part beyond its end': 416,
  'a script, HEAD': 200,
  'missing script': 404,
  'without its slash': 301,
  'log-in page after the slash': 200,
  'moved for good': 301,
  'where it moved': 200,
  'account, not logged in': 302,
  'log-in page instead': 200,
  'log-in page': 200,
  'log-in with a wrong password': 200,
  'log-in': 302,
  account: 200,
  goods: 200,
  'goods, kept': 304,
  'goods, HEAD': 200,
  'goods, added to': 201,
  'goods, if they are as they were': 204,
  'goods, without a token': 403,
  upload: 200,
  stream: 200,
  'missing page': 404,
  'log-out': 302,
  'home after logging out': 200,
  'account, logged out': 302,
  'log-in page again': 200,
  'log-in, back to where it was': 302,
  'account again': 200,
};

const token = ({ text }) => /name="csrfmiddlewaretoken" value="([^"]+)"/.exec(text)?.[1] ?? '';

/** The form is refused once, accepted, and the visitor lands on the account, which is returned. */
export async function logIn(visitor) {
  const page = await visitor.visit('log-in page', '/login/?next=');
  const refused = await visitor.submit('log-in with a wrong password', '/login/', {
    csrfmiddlewaretoken: token(page),
    username: 'ana',
    password: 'wrong',
  });
  return visitor.follow(
    'account',
    await visitor.submit('log-in', '/login/', {
      csrfmiddlewaretoken: token(refused),
      username: 'ana',
      password: 'secret',
    }),
  );
}

export async function visitDjango(visitor) {
  await visitor.fetch('whoami', '/api/whoami/?x=1');
  const home = await visitor.visit('home', '/');
  await visitor.visit('home, kept', '/', { revalidate: true });
  await visitor.visit('home, HEAD', '/', { method: 'HEAD' });
  await parts(visitor, home);
  await visitor.follow(
    'log-in page after the slash',
    await visitor.visit('without its slash', '/login?next=%2Faccount%2F'),
  );
  await visitor.follow('where it moved', await visitor.visit('moved for good', '/old/'));
  await visitor.follow('log-in page instead', await visitor.visit('account, not logged in', '/account/'));
  const account = await logIn(visitor);
  await data(visitor, token(account));
  await visitor.visit('stream', '/stream/');
  await visitor.visit('missing page', '/nowhere/');
  await visitor.follow(
    'home after logging out',
    await visitor.submit('log-out', '/logout/', { csrfmiddlewaretoken: token(account) }),
  );
  const page = await visitor.follow('log-in page again', await visitor.visit('account, logged out', '/account/'));
  const again = await visitor.submit('log-in, back to where it was', '', {
    csrfmiddlewaretoken: token(page),
    username: 'ana',
    password: 'secret',
  });
  await visitor.follow('account again', again);
}

async function parts(visitor, { text }) {
  const paths = [...text.matchAll(/(?:href|src)="([^"]+\.(?:css|js))"/g)].map(([, path]) =>
    path.slice(path.indexOf('/static/')),
  );
  for (const path of paths) {
    const name = path.replace(/\.[0-9a-f]{12}\./, '.');
    const dest = path.endsWith('.js') ? 'script' : 'style';
    await visitor.load(name, path, dest);
    await visitor.load(`${name}, kept`, path, dest, { revalidate: true });
  }
  const script = paths.find((path) => path.endsWith('.js')) ?? '/none.js';
  const plainly = (range) => ({ headers: { Range: range, 'Accept-Encoding': 'identity' } });
  await visitor.load('a part of a script', script, 'script', plainly('bytes=5-24'));
  await visitor.load('a part beyond its end', script, 'script', plainly('bytes=999999-'));
  await visitor.load('a script, HEAD', script, 'script', { method: 'HEAD' });
  await visitor.load('missing script', '/static/gone.0123456789ab.js', 'script');
}

/** What the scripts of a page ask for. */
async function data(visitor, csrfmiddlewaretoken) {
  const headers = { 'Content-Type': 'application/json', 'X-CSRFToken': csrfmiddlewaretoken };
  const goods = await visitor.fetch('goods', '/api/goods/');
  await visitor.fetch('goods, kept', '/api/goods/', { revalidate: true });
  await visitor.fetch('goods, HEAD', '/api/goods/', { method: 'HEAD' });
  await visitor.fetch('goods, added to', '/api/goods/', { method: 'POST', body: '{"name":"Table"}', headers });
  await visitor.fetch('goods, if they are as they were', '/api/goods/', {
    method: 'DELETE',
    headers: { ...headers, 'If-Match': goods.get('etag') },
  });
  await visitor.fetch('goods, without a token', '/api/goods/', {
    method: 'POST',
    body: '{}',
    headers: { 'Content-Type': 'application/json' },
  });
  const form = multipart('file', 'photo.jpg', Buffer.alloc(200_000, 'photo '), { csrfmiddlewaretoken });
  await visitor.submit('upload', '/upload/', form.body, { headers: form.headers, kind: 'data' });
}
