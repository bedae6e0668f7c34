//! What Prometheus reads: text exposition, version 0.0.4.
//!
//! Counters and histograms count since the rollout's first window, whatever stage, attempt or plan; they
//! start over only with a rollout that was removed and added again. A sample without `endpoint` is of the
//! whole rollout, and those with one are parts of it.

mod counted;

use std::fmt::Write as _;

use super::metrics::{distinct, opt_out_rate_of_day, sessions_of_day, subjects_of_day};
use super::moves::effective;
use super::view::{Present, is_about};
use tidegate_decide::judge::{Figure, Judgement, Verdict};
use tidegate_decide::rollout::Rollout;
use tidegate_decide::sessions::Ended;
use tidegate_model::live::Phase;
use tidegate_model::measured::Window;
use tidegate_model::variant::Variant;
use tidegate_model::{Instant, Name};

/// The type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

const MS_PER_SECOND: f64 = 1_000.0;
/// A label is to be read by people.
const LABEL_CHARS_MAX: usize = 200;

/// What is exposed beside what the API shows.
pub struct Exposed<'a> {
    /// What the API shows.
    pub present: Present<'a>,
    /// What was ever counted, in the order of the keys.
    pub totals: &'a [(Name, Window)],
    /// How many isolates there are.
    pub isolates: usize,
    /// The last change of each rollout.
    pub changes: &'a [LastChange],
    /// Messages out, by channel.
    pub messages: &'a [MessagesOf],
}

/// Messages to the channels of one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessagesOf {
    /// The name.
    pub channel: String,
    /// Messages that were ever sent.
    pub sent: u64,
    /// Tries that ever failed.
    pub failed: u64,
    /// Messages that were ever given up.
    pub dead: u64,
    /// Messages that wait.
    pub waiting: usize,
    /// When the oldest of them was caused.
    pub oldest: Option<Instant>,
}

/// The last change of a rollout.
#[derive(Debug, Default)]
pub struct LastChange {
    /// The rollout.
    pub rollout: String,
    /// The revision that it made.
    pub revision: u64,
    /// When.
    pub at: Option<Instant>,
    /// Who made it.
    pub actor: String,
    /// The command's name.
    pub command: String,
    /// Why.
    pub reason: String,
}

type Label<'a> = (&'a str, &'a str);

#[derive(Default)]
struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: f64) {
        self.0.push_str(name);
        let mut before = '{';
        for (label, text) in labels.iter().filter(|(_, text)| !text.is_empty()) {
            self.0.push(before);
            before = ',';
            let _ = write!(self.0, "{label}=\"");
            self.escaped(text);
            self.0.push('"');
        }
        if before == ',' {
            self.0.push('}');
        }
        let _ = match value {
            _ if value.is_nan() => writeln!(self.0, " NaN"),
            f64::INFINITY => writeln!(self.0, " +Inf"),
            f64::NEG_INFINITY => writeln!(self.0, " -Inf"),
            _ => writeln!(self.0, " {value}"),
        };
    }

    fn escaped(&mut self, text: &str) {
        for letter in text.chars().take(LABEL_CHARS_MAX) {
            match letter {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                _ => self.0.push(letter),
            }
        }
    }
}

/// Everything as text.
pub fn exposition(exposed: &Exposed<'_>) -> String {
    let mut text = Text::default();
    counted::count(&mut text, exposed.totals);
    counted::measure(&mut text, exposed.totals);
    state(&mut text, exposed);
    judge(&mut text, &exposed.present);
    messages(&mut text, exposed);
    text.0
}

