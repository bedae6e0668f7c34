// The history of the open rollout, newest first.
export const initial = { entries: null, before: null, isLoading: false };

export const reduce = (history) => history;
