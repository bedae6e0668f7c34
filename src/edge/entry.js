// The worker's entry: asks the wasm module what to do, does it, and outlives the module.
//
// worker-build's own entry wraps each request in two Proxies, an eighth of the CPU that a bare
// proxy takes. What it does for a module like ours is done in module.js.

import openapi from "./openapi.json";
import { answer, discard, forward, readRequest, readResponse } from "./http.js";
import { module, noteTrap } from "./module.js";

export { Controller } from "./controller.js";

export default {
  async fetch(request, env, context) {
    let text;
    try {
      text = readRequest(request);
    } catch {
      return sentence(400, "unreadable", "The request could not be read.");
    }
    try {
      const answer = await serve(module(), text, request, env, context);
      tellCounts(env, context);
      return answer;
    } catch (error) {
      noteTrap("proxy", error);
      return withoutGate(request, env);
    }
  },
};

const KV_DUE = 1, CONTROLLER_DUE = 2;

async function serve(gate, text, request, env, context) {
  let step = gate.start(text, request, env, false, Date.now());
  if (step.startsWith("own")) return gate.fetch(new Request(step.slice(4) || urlOf(text), request), { ...env, OPENAPI: openapi });
  if (step === "wait") {
    const waitUntil = (promise) => context.waitUntil(promise.catch(() => {}));
    await gate.prepare(env, text, request, waitUntil);
    step = gate.start(text, request, env, true, Date.now());
  }
  const due = gate.workDue(Date.now());
  if (due & KV_DUE) context.waitUntil(gate.refresh(env));
  if (due & CONTROLLER_DUE) context.waitUntil(gate.flush(env));
  return follow(gate, step, request);
}

/** Behind an answer: what was counted of it is told, unless that is under way. */
function tellCounts(env, context) {
  try {
    const gate = module();
    if (gate.countsDue(Date.now())) context.waitUntil(gate.flush(env));
  } catch (error) {
    noteTrap("counts", error);
  }
}

const urlOf = (text) => text.split("\n", 2)[1];

/** Does one step after the other; the last one makes the response. */
async function follow(gate, step, request) {
  let last, before;
  for (;;) {
    const [kind, first, second, third] = step.split("\n", 4);
    const rest = (...words) => step.slice(words.reduce((length, word) => length + word.length + 1, kind.length + 1));
    switch (kind) {
      case "ask": {
        before = last;
        let error;
        try {
          last = await forward(request, third, rest(first, second, third), Number(second));
        } catch (caught) {
          last = undefined;
          error = caught;
        }
        step = last ? gate.answered(Number(first), readResponse(last), Date.now()) : gate.failed(Number(first), error?.message ?? String(error), Date.now());
        break;
      }
      case "answer":
        return edited(chosen(first, last, before), rest(first));
      case "untouched":
        return chosen(first, last, before) ?? sentence(502, "no_config", "The site did not answer. Please try again.");
      default:
        return sentence(Number(first), second, third);
    }
  }
}

/** The answer that is passed on; the other is let go of. */
function chosen(which, last, before) {
  const [taken, other] = which === "last" ? [last, before] : [before, last];
  if (other) discard(other);
  return taken;
}

/** The answer with its edits, or as it is where the runtime refuses to copy it. */
function edited(response, edits) {
  try {
    return answer(response, edits);
  } catch {
    return response;
  }
}

function sentence(status, reason, text) {
  const headers = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store", "tidegate-reason": reason };
  return new Response(text + "\n", { status, headers });
}

/** The user's request never fails because of Tidegate, not even of its crash. */
function withoutGate(request, env) {
  if (!env.FALLBACK_UPSTREAM || request.bodyUsed) return sentence(503, "no_config", "The site is not available. Please try again.");
  const { pathname, search, host, protocol } = new URL(request.url);
  const upstream = new Request(env.FALLBACK_UPSTREAM.replace(/\/$/, "") + pathname + search, request);
  for (const name of [...upstream.headers.keys()].filter((name) => name.startsWith("tidegate-"))) upstream.headers.delete(name);
  upstream.headers.set("x-forwarded-for", request.headers.get("cf-connecting-ip") ?? "");
  upstream.headers.set("x-forwarded-host", host);
  upstream.headers.set("x-forwarded-proto", protocol.slice(0, -1));
  return fetch(upstream);
}
