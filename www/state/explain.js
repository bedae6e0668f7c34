// Which side one subject gets, and why: the API's answer.
export const initial = { id: '', answer: null, problem: null };

export const reduce = (explain) => explain;
