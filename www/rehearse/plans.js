// The plans that the page has by itself.
import admin from '../../plans/admin-workbench.toml';
import analytics from '../../plans/analytics-playbook.toml';
import dark from '../../plans/dark-launch.toml';
import demo from '../../plans/demo.toml';
import staged from '../../plans/staged.toml';

/** The ready-made ones, under the paths that they have in the project. */
export const READY_MADE = [
  { path: 'plans/demo.toml', title: 'demo: five stages of 30 s', text: demo },
  { path: 'plans/staged.toml', title: 'staged: the general template, four stages in weeks', text: staged },
  { path: 'plans/admin-workbench.toml', title: 'admin-workbench: one page, a careful week', text: admin },
  {
    path: 'plans/analytics-playbook.toml',
    title: 'analytics-playbook: a service and five flags behind it',
    text: analytics,
  },
  {
    path: 'plans/dark-launch.toml',
    title: 'dark-launch: shadow traffic, then eleven flags in five phases',
    text: dark,
  },
];
