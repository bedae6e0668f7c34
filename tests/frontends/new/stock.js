/** Fills in what is in stock, and notes on `root` who said so. */
export async function showStock(root) {
  const { side, items } = await (await fetch('/api/stock')).json();
  root.dataset.api = side;
  for (const element of document.querySelectorAll('[data-stock]')) {
    element.textContent = `${items[element.dataset.stock]} in stock`;
  }
}
