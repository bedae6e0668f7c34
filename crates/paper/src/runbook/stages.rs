//! Stages: who is on new, for how long, at which load, and what is asked before they are left.

use super::{IntoList as _, Writing};
use crate::document::{Block, Check, Table, Text, Tone};
use tidegate_decide::explain::{self, readable, sentence, spelled};
use tidegate_model::number::Grouped;
use tidegate_model::plan::checklist::Due;
use tidegate_model::plan::{Advance, Gate, Item, Plan, Probe, Stage, Start};
use tidegate_model::record::Checklist;
use tidegate_model::{Instant, Name, Percentage};

impl Writing<'_> {
    pub(super) fn before_start(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = Vec::new();
        let when = match plan.start {
            Some(Start::At(at)) => Some(format!("on {}", self.at(at))),
            Some(Start::OnDeploy) => Some("with the next deployment of another version of new".to_owned()),
            None => None,
        };
        if let Some(when) = when {
            let text = format!("It starts by itself {when}, once all of this is ticked.");
            blocks.push(Block::Paragraph(Text::from(text)));
        }
        let checks = self.checks(&Checklist::Start, &plan.checklist, self.forecast.start);
        if checks.is_empty() {
            return blocks;
        }
        blocks.push(Block::Checks(checks));
        blocks.push(self.how_to_tick());
        blocks
    }

    pub(super) fn after_rollback(&self) -> Vec<Block> {
        let items = &self.plan.after_rollback;
        if items.is_empty() {
            return Vec::new();
        }
        let checks = self.checks(&Checklist::Rollback, items, None);
        let key = &self.plan.key;
        vec![
            Block::Checks(checks),
            Block::Paragraph(Text::from(format!(
                "Tick each with `tidegate approve {key}`. Then `tidegate resume {key}` begins the next try at the first stage."
            ))),
        ]
    }

    fn how_to_tick(&self) -> Block {
        let key = &self.plan.key;
        Block::Paragraph(Text::from(format!(
            "`tidegate approve {key}` lists what is open, `tidegate approve {key} NUMBER` ticks it; so does the console."
        )))
    }

    pub(super) fn checks(&self, of: &Checklist, items: &[Item], by: Option<Instant>) -> Vec<Check> {
        items.iter().map(|item| self.check(of, item, by)).collect()
    }

    fn check(&self, of: &Checklist, item: &Item, by: Option<Instant>) -> Check {
        let mut details = Vec::new();
        if let Some(owner) = &item.owner {
            details.push(Text::from(format!("owner: {}", self.who(owner))));
        }
        if let Some(role) = &item.role {
            details.push(Text::from(format!("only {} may tick it", self.who(role.as_str()))));
        }
        if item.approvals > 1 {
            details.push(Text::from(format!("by {} different people", item.approvals)));
        }
        if let Some(due) = self.due(item, by) {
            details.push(Text::from(due));
        }
        details.extend(item.note.as_deref().map(Text::from));
        details.extend(item.link.as_ref().map(|link| Text::default().link(link.to_string(), link.to_string())));
        let Some(record) = self.subject.record else {
            return Check { is_done: false, text: Text::from(item.text.as_str()), details };
        };
        for approval in record.approvals(of, &item.text) {
            details.push(Text::default().toned(Tone::Good, format!("{}, {}", approval.by, self.at(approval.at))));
        }
        Check { is_done: record.approval(of, item).is_some(), text: Text::from(item.text.as_str()), details }
    }

    /// By when: the plan's own words, with a date where they are relative.
    fn due(&self, item: &Item, by: Option<Instant>) -> Option<String> {
        let at = self.forecast.due(self.plan, item.due.as_ref(), by);
        match (&item.due, at) {
            (None, Some(at)) => Some(format!("by {}", self.at(at))),
            (None, None) => None,
            (Some(Due::Day(day)), _) => Some(format!("by the end of {day}")),
            (Some(Due::At(at)), _) => Some(format!("by {}", self.at(*at))),
            (Some(due @ Due::Near { .. }), Some(at)) => Some(format!("by {due}: {}", self.at(at))),
            (Some(due @ Due::Near { .. }), None) => Some(format!("by {due}")),
        }
    }

    /// A role with its person.
    pub(super) fn who(&self, name: &str) -> String {
        match self.plan.roles.get(name).and_then(|role| role.person.as_deref()) {
            Some(person) => format!("{} ({person})", readable(name)),
            None => readable(name),
        }
    }

    pub(super) fn stages(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut blocks = vec![Block::Table(self.overview())];
        let advance = if plan.advance == Advance::Manual {
            format!(
                "Nothing goes on by itself: when a stage's time is over and its gates pass, an operator says `tidegate advance {}`.",
                plan.key
            )
        } else {
            "When a stage has lasted as long as it must, all its gates pass and all its items are ticked, Tidegate goes on to the next by itself.".to_owned()
        };
        blocks.push(Block::Paragraph(Text::from(advance)));
        if !plan.freeze.is_empty() {
            let windows: Vec<String> = plan.freeze.iter().map(ToString::to_string).collect();
            blocks.push(Block::Paragraph(Text::from(format!(
                "Change freeze, in which no step forward is taken: {}. Going back always works.",
                windows.join("; ")
            ))));
        }
        for (index, stage) in plan.stages.iter().enumerate() {
            blocks.extend(self.stage(index, stage));
        }
        blocks
    }

    fn overview(&self) -> Table {
        let plan = self.plan;
        let has_groups = plan.stages.iter().any(|stage| !stage.groups.is_empty());
        let mut table =
            Table::new(&["Stage", "On the new version", "Lasts at least", "Owner", "Load on the new version"]);
        for (index, stage) in plan.stages.iter().enumerate() {
            let mut on_new = format!("{} % of the users", stage.percentage);
            if has_groups {
                let groups: Vec<String> =
                    plan.groups_through(index).iter().map(|name| readable(name.as_str())).collect();
                if !groups.is_empty() {
                    on_new = format!("{on_new}, and the groups {}", groups.join(", "));
                }
            }
            let is_current = self.subject.record.is_some_and(|record| record.live.stage == stage.name);
            let name = if is_current
                && self.subject.record.is_some_and(|own| own.live.phase != tidegate_model::live::Phase::Draft)
            {
                Text::default().strong(format!("{} (now)", stage.name))
            } else {
                Text::from(stage.name.as_str())
            };
            table.rows.push(vec![
                name,
                Text::from(on_new),
                Text::from(stage.hold.map_or_else(|| "–".to_owned(), |hold| spelled(&hold.to_string()))),
                Text::from(stage.owner.as_ref().map_or_else(|| "–".to_owned(), |owner| self.who(owner.as_str()))),
                Text::from(self.load(index, stage)),
            ]);
        }
        table
    }

    /// The requests to new in a stage, beside those of today, else of the stage before.
    fn load(&self, index: usize, stage: &Stage) -> String {
        let share = |percentage: Percentage| f64::from(percentage.limit()) / f64::from(Percentage::FULL.limit());
        // A holdout never gets any.
        let on_new = share(stage.percentage) * (1.0 - share(self.plan.holdout));
        if on_new <= 0.0 {
            return "that of the groups alone".to_owned();
        }
        if let Some(load) = self.subject.load {
            let requests = load.requests_per_hour * on_new;
            let users = load.users.map(|users| format!(", {} users a day", Grouped((users * on_new).round() as u64)));
            let times = requests / load.new_per_hour;
            let beside = if load.new_per_hour >= 1.0 && times.is_finite() {
                format!("about {} today's requests to the new version: ", factor(times))
            } else {
                String::new()
            };
            return format!(
                "{beside}{} requests an hour{}",
                Grouped(requests.round() as u64),
                users.unwrap_or_default()
            );
        }
        let before = index.checked_sub(1).and_then(|before| self.plan.stages.get(before));
        let before = before.map(|before| share(before.percentage) * (1.0 - share(self.plan.holdout)));
        match before.filter(|before| *before > 0.0) {
            Some(before) if (on_new - before).abs() < f64::EPSILON => "as in the stage before".to_owned(),
            Some(before) => format!("about {} that of the stage before", factor(on_new / before)),
            None => format!("about {} % of all requests", percent(on_new)),
        }
    }

    fn stage(&self, index: usize, stage: &Stage) -> Vec<Block> {
        let mut blocks = vec![self.heading(format!("{}: {} %", stage.name, stage.percentage))];
        let mut facts = Vec::new();
        if let Some(stay) = self.forecast.stays.iter().find(|stay| stay.stage == index) {
            let until = stay.until.map_or_else(|| "an unknown date".to_owned(), |until| self.at(until));
            facts.push(Text::from(format!("From {} to {until}, at the earliest.", self.at(stay.from))));
        }
        if !stage.enter.is_empty() || stage.not_before.is_some() {
            let mut parts: Vec<String> = stage.enter.iter().map(ToString::to_string).collect();
            parts.extend(stage.not_before.map(|at| format!("not before {}", self.at(at))));
            facts.push(Text::from(format!("It is entered only {}.", parts.join(", "))));
        }
        if let Some(owner) = &stage.owner {
            facts.push(Text::from(format!("Owner: {}.", self.who(owner.as_str()))));
        }
        if !stage.checkins.is_empty() {
            let every: Vec<String> = stage
                .checkins
                .iter()
                .map(|own| checkin(&own.every.to_string(), own.until.map(|until| until.to_string())))
                .collect();
            facts.push(Text::from(format!("Figures to the owner: {}.", every.join(", then "))));
        }
        for hook in self.plan.hooks.iter().filter(|hook| hook.at.stage == stage.name) {
            let what = hook.description.as_deref().map(|what| format!(": {what}")).unwrap_or_default();
            facts.push(Text::from(sentence(&format!(
                "{} it another system is asked whether to go on{what}; it may say go, wait or stop",
                hook.at.side
            ))));
        }
        facts.extend(stage.notes.iter().map(|note| Text::from(sentence(note))));
        blocks.extend(facts.into_list());
        blocks.extend(self.go_or_no_go(index, stage));
        blocks
    }

    /// What is asked before a stage is left: what is measured, and what people tick.
    fn go_or_no_go(&self, index: usize, stage: &Stage) -> Vec<Block> {
        let plan = self.plan;
        let to = match plan.stages.get(index + 1) {
            Some(next) => format!("Go or no-go, to leave it for {} ({} %)", next.name, next.percentage),
            None if stage.percentage == Percentage::FULL => {
                "Go or no-go, to complete: the release's success criteria".to_owned()
            }
            None => "It ends here. What it has done its time by:".to_owned(),
        };
        let gates: Vec<(&Gate, bool)> =
            plan.gates_in_force(index).enumerate().map(|(n, gate)| (gate, n >= stage.gates.len())).collect();
        if gates.is_empty() && stage.checklist.is_empty() {
            return Vec::new();
        }
        let mut blocks = vec![Block::Paragraph(Text::default().strong(format!("{to}.")))];
        if !gates.is_empty() {
            let texts = gates.iter().map(|(gate, built_in)| {
                let after =
                    gate.after.map(|after| format!(", from {} after its entry on", spelled(&after.to_string())));
                let built_in = if *built_in { " (of every rollout)" } else { "" };
                Text::from(format!(
                    "{}{}{built_in} ",
                    sentence_start(&explain::condition(&gate.when, plan)),
                    after.unwrap_or_default()
                ))
                .code(gate.when.to_string())
            });
            blocks.push(Block::List(texts.collect()));
        }
        let by = self.forecast.stays.iter().find(|stay| stay.stage == index).and_then(|stay| stay.until);
        let checks = self.checks(&Checklist::Stage(stage.name.clone()), &stage.checklist, by);
        if !checks.is_empty() {
            blocks.push(Block::Checks(checks));
        }
        blocks
    }

    /// What is watched: targets, alerts, where the figures come from.
    pub(super) fn watched(&self) -> Vec<Block> {
        let plan = self.plan;
        let mut table = Table::new(&["What", "Target", "Alert", "Acts by itself"]);
        for metric in metrics(plan) {
            let of = |wanted: &dyn Fn(&str) -> bool| {
                let all = plan.guardrails_in_force().filter(|own| {
                    own.when.terms.iter().any(|term| term.metric_at_endpoint() == metric)
                        && wanted(&own.then.to_string())
                });
                unique(all.map(|own| {
                    let stages = stages_of(&own.stages);
                    format!("`{}`{stages}", terms_of(&own.when, &metric))
                }))
            };
            let targets = unique(plan.stages.iter().flat_map(|stage| &stage.gates).filter_map(|gate| {
                let has = gate.when.terms.iter().any(|term| term.metric_at_endpoint() == metric);
                has.then(|| format!("`{}`", terms_of(&gate.when, &metric)))
            }));
            let alerts = of(&|then| then == "alert");
            let acts = of(&|then| then != "alert");
            let described = metric
                .strip_prefix("signal.")
                .and_then(|name| plan.signals.get(name))
                .and_then(|signal| signal.description.as_deref())
                .map(|text| format!(" {text}"))
                .unwrap_or_default();
            table.rows.push(vec![
                Text::default().code(metric.as_str()).plain(described),
                Text::from(targets.join(", ")),
                Text::from(alerts.join(", ")),
                Text::from(acts.join(", ")),
            ]);
        }
        if table.rows.is_empty() {
            return Vec::new();
        }
        let mut blocks = vec![Block::Table(table)];
        let dashboards: Vec<Text> = plan
            .links
            .0
            .iter()
            .map(|(name, url)| {
                Text::default().plain(format!("{}: ", readable(name.as_str()))).link(url.to_string(), url.to_string())
            })
            .collect();
        blocks.extend(dashboards.into_list());
        blocks.extend(self.probes());
        blocks.push(Block::Paragraph(Text::from(format!(
            "All figures of this moment: `tidegate status {key}`, or the console. With less than the least number of observations (50 where a condition names none) a figure says nothing: the release neither goes on nor back by it.",
            key = plan.key
        ))));
        blocks
    }
}

