// What the benchmark asks for: page views as a browser makes them, a document, twenty files and five calls of an API,
// each under an address of its own; by visitors whom the site knows, whom Tidegate remembers, and who are new.

/** How many visitors there are of each kind. */
export const USERS = 256;
export const ASSETS = 20;
export const CALLS = 5;
/** The requests of one page view. */
export const VIEW_REQUESTS = 1 + ASSETS + CALLS;

/** Out of twenty views: known to the site by a cookie, remembered by a minted id, new. */
const KINDS = [...Array(11).fill('known'), ...Array(6).fill('remembered'), ...Array(3).fill('new')];

export const SHARES = 'of 20 visitors the site knows 11, Tidegate remembers 6, and 3 are new';

const COMMON = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
  'Accept-Encoding': 'gzip, deflate, br, zstd',
  'Sec-Fetch-Site': 'same-origin',
  'sec-ch-ua': '"Chromium";v="142", "Not?A_Brand";v="99"',
  'sec-ch-ua-mobile': '?0',
  'sec-ch-ua-platform': '"Linux"',
};

const DOCUMENT = {
  ...COMMON,
  Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
  Referer: 'https://shop.example.com/checkout/',
  'Upgrade-Insecure-Requests': '1',
  'Sec-Fetch-Dest': 'document',
  'Sec-Fetch-Mode': 'navigate',
  'Sec-Fetch-User': '?1',
};

/** The files of a page: what browsers say of each kind. */
const FILES = [
  { extension: 'js', accept: '*/*', destination: 'script', mode: 'cors' },
  { extension: 'css', accept: 'text/css,*/*;q=0.1', destination: 'style', mode: 'no-cors' },
  { extension: 'png', accept: 'image/avif,image/webp,image/apng,*/*;q=0.8', destination: 'image', mode: 'no-cors' },
  { extension: 'woff2', accept: '*/*', destination: 'font', mode: 'cors' },
];

/** A number that looks drawn, for addresses that differ. */
const hash = (n) => (Math.imul(n + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0');

/** `uid` for the router, the floor and Tidegate, `gbuuid` for GrowthBook. */
function cookiesOf(view) {
  const user = view % USERS;
  const own = {
    known: `; uid=user-${user}; gbuuid=user-${user}`,
    remembered: `; __Host-tidegate-id=AAAAAAAAAAAAAAAAAA${hash(user).slice(0, 4)}; gbuuid=old-${user}`,
    new: '',
  }[KINDS[view % KINDS.length]];
  return `_ga=GA1.1.1234567890.1760000000; theme=dark; consent=all; session=9f8e7d6c5b4a3928${own}`;
}

/** The document of a view: its path and its headers. */
export const document = (view) => ({
  path: `/checkout/basket?step=${view % 4}&ref=${hash(view)}`,
  headers: { ...DOCUMENT, Cookie: cookiesOf(view) },
});

/** What follows a document, in an order that mixes files and calls. */
export function rest(view) {
  const cookies = cookiesOf(view);
  const referer = 'https://shop.example.com/checkout/basket';
  const requests = Array.from({ length: ASSETS }, (_, n) => {
    const { extension, accept, destination, mode } = FILES[n % FILES.length];
    return {
      path: `/checkout/assets/part-${n}.${hash(view * ASSETS + n)}.${extension}`,
      headers: {
        ...COMMON,
        Accept: accept,
        Referer: referer,
        'Sec-Fetch-Dest': destination,
        'Sec-Fetch-Mode': mode,
        Cookie: cookies,
      },
    };
  });
  for (let n = 0; n < CALLS; n += 1)
    requests.splice((n + 1) * 5 - 1, 0, {
      path: `/checkout/api/items/${hash(view * CALLS + n)}?expand=price`,
      headers: {
        ...COMMON,
        Accept: 'application/json',
        Referer: referer,
        'Sec-Fetch-Dest': 'empty',
        'Sec-Fetch-Mode': 'cors',
        Cookie: cookies,
      },
    });
  return requests;
}
