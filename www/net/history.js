// Fetches the history of the open rollout.
export const history = () => () => {};