fn state(text: &mut Text, exposed: &Exposed<'_>) {
    let Present { deployment, faults, .. } = &exposed.present;
    let rollouts = || deployment.rollouts.iter();
    let of = |rollout: &'_ Rollout| rollout.plan.key.to_string();
    type Gauge = fn(&Rollout) -> f64;
    let gauges: [(&str, &str, Gauge); 5] = [
        ("tidegate_percentage", "The share of subjects on new that is in effect, 0 to 100.", |own| {
            f64::from(effective(&own.plan, &own.record).limit()) / 1_000.0
        }),
        ("tidegate_killed", "Whether the kill switch is on.", |own| f64::from(u8::from(own.record.live.killed))),
        ("tidegate_revision", "The revision of the rollout's state.", |own| own.record.live.revision as f64),
        ("tidegate_published_revision", "The revision that KV holds.", |own| own.published as f64),
        ("tidegate_attempt", "The run through the stages.", |own| f64::from(own.record.live.attempt)),
    ];
    for (name, help, gauge) in gauges {
        text.family(name, "gauge", help);
        rollouts().for_each(|rollout| text.sample(name, &[("rollout", &of(rollout))], gauge(rollout)));
    }
    text.family("tidegate_phase", "gauge", "1 for the phase that the rollout is in, 0 for the others.");
    for rollout in rollouts() {
        for phase in [Phase::Draft, Phase::Running, Phase::Paused, Phase::RolledBack, Phase::Completed] {
            let is_own = rollout.record.live.phase == phase;
            text.sample(
                "tidegate_phase",
                &[("rollout", &of(rollout)), ("phase", &phase.to_string())],
                f64::from(u8::from(is_own)),
            );
        }
    }
    text.family("tidegate_stage_info", "gauge", "The stage that the rollout is in.");
    for rollout in rollouts() {
        text.sample(
            "tidegate_stage_info",
            &[("rollout", &of(rollout)), ("stage", rollout.record.live.stage.as_str())],
            1.0,
        );
    }
    text.family("tidegate_subjects", "gauge", "Distinct subjects of the last day.");
    for rollout in rollouts() {
        if let Some(sample) = subjects_of_day(&exposed.present, &rollout.plan.key) {
            for variant in [Variant::Legacy, Variant::New] {
                text.sample(
                    "tidegate_subjects",
                    &[("rollout", &of(rollout)), ("variant", variant.as_str())],
                    distinct(&sample, variant),
                );
            }
        }
    }
    let help = "The share of the last day's users who chose legacy, among them and those on new.";
    text.family("tidegate_opt_out_rate", "gauge", help);
    for rollout in rollouts().filter(|own| own.plan.choice.is_some_and(|choice| choice.allows(Variant::Legacy))) {
        if let Some(rate) = opt_out_rate_of_day(&exposed.present, &rollout.plan.key) {
            text.sample("tidegate_opt_out_rate", &[("rollout", &of(rollout))], rate);
        }
    }
    text.family("tidegate_sessions", "gauge", "Sessions of the last day.");
    for rollout in rollouts() {
        let sessions = sessions_of_day(&exposed.present, &rollout.plan.key);
        for variant in [Variant::Legacy, Variant::New].into_iter().filter(|_| sessions != Ended::default()) {
            text.sample(
                "tidegate_sessions",
                &[("rollout", &of(rollout)), ("variant", variant.as_str())],
                sessions.of(variant).round(),
            );
        }
    }
    text.family("tidegate_signal", "gauge", "The last report of a signal.");
    for rollout in rollouts() {
        for name in rollout.plan.signals.names() {
            if let Some((_, value)) =
                deployment.metrics.get(&rollout.plan.key).and_then(|metrics| metrics.signals.last(name))
            {
                text.sample("tidegate_signal", &[("rollout", &of(rollout)), ("signal", name)], value);
            }
        }
    }
    text.family(
        "tidegate_source_up",
        "gauge",
        "Whether the source that a signal is asked of has answered with a value.",
    );
    for rollout in rollouts() {
        let asked = rollout.plan.signals.0.iter().filter(|(_, signal)| signal.pull().is_some());
        for (name, _) in asked {
            let state = deployment.metrics.get(&rollout.plan.key).and_then(|own| own.sources.pull(name.as_str()));
            // One that was not asked yet is neither.
            if let Some(state) = state {
                let is_up = f64::from(u8::from(state.error.is_none()));
                text.sample("tidegate_source_up", &[("rollout", &of(rollout)), ("signal", name.as_str())], is_up);
            }
        }
    }
    text.family(
        "tidegate_faults",
        "gauge",
        "Configuration faults that isolates report; without `rollout`, of the whole deployment.",
    );
    for rollout in rollouts() {
        let own = faults.iter().filter(|fault| is_about(&rollout.plan, &fault.subject)).count();
        text.sample(
            "tidegate_faults",
            &[("rollout", &of(rollout))],
            (own + usize::from(rollout.fault.is_some())) as f64,
        );
    }
    let nobodys =
        faults.iter().filter(|fault| !rollouts().any(|rollout| is_about(&rollout.plan, &fault.subject))).count();
    text.sample("tidegate_faults", &[], nobodys as f64);
    text.family("tidegate_isolates", "gauge", "Isolates that have come within the last minute.");
    text.sample("tidegate_isolates", &[], exposed.isolates as f64);
    text.family("tidegate_plans_revision", "gauge", "The revision of the plans.");
    text.sample("tidegate_plans_revision", &[], deployment.plans as f64);
    text.family("tidegate_last_change_timestamp_seconds", "gauge", "When the rollout last changed.");
    for change in exposed.changes {
        let seconds = change.at.map_or(0.0, |at| at.as_epoch_ms() as f64 / MS_PER_SECOND);
        text.sample("tidegate_last_change_timestamp_seconds", &[("rollout", &change.rollout)], seconds);
    }
    text.family("tidegate_last_change_info", "gauge", "What the rollout's last change was, and why.");
    for change in exposed.changes {
        let revision = change.revision.to_string();
        text.sample(
            "tidegate_last_change_info",
            &[
                ("rollout", &change.rollout),
                ("revision", &revision),
                ("command", &change.command),
                ("actor", &change.actor),
                ("reason", &change.reason),
            ],
            1.0,
        );
    }
    text.family("tidegate_build_info", "gauge", "The version of the controller.");
    text.sample("tidegate_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0);
}

fn messages(text: &mut Text, exposed: &Exposed<'_>) {
    let now_ms = exposed.present.now.as_epoch_ms();
    type Figure = fn(&MessagesOf) -> u64;
    let figures: [(&str, &str, &str, Figure); 4] = [
        ("tidegate_messages_sent_total", "counter", "Messages that a channel has taken.", |own| own.sent),
        ("tidegate_messages_failed_total", "counter", "Tries to send a message that failed.", |own| own.failed),
        ("tidegate_messages_dead_total", "counter", "Messages that were given up.", |own| own.dead),
        ("tidegate_messages_waiting", "gauge", "Messages that wait.", |own| own.waiting as u64),
    ];
    for (name, kind, help, figure) in figures {
        text.family(name, kind, help);
        for own in exposed.messages {
            text.sample(name, &[("channel", &own.channel)], figure(own) as f64);
        }
    }
    let name = "tidegate_messages_oldest_age_seconds";
    text.family(name, "gauge", "How long the oldest message that waits has waited; 0 where none does.");
    for own in exposed.messages {
        let age_ms = own.oldest.map_or(0, |at| now_ms.saturating_sub(at.as_epoch_ms()).max(0));
        text.sample(name, &[("channel", &own.channel)], age_ms as f64 / MS_PER_SECOND);
    }
}

/// A judgement with the labels that tell which it is.
struct Judged<'a> {
    key: &'a str,
    stage: &'a str,
    kind: &'static str,
    condition: String,
    judgement: &'a Judgement,
}

