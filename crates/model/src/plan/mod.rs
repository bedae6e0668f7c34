//! A plan: what should happen to one rollout, from the first internal user to everybody.
//!
//! People write it in TOML, KV holds it as JSON, and both are read by [`read::plan`] into these
//! types, in which nothing is left to parse. [`rules`] holds what no single field can tell, such
//! as percentages that fall from one stage to the next.

pub mod business_day;
pub mod channel;
pub mod checklist;
pub mod defaults;
pub mod fields;
pub mod identity;
pub mod in_app;
pub mod limits;
pub mod messages;
pub mod moment;
pub mod probe;
pub mod problem;
pub mod read;
pub mod receiver;
pub mod rules;
pub mod set;
pub mod shadow;
pub mod signal;
pub mod stage;
pub mod start;
pub mod together;
pub mod upstreams;
pub mod version_source;
pub mod words;

use std::collections::HashSet;

use serde::Serialize;

use super::calendar::Window;
use super::daily::Daily;
use super::dimension::Dimension;
use super::group::Fingerprints;
use super::route::{PathPattern, Route};
use super::source::Match;
use super::variant::Variant;
use super::weekly::Weekly;
use super::zone::Zone;
use super::{Duration, Name, Percentage};
pub use channel::Channel;
pub use checklist::{Due, Item};
pub use defaults::Defaults;
pub use identity::{Identity, Keep, RobotSide, Robots, SameSite, Sticky, Token};
pub use in_app::{InApp, InAppKind, ShownTo};
pub use messages::{Digest, Links, Notice, Role};
pub use probe::{Hook, Probe};
pub use problem::{Problem, ProblemKind, Response};
pub use receiver::Receiver;
pub use shadow::Shadow;
pub use signal::Signal;
pub use stage::{Gate, Guardrail, Mode, Risk, Stage};
pub use start::Start;
pub use upstreams::{
    Backend, Breaker, FailureKind, Failures, OriginPolicy, PathRule, PathRules, Place, Redeploy, Rescue,
    TIMEOUT_DEFAULT, Upstreams,
};
pub use version_source::VersionSource;
pub use words::{Advance, CachePolicy, Choice, StickyMoves};

/// The error probability of one rollout and attempt where the plan names none.
pub const ALPHA_DEFAULT: f64 = 0.01;
/// Of a plan, so many endpoints are measured: as many as a mask of 32 bits has, but for that of everywhere.
pub const ENDPOINTS_MAX: usize = 31;

/// What should happen to one rollout.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// The rollout's key, unique in a deployment.
    pub key: Name,
    /// What is being released, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The requests that it takes; none for a flag.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What of these it does not take.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Route>,
    /// The two frontends; absent for a flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstreams: Option<Upstreams>,
    /// What counts as a failure.
    #[serde(skip_serializing_if = "Failures::is_default")]
    pub failure: Failures,
    /// What holds for some paths.
    #[serde(rename = "path", skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<PathRule>,
    /// What shared caches may keep.
    #[serde(skip_serializing_if = "CachePolicy::is_default")]
    pub cache: CachePolicy,
    /// Who the subject of a request is.
    pub identity: Identity,
    /// What crawlers, monitors and the like get.
    #[serde(skip_serializing_if = "Robots::is_default")]
    pub robots: Robots,
    /// Named parts of the site that a metric may be limited to.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub endpoints: Table<Endpoint>,
    /// By what failures are told apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions: Vec<Dimension>,
    /// Named sets of subjects.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub groups: Table<Group>,
    /// Facts from outside.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub signals: Table<Signal>,
    /// Where other tools send what becomes signals.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub receivers: Table<Receiver>,
    /// Pages that the controller asks for again and again.
    #[serde(rename = "probe", skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// What is asked before a stage is entered, or left.
    #[serde(rename = "hook", skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<Hook>,
    /// Who is who.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub roles: Table<Role>,
    /// When it starts by itself, once the checklist is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<Start>,
    /// What must be done before the start.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub checklist: Vec<Item>,
    /// Who takes the next step.
    #[serde(skip_serializing_if = "Advance::is_default")]
    pub advance: Advance,
    /// What another version of new means to a stage that is under way.
    #[serde(skip_serializing_if = "Redeploy::is_default")]
    pub redeploy: Redeploy,
    /// What of legacy's requests is copied to new; nothing where absent, but in stages that name a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Shadow>,
    /// When nothing advances.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<super::calendar::Window>,
    /// The share that stays on legacy whatever the stage says.
    #[serde(skip_serializing_if = "is_zero")]
    pub holdout: Percentage,
    /// What people may choose for their own browser; nothing where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// How long a choice lasts.
    #[serde(skip_serializing_if = "is_choice_default")]
    pub choice_for: Duration,
    /// The channels and roles that get the words with which people choose.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub feedback: Vec<Name>,
    /// Who keeps their side for a while when the percentage moves; nobody where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky_moves: Option<StickyMoves>,
    /// Who stays on new when the percentage goes down; nobody where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
    /// How long files of builds that are gone are given to open pages; not at all where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_assets: Option<Duration>,
    /// Groups that stay on legacy.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<Name>,
    /// The only group that the percentage applies to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eligible: Option<Name>,
    /// What the buckets are seeded with, where it is not the key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub salt: Option<String>,
    /// The chance that a harmless release is ever rolled back by a comparison.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// Rollouts that must have ended before this one starts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Name>,
    /// Rollouts whose assignment must be `new` for this one's to be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<Name>,
    /// What a flag tells the upstream instead of `new` and `legacy`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// What people do after a rollback, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub after_rollback: Vec<Item>,
    /// Remarks for operators.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Where people read on.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub links: Links,
    /// Where notices and alerts go.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub channels: Table<Channel>,
    /// The steps, at least one.
    #[serde(rename = "stage")]
    pub stages: Vec<Stage>,
    /// Whether the guardrails that every rollout has watch beside its own.
    #[serde(skip_serializing_if = "Defaults::is_default")]
    pub defaults: Defaults,
    /// Conditions that must not come true.
    #[serde(rename = "guardrail", skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<Guardrail>,
    /// What is done about what makes the figures worth less, where that is not what the table says.
    #[serde(rename = "problem", skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// The figures at certain hours.
    #[serde(rename = "digest", skip_serializing_if = "Vec::is_empty")]
    pub digests: Vec<Digest>,
    /// Messages at certain times.
    #[serde(rename = "notice", skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notice>,
    /// What could go wrong, for people.
    #[serde(rename = "risk", skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<Risk>,
}

