// What each address shows. A page is `{ title, section, main }`; `wrap` puts it into the layout.
import { readCart } from './cart.mjs';
import { escapeHtml, render } from './render.mjs';

const FEATURED = 4;
const price = (pounds) => `£${pounds}`;

export function pageFor(site, req, url) {
  const [, section = '', id, more] = url.pathname.split('/');
  if (more !== undefined) return undefined;
  const key = id === undefined ? section : `${section}/${section === 'products' ? 'ID' : id}`;
  return Object.hasOwn(PAGES, key) ? PAGES[key](site, { req, url, id }) : undefined;
}

const PAGES = {
  '': (site) => show(site, 'home', 'Everything for the boat', { cards: cards(site, site.goods.slice(0, FEATURED)) }),
  products: (site) =>
    show(site, 'products', 'Products', { cards: cards(site, site.goods), count: site.goods.length }, 'products'),
  'products/ID': (site, { id }) => {
    const good = site.goods.find((each) => each.id === id);
    return good && show(site, 'product', good.name, { ...good, price: price(good.price) }, 'products');
  },
  cart: cartPage,
  about: (site) => show(site, 'about', 'About us', {}, 'about'),
  contact: (site) => show(site, 'contact', 'Contact', {}, 'contact'),
  'contact/thanks': (site, { url }) =>
    show(site, 'thanks', 'Thank you', { name: url.searchParams.get('name') || 'sailor' }, 'contact'),
};

function cartPage(site, { req }) {
  const lines = [...readCart(req, site.goods)].map(([id, count]) => {
    const good = site.goods.find((each) => each.id === id);
    return { ...good, count, sum: good.price * count };
  });
  if (lines.length === 0) return show(site, 'cart-empty', 'Your cart', {}, 'cart');
  const rows = lines.map((line) => render(site.templates['cart-row'], { ...line, sum: price(line.sum) })).join('');
  const total = price(lines.reduce((sum, line) => sum + line.sum, 0));
  return show(site, 'cart', 'Your cart', { rows, total }, 'cart');
}

export const notFound = (site) => show(site, 'not-found', 'Not found', {});
export const slowPage = (site) => show(site, 'slow', 'Loading the ship', {});

function show(site, template, title, values, section = '') {
  return { title, section, main: render(site.templates[template], values) };
}

function cards(site, goods) {
  return goods.map((good) => render(site.templates.card, { ...good, price: price(good.price) })).join('');
}

/** The whole document, with a footer line that says how the request came here. */
export function wrap(site, req, { title, section, main }) {
  const layout = site.templates.layout.replace(`<a href="/${section}"`, (link) => `${link} aria-current="page"`);
  return render(layout, { title, main, via: via(req) });
}

function via(req) {
  const shown = ['tidegate-variant', 'x-forwarded-host'].filter((name) => req.headers[name] !== undefined);
  if (shown.length === 0) return 'reached directly';
  return shown.map((name) => `${name}: <b>${escapeHtml(req.headers[name])}</b>`).join(' · ');
}
