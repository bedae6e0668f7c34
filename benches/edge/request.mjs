// The request that every worker gets: a browser's navigation, from one of many users.

export const USERS = 256;
export const PATH = '/checkout/basket?step=2&ref=mail';

export function headers(user) {
  return {
    'User-Agent':
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
    Accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8',
    'Accept-Language': 'en-GB,en;q=0.9,de;q=0.8',
    'Accept-Encoding': 'gzip, deflate, br, zstd',
    Referer: 'https://shop.example.com/checkout/',
    'Upgrade-Insecure-Requests': '1',
    'Sec-Fetch-Dest': 'document',
    'Sec-Fetch-Mode': 'navigate',
    'Sec-Fetch-Site': 'same-origin',
    'Sec-Fetch-User': '?1',
    'sec-ch-ua': '"Chromium";v="142", "Not?A_Brand";v="99"',
    'sec-ch-ua-mobile': '?0',
    'sec-ch-ua-platform': '"Linux"',
    // `uid` for the router and Tidegate, `gbuuid` for GrowthBook.
    Cookie: `_ga=GA1.1.1234567890.1760000000; theme=dark; consent=all; uid=user-${user}; gbuuid=user-${user}; session=9f8e7d6c5b4a3928`,
  };
}
