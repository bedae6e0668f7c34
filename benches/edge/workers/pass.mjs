// The leanest proxy: what the runtime itself asks for one request passed on.
export default {
  fetch(request, env) {
    const path = request.url.slice(request.url.indexOf('/', 'https://'.length));
    return fetch(new Request(new URL(path, env.LEGACY), request));
  },
};
