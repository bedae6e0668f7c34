// The dialog that is open, if any.
export const initial = null;

export const reduce = (dialog) => dialog;
