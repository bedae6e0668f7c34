//! The sentences of messages: what happened, whether somebody has to do anything, why, and what happens next.
//!
//! The figures are said as everywhere, by [`explain`].

use crate::explain::{self, listed};
use crate::rollout::Rollout;
use crate::schedule::{Blocker, Outlook};
use crate::sources::{About, Sources};
use tidegate_model::command::Command;
use tidegate_model::condition::Metric;
use tidegate_model::notification::{Link, NOTHING_TO_DO, Notification, NotificationKind, Urgency};
use tidegate_model::plan::messages::Links;
use tidegate_model::plan::words::Severity;
use tidegate_model::plan::{Guardrail, Plan, Stage};
use tidegate_model::{Instant, Name};

/// All that messages of one rollout at one moment have in common.
pub struct Words<'a> {
    /// The rollout as it is now.
    pub rollout: &'a Rollout,
    /// What happens next to it.
    pub outlook: &'a Outlook,
    /// The public address of the console.
    pub console: Option<&'a str>,
    /// The time.
    pub now: Instant,
}

impl Words<'_> {
    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.rollout.plan
    }

    /// The rollout's key.
    pub fn key(&self) -> &Name {
        &self.rollout.plan.key
    }

    /// The current stage.
    pub fn stage(&self) -> Option<&Stage> {
        let plan = self.plan();
        plan.stage_index(self.rollout.record.live.stage.as_str()).and_then(|index| plan.stages.get(index))
    }

    /// The role of whoever looks after the current stage.
    pub fn owner(&self) -> Option<&Name> {
        self.stage().and_then(|stage| stage.owner.as_ref())
    }

    /// `canary, 10 %`.
    pub fn place(&self) -> String {
        let live = &self.rollout.record.live;
        format!("{}, {} %", live.stage, live.percentage)
    }

    /// A message whose first line says `what` and what somebody has to do about it.
    pub fn message(
        &self,
        kind: NotificationKind,
        urgency: Urgency,
        what: &str,
        action: Option<String>,
    ) -> Notification {
        let to_do = action.clone().unwrap_or_else(|| NOTHING_TO_DO.to_owned());
        Notification {
            kind,
            urgency,
            at: self.now,
            rollout: self.key().clone(),
            description: self.plan().description.clone(),
            headline: format!("{} {to_do}", explain::ended(what)),
            state: explain::state(&self.rollout.record.live),
            action,
            owner: self.owner().map(|owner| shown(self.plan(), owner)),
            next: self.next(),
            links: links(self.plan(), None, None, self.console),
            ..Notification::default()
        }
    }

    /// The links of a message about an entry, or a guardrail.
    pub fn links(&self, revision: Option<u64>, of: Option<&Links>) -> Vec<Link> {
        links(self.plan(), revision, of, self.console)
    }

    /// The alert that the first signal of a guardrail stands for, where there is one.
    pub fn alert_of<'a>(&self, guardrail: &Guardrail, sources: &'a Sources) -> Option<&'a About> {
        signals(guardrail).find_map(|signal| sources.about(signal.as_str(), self.now))
    }

    /// Adds what the senders of the alerts call them that the signals of a guardrail stand for.
    pub fn add_alerts(&self, notification: &mut Notification, guardrail: &Guardrail, sources: &Sources) {
        for signal in signals(guardrail) {
            let Some(about) = sources.about(signal.as_str(), self.now) else { continue };
            let text = if about.text.is_empty() { String::new() } else { format!(": {}", about.text) };
            let figure = format!("{signal}: the alert “{}” of {}{text}", about.name, about.receiver);
            notification.figures.insert(0, explain::ended(&figure));
            let links = [(about.name.clone(), &about.url), (format!("{}: runbook", about.name), &about.runbook)];
            for (title, url) in links.into_iter().rev().filter(|(_, url)| !url.is_empty()) {
                notification.links.insert(notification.links.len().min(1), Link { title, url: url.clone() });
            }
        }
    }

    /// What happens next, and when.
    pub fn next(&self) -> Option<String> {
        next(self.outlook)
    }
}

