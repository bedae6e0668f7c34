// Loads one side's folder. Scripts, styles and images are published under names that contain a hash
// of their content; `./app.js` in a source becomes `/assets/app.3f2a91bc.js` in what is served.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { entity } from './reply.mjs';

const HERE = fileURLToPath(new URL('./', import.meta.url));
const GOODS = JSON.parse(readFileSync(`${HERE}goods.json`, 'utf8'));
const ASSET_TYPES = {
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};
const THROWS = 'throws.js';
const CATALOGUE_BYTES = 3 * 1024 * 1024;

/** Another `build` has other scripts and styles, and so other names of them. */
export function loadSite(side, build = 0) {
  const folder = `${HERE}${side}/`;
  const sources = new Map(readdirSync(folder).map((name) => [name, readFileSync(folder + name, 'utf8')]));
  sources.set(THROWS, readFileSync(HERE + THROWS, 'utf8'));
  if (build > 0) {
    for (const [name, text] of sources)
      if (['.js', '.css'].includes(extname(name))) sources.set(name, `${text}\n/* build ${build} */\n`);
  }
  const palette = sources.get('palette.svg');
  for (const { id } of GOODS) {
    sources.set(`${id}.svg`, readFileSync(`${HERE}goods/${id}.svg`, 'utf8').replace('<!-- palette -->', palette));
  }
  const assets = publish(sources);
  const templates = {};
  for (const [name, text] of sources) {
    if (extname(name) === '.html') templates[name.slice(0, -5)] = assets.link(text);
  }
  return {
    side,
    goods: GOODS.map((good) => ({ ...good, image: assets.url(`${good.id}.svg`) })),
    templates,
    thrower: assets.url(THROWS),
    assets: assets.served,
    catalogue: entity(catalogue(side), 'application/octet-stream'),
    modified: newest([...sources.keys()].map((name) => folder + name)),
  };
}

/** Names each asset after its content, those that it refers to first. */
function publish(sources) {
  const served = new Map();
  const urls = new Map();
  const link = (text) => text.replace(/(["'(])\.\/([\w-]+\.(?:js|css|svg))/g, (_, before, name) => before + url(name));

  function url(name) {
    if (!urls.has(name)) {
      const source = sources.get(name);
      if (source === undefined) throw new Error(`${name} is referred to and not there`);
      const body = link(source);
      const hash = createHash('sha256').update(body).digest('hex').slice(0, 8);
      const [stem, kind] = [name.slice(0, name.lastIndexOf('.')), extname(name)];
      urls.set(name, `/assets/${stem}.${hash}${kind}`);
      served.set(urls.get(name), entity(body, ASSET_TYPES[kind]));
    }
    return urls.get(name);
  }
  return { served, link, url };
}

/** The same bytes at every start; the two sides' differ. */
function catalogue(side) {
  const words = new Uint32Array(CATALOGUE_BYTES / 4);
  let state = createHash('sha256').update(side).digest().readUInt32LE();
  for (let i = 0; i < words.length; i += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    words[i] = state;
  }
  return words.buffer;
}

function newest(files) {
  const times = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  return new Date(Math.max(...times)).toUTCString();
}
