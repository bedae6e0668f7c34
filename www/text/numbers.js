// Numbers in words, the same everywhere. A thin space would look better, but is read out badly.

/** `12.5 %`, with at most three decimals, as the server has it. */
export const percent = (value) => `${round(value, 3)} %`;

/** A share from 0 to 1 as percent, to two decimals. */
export const share = (value) => `${round(value * 100, 2)} %`;

/** `12,345` */
export const count = (value) => value.toLocaleString('en-GB', { maximumFractionDigits: 0 });

/** `1 item`, `2 items` */
export const plural = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;

export const round = (value, decimals) => String(Number(value.toFixed(decimals)));
