// Builds and changes the DOM without markup in strings: the CSP refuses that, and nothing that a plan
// or a person wrote can become an element. The setters touch the DOM only where something differs, so
// that an update keeps focus, selection and scroll.

/** `el('div', { class: 'card', onclick }, child, 'text')`. Properties that are null or false are left out. */
export function el(tag, props, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else setAttr(node, name, value);
  }
  const shown = children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false);
  node.append(...shown.map((child) => together(node, child)));
  return node;
}

/** What is copied from these, or sent, stays as it was written. */
const VERBATIM = new Set(['CODE', 'PRE', 'TEXTAREA', 'OPTION']);

/** A number and its `%`, and both sides of a `×`, stay on one line. */
const together = (node, text) =>
  typeof text === 'string' && !VERBATIM.has(node.tagName)
    ? text.replace(/(\d) %/g, '$1\u00a0%').replace(/(\d) × /g, '$1\u00a0×\u00a0')
    : text;

/** Null, undefined and false remove the attribute, true sets it empty. */
export function setAttr(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
    return;
  }
  const text = value === true ? '' : String(value);
  if (node.getAttribute(name) !== text) node.setAttribute(name, text);
}

export function setText(node, text) {
  const wanted = together(node, text ?? '');
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function setHidden(node, isHidden) {
  if (node.hidden !== isHidden) node.hidden = isHidden;
}

/** Sets an input's value, unless somebody is typing there. */
export function setValue(input, value) {
  if (input !== document.activeElement && input.value !== value) input.value = value;
}

/** Shows `children` in place of what is there, unless `mark` is the one that they were made for. */
export function replaceFor(node, mark, make) {
  if (node.tidegateMark === mark) return;
  node.tidegateMark = mark;
  const shown = [make()].flat(Infinity).filter(Boolean);
  node.replaceChildren(...shown.map((child) => together(node, child)));
}

/**
 * A list whose items keep their elements: `create(item) → { root, update(item, …rest) }`, found again
 * by `keyOf(item)`. Returns `update(items, …rest)`.
 */
export function keyed(parent, keyOf, create) {
  let rows = new Map();
  return (items, ...rest) => {
    const next = new Map();
    for (const item of items) {
      const key = keyOf(item);
      next.set(key, rows.get(key) ?? create(item));
    }
    for (const [key, row] of rows) if (!next.has(key)) row.root.remove();
    let place = parent.firstChild;
    items.forEach((item) => {
      const row = next.get(keyOf(item));
      if (row.root === place) place = place.nextSibling;
      else parent.insertBefore(row.root, place);
      row.update?.(item, ...rest);
    });
    rows = next;
  };
}
