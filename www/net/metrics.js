// Fetches what was measured of the open rollout.
export const metrics = () => () => {};