/// How long a choice lasts where the plan says nothing.
pub const CHOICE_DEFAULT: Duration = Duration::minutes(14 * 24 * 60);

fn is_choice_default(length: &Duration) -> bool {
    *length == CHOICE_DEFAULT
}

impl Plan {
    /// The moment at which it starts by itself, where it names one.
    pub const fn start_at(&self) -> Option<super::Instant> {
        match self.start {
            Some(Start::At(at)) => Some(at),
            Some(Start::OnDeploy) | None => None,
        }
    }

    /// What the buckets are seeded with.
    pub fn salt(&self) -> &str {
        self.salt.as_deref().unwrap_or(self.key.as_str())
    }

    /// The zone of those who release: the first that the plan's windows and hours name, else UTC.
    pub fn zone(&self) -> Zone {
        let windows = self.freeze.iter().chain(self.stages.iter().flat_map(|stage| &stage.enter)).map(Window::zone);
        let hours = self.roles.0.iter().flat_map(|(_, role)| &role.hours).map(Weekly::zone);
        let digests = self.digests.iter().flat_map(|digest| &digest.at).map(Daily::zone);
        windows.chain(hours).chain(digests).find(|zone| **zone != Zone::UTC).cloned().unwrap_or(Zone::UTC)
    }

    /// What the environment of the Worker has to hold for it, each beside what needs it: `channel/chat`, `CHAT_URL`.
    pub fn named_secrets(&self) -> Vec<(String, &str)> {
        let mut all: Vec<(String, &str)> = Vec::new();
        for (name, channel) in &self.channels.0 {
            let secrets = channel.secrets().into_iter().map(|own| own.0.as_str());
            let sender = matches!(channel, Channel::Mail { from: None, .. }).then_some(channel::MAIL_FROM);
            all.extend(secrets.chain(sender).map(|own| (format!("channel/{name}"), own)));
        }
        for (name, receiver) in &self.receivers.0 {
            all.extend(receiver.secret().map(|own| (format!("receiver/{name}"), own.0.as_str())));
        }
        for (name, signal) in &self.signals.0 {
            let Some(pull) = signal.pull() else { continue };
            let url = if let signal::Address::Secret(url) = pull.url { Some(url) } else { None };
            all.extend(url.into_iter().chain(pull.token).map(|own| (format!("signal/{name}"), own.0.as_str())));
        }
        for hook in &self.hooks {
            let subject = || format!("hook/{}", hook.at.to_string().replace(' ', "/"));
            all.extend([&hook.url, &hook.signing_secret].map(|own| (subject(), own.0.as_str())));
        }
        let tokens = self.identity.jwt.0.iter().filter_map(|(_, token)| token.secret.as_ref());
        all.extend(tokens.map(|own| ("identity".to_owned(), own.0.as_str())));
        all
    }

