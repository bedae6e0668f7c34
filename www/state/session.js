// Who one is. `status`: `unknown` until the server has said it, then `in` or `out`. `ended` is true
// where a session was there and is no longer, `problem` why a sign-in did not work.
export const initial = {
  status: 'unknown',
  name: null,
  role: null,
  expires: null,
  problem: null,
  ended: false,
  isBusy: false,
};

const OUT = { ...initial, status: 'out' };

export function reduce(session, event) {
  switch (event.type) {
    case 'signIn':
      return { ...session, isBusy: true, problem: null };
    case 'session':
      return { ...initial, status: 'in', name: event.name, role: event.role, expires: event.expires };
    case 'noSession':
      return { ...OUT, problem: event.problem ?? null };
    case 'sessionEnded':
      return session.status === 'out' ? session : { ...OUT, ended: true };
    default:
      return session;
  }
}

export const isOperator = (state) => state.session.role === 'operator';