impl Writing<'_> {
    /// The pages that the controller asks for by itself.
    fn probes(&self) -> Vec<Block> {
        let probe = |own: &Probe| {
            let sides: Vec<String> = own.on.iter().map(ToString::to_string).collect();
            let mut expected = vec![format!("status {}", own.expect.status)];
            expected.extend(own.expect.contains.as_ref().map(|text| format!("with “{text}”")));
            expected.extend(own.expect.under.map(|under| format!("within {}", spelled(&under.to_string()))));
            Text::from(format!(
                "Probe {}: `{}` on {}, every {}; expected: {}",
                readable(own.name.as_str()),
                own.path,
                sides.join(" and "),
                spelled(&own.every.to_string()),
                expected.join(", ")
            ))
        };
        self.plan.probes.iter().map(probe).collect::<Vec<_>>().into_list()
    }
}

fn checkin(every: &str, until: Option<String>) -> String {
    let until = until.map(|until| format!(" in the first {}", spelled(&until))).unwrap_or_default();
    let every = spelled(every);
    let every = every.strip_prefix("1 ").unwrap_or(&every);
    format!("every {every}{until}")
}

/// `the same as`, `twice`, `2.5 times`.
fn factor(times: f64) -> String {
    match times {
        _ if (times - 1.0).abs() < 0.05 => "as many as".to_owned(),
        _ if (times - 2.0).abs() < 0.05 => "twice".to_owned(),
        _ if times >= 10.0 => format!("{times:.0} times"),
        _ => format!("{} times", (times * 10.0).round() / 10.0),
    }
}