impl Judged<'_> {
    fn labels(&self) -> [Label<'_>; 3] {
        [("rollout", self.key), ("stage", self.stage), (self.kind, &self.condition)]
    }
}

fn judgements<'a>(present: &Present<'a>) -> Vec<Judged<'a>> {
    let mut all = Vec::new();
    for rollout in present.deployment.rollouts.iter() {
        let (plan, live) = (&rollout.plan, &rollout.record.live);
        let Some(evaluation) = present.deployment.look_at(rollout) else { continue };
        let key = plan.key.as_str();
        let guardrails = plan.guardrails_in_force().zip(&evaluation.guardrails);
        all.extend(guardrails.map(|(own, judgement)| Judged {
            key,
            stage: "",
            kind: "guardrail",
            condition: format!("{} then {}", own.when, own.then),
            judgement,
        }));
        let stage = plan.stage_index(live.stage.as_str());
        let gates = stage.into_iter().flat_map(|stage| plan.gates_in_force(stage)).zip(&evaluation.gates);
        all.extend(gates.map(|(own, judgement)| Judged {
            key,
            stage: live.stage.as_str(),
            kind: "gate",
            condition: own.to_string(),
            judgement,
        }));
        all.extend(evaluation.sample_ratio.as_ref().map(|judgement| Judged {
            key,
            stage: "",
            kind: "check",
            condition: "sample_ratio".to_owned(),
            judgement,
        }));
    }
    all
}

fn judge(text: &mut Text, present: &Present<'_>) {
    let all = judgements(present);
    let verdicts = [
        (
            "guardrail",
            "tidegate_guardrail_verdict",
            "1 for the verdict of a guardrail, 0 for the others; `fail` where its condition is true.",
        ),
        (
            "gate",
            "tidegate_gate_verdict",
            "1 for the verdict of a gate of the current stage, 0 for the others; `pass` where its condition is true.",
        ),
        ("check", "tidegate_check_verdict", "1 for the verdict on the measuring itself, 0 for the others."),
    ];
    for (kind, name, help) in verdicts {
        text.family(name, "gauge", help);
        for judged in all.iter().filter(|judged| judged.kind == kind) {
            let [a, b, c] = judged.labels();
            for verdict in [Verdict::Pass, Verdict::Fail, Verdict::Inconclusive] {
                let is_own = judged.judgement.verdict == verdict;
                text.sample(name, &[a, b, c, ("verdict", verdict.as_str())], f64::from(u8::from(is_own)));
            }
        }
    }
    type Evidence = fn(&Figure) -> Option<f64>;
    let evidence: [(&str, &str, Evidence); 2] = [
        (
            "tidegate_evidence_log",
            "The natural logarithm of a comparison's e-value: the evidence that its condition is true.",
            |figure| figure.e_value,
        ),
        (
            "tidegate_evidence_needed_log",
            "The natural logarithm of the e-value at which a comparison is decided.",
            |figure| figure.e_needed,
        ),
    ];
    for (name, help, of) in evidence {
        text.family(name, "gauge", help);
        for judged in &all {
            let [a, b, c] = judged.labels();
            for figure in judged.judgement.figures.iter().filter(|figure| figure.e_needed.is_some()) {
                if let Some(value) = of(figure) {
                    text.sample(name, &[a, b, c, ("metric", &figure.metric)], value.ln());
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_are_as_prometheus_writes_them() {
        let mut text = Text::default();
        text.sample("a", &[("b", "x\"y\\z\nw"), ("c", "")], 0.5);
        text.sample("a", &[], f64::INFINITY);
        text.sample("a", &[("c", "")], 1e15);
        assert_eq!(text.0, "a{b=\"x\\\"y\\\\z\\nw\"} 0.5\na +Inf\na 1000000000000000\n");
    }
}
