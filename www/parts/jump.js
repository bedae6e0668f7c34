// A link to a place on the same page. The address names the view, so it stays as it is.
import { el } from './dom.js';

/** Leads to the element with that id, and takes the focus along. */
export function jump(id, text) {
  return el(
    'a',
    {
      href: `#${id}`,
      onclick: (event) => {
        event.preventDefault();
        const place = document.getElementById(id);
        place?.setAttribute('tabindex', '-1');
        place?.focus({ preventScroll: true });
        place?.scrollIntoView();
      },
    },
    text,
  );
}
