const HALF_CYCLE_MS = 6.21 * 3_600_000;

/** Replaces the content of `box` with the next four tides. */
export function show(box) {
  const first = Math.ceil(Date.now() / HALF_CYCLE_MS);
  const rows = [0, 1, 2, 3].map((i) => {
    const time = new Date((first + i) * HALF_CYCLE_MS);
    const high = (first + i) % 2 === 0;
    const clock = time.toLocaleTimeString('en-GB', { hour: '2-digit', minute: '2-digit' });
    return `<tr><td>${clock}</td><td>${high ? 'High' : 'Low'}</td><td class="number">${high ? '4.6' : '0.9'} m</td></tr>`;
  });
  box.innerHTML = `<table><tbody>${rows.join('')}</tbody></table>`;
  box.dataset.side = 'legacy';
}
