// What was measured of the open rollout: the API's answer.
export const initial = { since: '2h', data: null };

export const reduce = (metrics) => metrics;
