// Runs the suite once, with the client that its own command uses, and prints what came of it. The suite
// keeps its state in modules and writes into its own tests, so each run is a process of its own:
//
//   node client.mjs '{"origin":"127.0.0.1:8000","connect":"127.0.0.1:8080","as":"https://shop.example.com","headers":[["x-user-id","ana"]]}'
//
// Requests go to `connect`. With `as` they name their URL in full under that origin, as the sockets of
// the edge harness want them. `headers` go with each of them. `origin` is the suite's server itself.
import http from 'node:http';
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs';
import { testUUIDs } from 'http-cache-tests/client/test.mjs';
import tests from 'http-cache-tests/tests/index.mjs';
import surrogate from 'http-cache-tests/tests/surrogate-control.mjs';
import fetch from 'node-fetch';

const { origin, connect, as, headers } = JSON.parse(process.argv[2]);
// A chunk of tests takes as long as its longest pause, and no test knows of another one.
const CHUNK = 1_000;

class Agent extends http.Agent {
  addRequest(request, options) {
    if (as !== undefined) request.path = `${as}${request.path}`;
    const [host, port] = connect.split(':');
    // @ts-expect-error: Node documents it, and its types leave it out.
    super.addRequest(request, { ...options, host, port });
  }
}
const agent = new Agent({ keepAlive: false });

const answers = {};
async function ask(url, init = {}) {
  const sent = [...(init.headers ?? []), ...headers];
  const response = await fetch(url, { ...init, headers: sent, agent });
  const { 'Test-ID': id, 'Req-Num': number } = Object.fromEntries(sent);
  if (id !== undefined) answers[`${id} ${number}`] = { status: response.status, headers: response.headers.raw() };
  return response;
}

/** What the server saw of a test, whether or not the test came to ask. */
async function askedOf(id) {
  const response = await fetch(`http://${origin}/state/${testUUIDs[id]}`);
  return response.status === 200 ? response.json() : [];
}

await runTests([...tests, surrogate], ask, false, as?.replace('https:', 'http:') ?? `http://${connect}`, CHUNK);
const asked = {};
for (const id of Object.keys(testUUIDs).sort()) asked[id] = await askedOf(id);
console.log(JSON.stringify({ results: getResults(), answers, asked }));
