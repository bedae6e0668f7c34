// Visitors for `make dev`, until interrupted: so many page views a second, with all that belongs to
// them. A line a second tells which side answered, and how. In the environment: PORT (8787), RATE,
// VISITORS.
import { openVisitors } from './dev/visitors.mjs';

const PORT = Number(process.env.PORT ?? 8787);
const RATE = Number(process.env.RATE ?? 100);
const VISITORS = Number(process.env.VISITORS ?? 1_000);

for (const [name, value] of Object.entries({ PORT, RATE, VISITORS })) {
  if (!(value > 0)) fail(`${name}=${process.env[name]} is not a number above 0`);
}

const visitors = openVisitors({ port: PORT, visitors: VISITORS, rate: RATE });
let hasAnswered = false;

setInterval(() => {
  const { legacy, new: next, rescued, failed, unanswered, reports } = visitors.take();
  hasAnswered ||= legacy + next + rescued + failed > 0;
  if (!hasAnswered && unanswered) fail(`nothing answers on port ${PORT}: start \`make dev\` first, or name its PORT`);
  const parts = Object.entries({ legacy, new: next, rescued, failed, 'no answer': unanswered, reports }).filter(
    ([, times]) => times > 0,
  );
  console.log(
    `${new Date().toTimeString().slice(0, 8)}  ${parts.map(([what, times]) => `${what} ${times}`).join(', ') || 'nothing yet'}`,
  );
}, 1_000);

function fail(why) {
  console.error(why);
  process.exit(1);
}
