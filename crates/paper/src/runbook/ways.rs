//! The ways back, each as it is typed, with what it does and how to see that it is done; and the other commands.

use super::Writing;
use crate::document::{Block, Table, Text};
use tidegate_model::Percentage;
use tidegate_model::plan::Redeploy;
use tidegate_model::source::Source;

/// So small are the shares on which a fault is looked into.
const SHARES: [&str; 2] = ["5", "1"];

/// The ways back of all of them: they differ in the key alone.
pub(super) fn ways_back(all: &[Writing<'_>]) -> Vec<Block> {
    let Some(first) = all.first() else { return Vec::new() };
    let key = first.key();
    let fallback = match &first.plan.values {
        _ if all.len() > 1 => "the old version (of a flag, its default: table above)".to_owned(),
        Some(values) => format!("`{}`", values.legacy),
        None => "the old version".to_owned(),
    };
    let mut table = Table::new(&["Way back", "Command", "What it does"]);
    let mut row = |name: &str, command: String, what: String| {
        table.rows.push(vec![Text::default().strong(name), Text::default().code(command), Text::from(what)]);
    };
    row(
        "Off",
        format!("tidegate kill {key}"),
        format!(
            "Everybody gets {fallback} within two seconds or so, above all other rules. It stays so until `tidegate revive {key}`, which brings back the same share."
        ),
    );
    row(
        "Whole revert",
        format!("tidegate rollback {key} --reason \"…\""),
        format!(
            "0 %, groups included: everybody gets {fallback}. `tidegate resume {key}` begins the next try at the first stage, with its checklists open again."
        ),
    );
    if all.iter().any(|own| own.plan.stages.len() > 1) {
        row("Previous", format!("tidegate rollback {key} --to previous --reason \"…\""), previous(all));
    }
    let most = all.iter().flat_map(|own| &own.plan.stages).map(|stage| stage.percentage).max();
    for share in SHARES {
        if share.parse::<Percentage>().is_ok_and(|share| most.is_some_and(|most| share < most)) {
            row(
                &format!("{share} %"),
                format!("tidegate rollback {key} --to {share} --reason \"…\""),
                format!(
                    "{share} % stay on the new version, to look into it, and it is held there. A way back only from a larger share. `tidegate resume {key}` begins the next try at the first stage, or at the one that `--stage` names."
                ),
            );
        }
    }
    row(
        "Without command and console",
        format!("npx wrangler kv key put --remote --binding ROLLOUTS kill/{key} on"),
        format!(
            "Off, through Cloudflare's own tool, in the project's folder; or in Cloudflare's dashboard: KV, the namespace bound to `ROLLOUTS`, a key `kill/{key}` with any value. Up to a minute. `npx wrangler kv key delete --remote --binding ROLLOUTS kill/{key}`, and then `tidegate revive {key}`, end it."
        ),
    );
    row(
        "A share, likewise",
        format!("npx wrangler kv key put --remote --binding ROLLOUTS stage/{key} 1"),
        "Sets exactly this share, upwards too, and a release that was killed or rolled back is on again with it: use it only to go down.".to_owned(),
    );
    let mut blocks = vec![
        Block::Paragraph(Text::from(
            "Each works at any hour, in a change freeze too, and needs no approval. The commands take effect within seconds. The reason may be left out, and be added later by `tidegate note`.",
        )),
        Block::Table(table),
    ];
    if all.iter().any(|own| !own.plan.is_flag()) {
        blocks.push(Block::Paragraph(Text::from(fix(all, key))));
    }
    blocks.push(Block::Heading(3, "Verify it".to_owned()));
    blocks.push(Block::Steps(verify(all, key)));
    blocks
}

/// What the way back by a stage does.
fn previous(all: &[Writing<'_>]) -> String {
    let back = "Back to the share of the stage before (from the first stage: 0 %), and held there.";
    let [own] = all else { return back.to_owned() };
    let pairs = own.plan.stages.iter().zip(own.plan.stages.iter().skip(1));
    let alike = pairs.filter(|(one, two)| one.percentage == two.percentage && one.percentage > Percentage::ZERO);
    let alike =
        alike.map(|(_, two)| format!(" From {} that is {} % too, and nobody goes back.", two.name, two.percentage));
    format!("{back}{}", alike.collect::<String>())
}

/// How a repaired version is deployed.
fn fix(all: &[Writing<'_>], key: &str) -> String {
    let begins_anew = all.iter().any(|own| {
        let has_version = own.plan.upstreams.as_ref().is_some_and(|own| own.new.version.is_some());
        has_version && own.plan.redeploy == Redeploy::Restart
    });
    let anew = if begins_anew {
        " Another build of the new version begins the stage's bake time, its figures and its evidence anew."
    } else {
        ""
    };
    format!(
        "To deploy a repaired version while nobody is on it: `tidegate kill {key}`, deploy, look, `tidegate revive {key}`.{anew}"
    )
}

fn verify(all: &[Writing<'_>], key: &str) -> Vec<Text> {
    let mut steps = Vec::new();
    // Where nobody is ever on new, legacy's answer shows nothing.
    let reaches = |own: &Writing<'_>| {
        own.plan.stages.iter().any(|stage| stage.percentage > Percentage::ZERO || !stage.groups.is_empty())
    };
    if all.iter().any(|own| !own.plan.is_flag()) {
        steps.push(Text::from(format!(
            "`tidegate verify {key}` asks the public address, as a visitor does, and says whether the version served is the one that should be."
        )));
    }
    if let Some(own) = all.iter().find(|own| !own.plan.is_flag() && reaches(own)) {
        steps.push(Text::from(format!(
            "By hand: {} The answer has the header `tidegate-variant: legacy`.",
            own.ask_as_a_user()
        )));
    }
    if all.iter().any(|own| own.plan.is_flag()) {
        steps.push(Text::from(format!(
            "Of a flag: `tidegate explain {key} ID` says which value a user gets, and why; `ID` is a user's id. The application's own answer shows what it made of the header `tidegate-flags`."
        )));
    } else {
        steps.push(Text::from(format!(
            "`tidegate explain {key} ID` says which side a user gets, and why; `ID` is a user's id."
        )));
    }
    steps.push(Text::from(format!(
        "`tidegate status {key}` shows the phase and the share in force; after a kill also how many instances of Tidegate have confirmed it."
    )));
    steps.push(Text::from(format!(
        "The figures settle within some minutes: `tidegate watch {key}`, and the dashboards."
    )));
    steps
}

impl Writing<'_> {
    /// A request that shows which side answers somebody who was on new.
    fn ask_as_a_user(&self) -> String {
        let route = self.plan.routes.first().map(ToString::to_string).unwrap_or_default();
        let route = route.trim_end_matches('*');
        let address = if route.starts_with('/') { format!("YOUR-HOST{route}") } else { route.to_owned() };
        let id = match self.plan.identity.from.first() {
            Some(Source::Header(name)) => format!(" -H '{name}: ID'"),
            Some(Source::Cookie(name)) => format!(" --cookie '{name}=ID'"),
            _ => String::new(),
        };
        let whom = if id.is_empty() {
            "in a browser that was on the new version, or"
        } else {
            "with the `ID` of a user who was on the new version (somebody without an id may be on the old one anyway):"
        };
        format!("{whom} `curl -sI{id} https://{address} | grep -i tidegate-`.")
    }
}

/// The commands for whatever else is decided.
pub(super) fn commands(all: &[Writing<'_>]) -> Vec<Block> {
    let Some(first) = all.first() else { return Vec::new() };
    let key = first.key();
    let mut table = Table::new(&["Decision", "Command"]);
    let mut row = |what: &str, command: String| {
        table.rows.push(vec![Text::from(what), Text::default().code(command)]);
    };
    if all.iter().any(|own| own.plan.start.is_none()) {
        row("Start it", format!("tidegate start {key} --reason \"…\""));
    }
    row("Hold it where it is, and look", format!("tidegate pause {key} --reason \"…\""));
    row("Go on after a pause, or begin the next try after a rollback", format!("tidegate resume {key} --reason \"…\""));
    row("Bring back what was killed", format!("tidegate revive {key} --reason \"…\""));
    row(
        "Next stage now, even if the figures are bad (open items of the checklist still stand before it)",
        format!("tidegate advance {key} --reason \"…\""),
    );
    row("Another share, by hand, upwards too", format!("tidegate set {key} 5 --reason \"…\""));
    if all.iter().any(|own| own.plan.stages.last().is_some_and(|stage| stage.percentage < Percentage::FULL)) {
        row(
            "100 % of the users on new, also of what the plan keeps below (not the way to end it)",
            format!("tidegate complete {key} --reason \"…\""),
        );
    }
    row("See what a command would do, and do nothing", format!("tidegate advance {key} --dry-run"));
    row("See the figures, the gates and what is open", format!("tidegate status {key}"));
    row("See who and what is on the new version, and every change with its cause", format!("tidegate history {key}"));
    row("Tick an item; without a number, list them", format!("tidegate approve {key} NUMBER"));
    row("Say why, afterwards", format!("tidegate note {key} \"…\""));
    vec![Block::Table(table)]
}