    /// Whether this is a flag: assigned and named to the upstream, but routing nothing.
    pub fn is_flag(&self) -> bool {
        self.upstreams.is_none()
    }

    /// What `tidegate-flags` says of it where it assigns a side: `KEY=VALUE`.
    pub fn flag(&self, variant: Variant) -> String {
        let value = match (&self.values, variant) {
            (None, variant) => variant.as_str(),
            (Some(values), Variant::New) => values.new.as_str(),
            (Some(values), Variant::Legacy) => values.legacy.as_str(),
        };
        [self.key.as_str(), "=", value].concat()
    }

    /// The probe called `name`.
    pub fn probe(&self, name: &str) -> Option<&Probe> {
        self.probes.iter().find(|probe| probe.name.as_str() == name)
    }

    /// The index of the stage called `name`.
    pub fn stage_index(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| stage.name.as_str() == name)
    }

    /// The index of the last stage whose percentage `percentage` reaches, else of the first.
    pub fn stage_reached_by(&self, percentage: Percentage) -> usize {
        self.stages.iter().rposition(|stage| percentage >= stage.percentage).unwrap_or(0)
    }

    /// The groups on new in the stage at `index`: its own and those of the stages before it.
    pub fn groups_through(&self, index: usize) -> Vec<Name> {
        let mut seen = HashSet::new();
        let names = self.stages.iter().take(index + 1).flat_map(|stage| &stage.groups);
        names.filter(|name| seen.insert(name.as_str())).cloned().collect()
    }
}

/// A named part of the site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(pub PathPattern);

impl Serialize for Endpoint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("path:{}", self.0))
    }
}

/// A named set of subjects. A subject is in it when any of the three says so.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Group {
    /// Ids named in the plan.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The fingerprints of `ids`.
    #[serde(skip)]
    pub fingerprints: Fingerprints,
    /// A property of the request.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<Match>,
    /// Whether the KV key `group/NAME` holds more ids.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub kv: bool,
}

/// What a flag tells the upstream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Values {
    /// For subjects on new.
    pub new: Name,
    /// For subjects on legacy: the fallback by name.
    pub legacy: Name,
}

/// Named things in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Table<T>(pub Vec<(Name, T)>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Table<T> {
    /// The thing called `name`.
    pub fn get(&self, name: &str) -> Option<&T> {
        self.0.iter().find(|(own, _)| own.as_str() == name).map(|(_, thing)| thing)
    }

    /// Whether something is called `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T: Serialize> Serialize for Table<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, thing)| (name, thing)))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_zero(percentage: &Percentage) -> bool {
    *percentage == Percentage::ZERO
}

#[cfg(test)]
mod tests {
    use super::set::read_rollout;

    #[test]
    fn whatever_needs_a_secret_is_named_beside_it() {
        let plan = read_rollout(
            r#"{"key":"shop","stage":[{"name":"full","percentage":100,"hold":"1h"}],
                "channels":{"chat":{"slack":"secret:CHAT_URL"},"post":{"mail":"ops@example.com"},"ours":{"mail":"ops@example.com","from":"shop@example.com"}},
                "receivers":{"alerts":{"kind":"json","token":"secret:ALERTS_TOKEN","signals":[{"count":"p1","at":"/n"}]}},
                "signals":{"p1":{"kind":"count"},"cpu":{"prometheus":{"url":"secret:PROM_URL","query":"up","token":"secret:PROM_TOKEN"}},
                    "open":{"prometheus":{"url":"https://prometheus.example.com","query":"up"}}},
                "hook":[{"at":"before full","webhook":"secret:HOOK_URL","signing_secret":"secret:HOOK_KEY"}],
                "identity":{"from":["jwt:session.sub"],"jwt":{"session":{"from":"cookie:session","secret":"secret:SESSION_KEY"}}}}"#,
        )
        .unwrap_or_else(|faults| panic!("{faults:?}"));
        let named: Vec<String> =
            plan.named_secrets().into_iter().map(|(subject, name)| format!("{subject} {name}")).collect();
        assert_eq!(
            named,
            [
                "channel/chat CHAT_URL",
                "channel/post MAIL_FROM",
                "receiver/alerts ALERTS_TOKEN",
                "signal/cpu PROM_URL",
                "signal/cpu PROM_TOKEN",
                "hook/before/full HOOK_URL",
                "hook/before/full HOOK_KEY",
                "identity SESSION_KEY"
            ]
        );
    }
}
