// Asks the server which side one subject gets.
export const explain = () => () => {};
