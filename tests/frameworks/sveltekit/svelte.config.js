import adapter from '@sveltejs/adapter-node';

/** `OUT` is where the server goes, `BASE` the path under which it serves the site. */
const { OUT = 'build', BASE = '' } = process.env;

export default {
  kit: {
    adapter: adapter({ out: OUT, precompress: true }),
    paths: { base: BASE },
    // By default the time of the build, which would make every build another one.
    version: { name: 'tests' },
  },
};
