// What scripts/build-edge.sh puts beside src/edge/*.js: the module as wasm-bindgen wraps it.
declare module '*/index.js' {
  const gate: import('./edge.js').Gate;
  export = gate;
}
