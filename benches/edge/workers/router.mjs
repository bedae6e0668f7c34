// A router as people write it by hand: the percentage from KV for each request,
// a sticky cookie, a hash of the user where there is one, chance where not.
const cookie = (request, name) => {
  const cookies = request.headers.get('cookie') ?? '';
  return new RegExp(`(?:^|;\\s*)${name}=([^;]*)`).exec(cookies)?.[1];
};

function bucket(id) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i += 1) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash >>> 0) % 100;
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const percentage = Number(await env.KV.get('percentage'));
    const id = cookie(request, 'uid');
    const sticky = cookie(request, 'variant');
    const drawn = (id ? bucket(id) : Math.random() * 100) < percentage ? 'new' : 'legacy';
    const variant = sticky === 'new' || sticky === 'legacy' ? sticky : drawn;

    const headers = new Headers(request.headers);
    headers.set('x-variant', variant);
    headers.set('x-forwarded-host', url.host);
    const upstream = new URL(url.pathname + url.search, variant === 'new' ? env.NEW : env.LEGACY);
    const response = await fetch(
      new Request(upstream, { method: request.method, headers, body: request.body, redirect: 'manual' }),
    );

    const answer = new Response(response.body, response);
    answer.headers.set('x-variant', variant);
    if (!sticky) answer.headers.append('set-cookie', `variant=${variant}; Path=/; Max-Age=2592000; SameSite=Lax`);
    return answer;
  },
};
