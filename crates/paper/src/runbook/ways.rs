//! The ways back, each as it is typed, with what it does and how to see that it is done.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_model::Percentage;

impl Writing<'_> {
    pub(super) fn ways_back(&self) -> Vec<Block> {
        let plan = self.plan;
        let key = &plan.key;
        let mut table = Table::new(&["Way back", "Command", "What it does"]);
        let mut row = |name: &str, command: String, what: String| {
            table.rows.push(vec![Text::default().strong(name), Text::default().code(command), Text::from(what)]);
        };
        let fallback = match &plan.values {
            Some(values) => format!("`{}`", values.legacy),
            None => "the old version".to_owned(),
        };
        row(
            "Off",
            format!("tidegate kill {key}"),
            format!(
                "Everybody gets {fallback} within two seconds or so, above all other rules. It stays so until `tidegate revive {key}`."
            ),
        );
        row(
            "Whole revert",
            format!("tidegate rollback {key} --reason \"…\""),
            format!(
                "0 %, groups included: everybody gets {fallback}. The next try begins at the first stage, with its checklists open again."
            ),
        );
        if plan.stages.len() > 1 {
            row(
                "Previous",
                format!("tidegate rollback {key} --to previous --reason \"…\""),
                "Back to the share of the stage before, and held there.".to_owned(),
            );
        }
        let most = plan.stages.iter().map(|stage| stage.percentage).max().unwrap_or(Percentage::ZERO);
        for share in ["5", "1"] {
            if share.parse::<Percentage>().is_ok_and(|share| share < most) {
                row(
                    &format!("{share} %"),
                    format!("tidegate rollback {key} --to {share} --reason \"…\""),
                    format!("{share} % of the users stay on the new version, to investigate; it is held there."),
                );
            }
        }
        row(
            "Without command and console",
            format!("npx wrangler kv key put --remote --binding ROLLOUTS kill/{key} on"),
            format!(
                "Off, through Cloudflare's own tool; in its dashboard: KV, the namespace of `ROLLOUTS`, the key `kill/{key}`, any value. It may take up to a minute. Deleting the key ends it."
            ),
        );
        row(
            "A share, likewise",
            format!("npx wrangler kv key put --remote --binding ROLLOUTS stage/{key} 1"),
            "1 % from now on, through Cloudflare's own tool; any other number likewise.".to_owned(),
        );
        let mut verify = vec![Text::from(format!(
            "`tidegate status {key}` shows the phase and the share in force; after a kill it says how many of the instances that answered lately have confirmed it."
        ))];
        if plan.is_flag() {
            verify.push(Text::from(format!(
                "`tidegate explain {key} ID` says which value a user gets, and why; the application's own answer shows what it made of the header `tidegate-flags`."
            )));
        } else {
            verify.push(Text::from(
                "Look, do not assume: open the page without a cookie (a private window). Its response carries the header `tidegate-variant: legacy`.",
            ));
            verify.push(Text::default().code(self.curl()));
            verify.push(Text::from(format!("`tidegate explain {key} ID` says which side a user gets, and why.")));
        }
        verify.push(Text::from(format!(
            "The figures settle within some minutes: `tidegate watch {key}`, and the dashboards."
        )));
        vec![
            Block::Paragraph(Text::from(
                "Going back needs no approval, no open window and no reason; it works at any time. Each takes effect within seconds.",
            )),
            Block::Table(table),
            self.heading("Verify it"),
            Block::Steps(verify),
        ]
    }

    /// A request that shows which side answers.
    fn curl(&self) -> String {
        let route = self.plan.routes.first().map(ToString::to_string).unwrap_or_default();
        let route = route.trim_end_matches('*');
        let address = if route.starts_with('/') { format!("YOUR-HOST{route}") } else { route.to_owned() };
        format!("curl -sI https://{address} | grep -i tidegate-")
    }
}