fn percent(share: f64) -> f64 {
    (share * 100_000.0).round() / 1_000.0
}

/// A beginning with a large letter, and no end.
fn sentence_start(text: &str) -> String {
    let whole = sentence(text);
    whole.strip_suffix('.').map_or(whole.clone(), str::to_owned)
}

/// The metrics that conditions of a plan name, each once.
fn metrics(plan: &Plan) -> Vec<String> {
    let gates = (0..plan.stages.len()).flat_map(|index| plan.gates_in_force(index)).map(|gate| &gate.when);
    let conditions = gates.chain(plan.guardrails_in_force().map(|own| &own.when));
    let names = conditions.flat_map(|own| own.terms.iter().map(|term| term.metric_at_endpoint()));
    unique(names.filter(|name| name != "percentage"))
}

/// Of a condition, what it says of one metric; all of it where others come in.
fn terms_of(condition: &tidegate_model::condition::Condition, metric: &str) -> String {
    let text = condition.to_string();
    text.strip_prefix(metric).filter(|_| condition.terms.len() == 1).map_or(text.clone(), |rest| rest.trim().to_owned())
}

pub(super) fn stages_of(stages: &[Name]) -> String {
    if stages.is_empty() {
        return String::new();
    }
    let names: Vec<&str> = stages.iter().map(Name::as_str).collect();
    format!(" in {}", names.join(", "))
}

fn unique(texts: impl Iterator<Item = String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for text in texts {
        if !all.contains(&text) {
            all.push(text);
        }
    }
    all
}