/// The signals that a guardrail is about.
fn signals(guardrail: &Guardrail) -> impl Iterator<Item = &Name> {
    guardrail.when.terms.iter().filter_map(|term| match &term.metric {
        Metric::Signal(name) => Some(name),
        _ => None,
    })
}

/// A role, with the person that it is: `on-call (ana)`.
pub fn shown(plan: &Plan, role: &Name) -> String {
    match plan.roles.get(role.as_str()).and_then(|role| role.person.as_deref()) {
        Some(person) => format!("{role} ({person})"),
        None => role.to_string(),
    }
}

/// The console at an entry first, then what a guardrail names, then what the plan does.
pub fn links(plan: &Plan, revision: Option<u64>, of: Option<&Links>, console: Option<&str>) -> Vec<Link> {
    let at = revision.map(|revision| format!("/history/{revision}")).unwrap_or_default();
    let console = console.map(|console| Link {
        title: "console".to_owned(),
        url: format!("{console}/_tidegate/#/rollouts/{}{at}", plan.key),
    });
    let mut links: Vec<Link> = console.into_iter().collect();
    for (title, url) in of.into_iter().flat_map(|links| &links.0).chain(&plan.links.0) {
        if !links.iter().any(|own| own.title == title.as_str()) {
            links.push(Link { title: title.to_string(), url: url.to_string() });
        }
    }
    links
}

/// What is wrong with the subject of a fault, and what somebody has to do about it.
pub fn trouble(subject: &str) -> (String, &'static str) {
    match subject.split_once('/') {
        Some(("channel", name)) => {
            let what = format!("messages do not reach the channel {name}");
            (what, "Mend the channel: what waits is sent then, and what was given up by `tidegate outbox --retry all`.")
        }
        Some(("receiver", name)) => (format!("the receiver {name} is silent"), "Check what sends to it."),
        Some(("signal", name)) => (format!("the signal {name} has no value"), "Check its source."),
        Some(("probe", name)) => (format!("the probe {name} fails"), "Look at the page that it asks for."),
        Some(("hook", at)) => {
            (format!("the hook {} does not answer", at.replace('/', " ")), "Mend it: the step waits for it.")
        }
        Some(("group", name)) => {
            (format!("the list of the group {name} is faulty"), "Mend it: until then the last good list stays.")
        }
        Some(("stage" | "kill", _)) => {
            (format!("the KV key {subject} is faulty"), "Mend it: until then the last good state stays.")
        }
        _ => (format!("fault of {subject}"), "Mend it: until then the last good state stays."),
    }
}

/// How soon somebody has to look at what a guardrail says.
pub const fn urgency(severity: Severity) -> Urgency {
    match severity {
        Severity::Critical => Urgency::Critical,
        Severity::Warning => Urgency::Warning,
    }
}

/// What happens next, and when: `Advances to ramp-25 (25 %) on Tue 1 Dec 2026 09:00 UTC, once 2 gates pass.`
pub fn next(outlook: &Outlook) -> Option<String> {
    let Some(next) = &outlook.next else {
        let first = outlook.blocked.first()?;
        return Some(explain::sentence(&first.to_string()));
    };
    let stage = next.stage.as_ref().map(ToString::to_string).unwrap_or_default();
    let share = next.percentage.map(|percentage| format!(" ({percentage} %)")).unwrap_or_default();
    let what = match next.command {
        Command::Start => format!("starts with {stage}{share}"),
        Command::Complete(_) => "completes, with 100 % on new".to_owned(),
        Command::End => "counts as ended".to_owned(),
        _ => format!("advances to {stage}{share}"),
    };
    let waits: Vec<String> = outlook.blocked.iter().filter_map(Blocker::condition).collect();
    let not_before = outlook.blocked.iter().filter_map(Blocker::until).max();
    let when = match (next.at, not_before) {
        (Some(at), _) => format!(" on {}", at.to_words()),
        (None, Some(at)) => format!(", not before {}", at.to_words()),
        (None, None) => String::new(),
    };
    let once = if waits.is_empty() { String::new() } else { format!(", once {}", listed(&waits)) };
    Some(explain::sentence(&format!("{what}{when}{once}")))
}

/// A text as an argument of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
