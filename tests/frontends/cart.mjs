// The cart is a cookie, `cart=rope.2_lantern.1`, so both sides see the same one.
const COUNT_MAX = 99;

/** The value of a cookie, empty where there is none. */
export function cookie(req, name) {
  const found = (req.headers.cookie ?? '').split(/;\s*/).find((pair) => pair.startsWith(`${name}=`));
  return found?.slice(name.length + 1) ?? '';
}

/** The cart as a `Map` from the id of a good to its count. */
export function readCart(req, goods) {
  const cart = new Map();
  for (const [, id, count] of cookie(req, 'cart').matchAll(/([a-z]+)\.(\d{1,2})(?=_|$)/g)) {
    if (goods.some((good) => good.id === id) && Number(count) > 0) cart.set(id, Number(count));
  }
  return cart;
}

/** Applies a form (`add=ID`, `remove=ID` or `empty`) and returns the cookie to set. */
export function changeCart(cart, form) {
  const add = form.get('add');
  if (form.has('empty')) cart.clear();
  if (/^[a-z]+$/.test(add ?? '')) cart.set(add, Math.min((cart.get(add) ?? 0) + 1, COUNT_MAX));
  cart.delete(form.get('remove'));
  const text = [...cart].map(([id, count]) => `${id}.${count}`).join('_');
  return `cart=${text}; Path=/; SameSite=Lax; Max-Age=${text === '' ? 0 : 604800}`;
}
