import { showStock } from './stock.js';

const root = document.documentElement;
root.dataset.script = 'new';

const cookie = (name) =>
  document.cookie
    .split('; ')
    .find((pair) => pair.startsWith(`${name}=`))
    ?.slice(name.length + 1) ?? '';

function showCookies() {
  const count = (cookie('cart').match(/\d+(?=_|$)/g) ?? []).reduce((sum, n) => sum + Number(n), 0);
  for (const element of document.querySelectorAll('[data-cart-count]')) element.textContent = count;
  for (const element of document.querySelectorAll('[data-visits]')) element.textContent = cookie('visits') || 1;
}

document.querySelector('#show-tides').addEventListener('click', async () => {
  const { show } = await import('./tides.js');
  show(document.querySelector('#tides'));
});

showCookies();
if (document.querySelector('[data-stock]')) showStock(root);
const radio = document.querySelector('#radio');
if (radio) import('./radio.js').then(({ connect }) => connect(radio, document.querySelector('#radio-log')));
