export default {
  // By default random, which would give every build other addresses.
  generateBuildId: () => 'tests',
  images: { unoptimized: true },
  experimental: { cpus: 1 },
};
