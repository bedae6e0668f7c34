// What scripts/build-edge.sh puts beside src/edge/*.js: the module as wasm-bindgen wraps it, and the API's
// description as a text.
declare module '*/index.js' {
  const gate: import('./edge.js').Gate;
  export = gate;
}

declare module '*/openapi.json' {
  const text: string;
  export default text;
}
