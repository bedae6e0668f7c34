const [HEIGHT, HOURS] = [132, 24];
const CYCLE_HOURS = 12.42;

const metres = (hours) => 2.75 + 1.85 * Math.cos((2 * Math.PI * hours) / CYCLE_HOURS);
const y = (hours) => HEIGHT - (metres(hours) / 5) * HEIGHT;

/** Draws the tide of the next 24 hours into `box`. */
export function show(box) {
  const width = box.parentElement.clientWidth < 700 ? 340 : 700;
  const now = Date.now() / 3_600_000;
  const points = Array.from({ length: 97 }, (_, i) => `${(i / 96) * width} ${y(now + (i / 96) * HOURS).toFixed(1)}`);
  const ticks = Array.from({ length: 5 }, (_, i) => {
    const clock = new Date((now + i * 6) * 3_600_000).toLocaleTimeString('en-GB', {
      hour: '2-digit',
      minute: '2-digit',
    });
    const anchor = ['start', 'middle', 'middle', 'middle', 'end'][i];
    return `<text x="${(i * width) / 4}" y="${HEIGHT + 24}" text-anchor="${anchor}">${clock}</text>`;
  });
  const labelY = y(now) + (metres(now + 1) > metres(now) ? 30 : -16);
  box.innerHTML = `<svg viewBox="0 0 ${width} ${HEIGHT + 34}" role="img" aria-label="Tide curve of the next 24 hours" fill="#fff" font-size="15">
    <path fill="#2f6fe4" d="M0 ${HEIGHT}L${points.join('L')}L${width} ${HEIGHT}z"/>
    <path fill="none" stroke="#ffcf24" stroke-width="4" d="M${points.join('L')}"/>
    <circle cx="0" cy="${y(now)}" r="8" fill="#ffcf24"/>
    <text x="16" y="${labelY}">now ${metres(now).toFixed(1)} m</text>${ticks.join('')}</svg>`;
  box.dataset.side = 'new';
}
