//! Why a command is refused, as types: a sentence for people, a code for programs.

use std::fmt;

use tidegate_model::fault::{Explain, nearest};
use tidegate_model::live::Phase;
use tidegate_model::record::Checklist;
use tidegate_model::{Instant, Name, Percentage};

/// Why a command is refused. Nothing has changed.
#[derive(Clone, Debug, PartialEq)]
pub enum Refusal {
    /// Not from this phase; what works instead.
    Phase(Phase, &'static str),
    /// The kill switch is on.
    Killed,
    /// The kill switch is off.
    NotKilled,
    /// A KV key kills it, which only people take away.
    KillKey(String),
    /// Items of a checklist are open.
    Checklist(Checklist, Vec<String>),
    /// Inside a window of `freeze`.
    Frozen(Option<Instant>),
    /// Before the plan's `start`.
    Early(Instant),
    /// Outside of the windows in which the stage may be entered.
    Enter(Name, Option<Instant>),
    /// A guardrail has acted, and nobody has gone on since.
    Acted(Instant),
    /// These gates of the stage fail, and nobody completes a rollout on that.
    Gates(Vec<String>),
    /// What speaks against completing the rollout with this key. Whoever names it goes around that.
    Unconfirmed(Name, Box<Refusal>),
    /// The key that was given as a confirmation, and the rollout's.
    OtherKey(Name, Name),
    /// There is no next stage.
    LastStage,
    /// No stage has this name; the known ones.
    UnknownStage(String, Vec<String>),
    /// Every item of the checklist that counts now is done, or there is none.
    NothingOpen,
    /// No item of the checklist that counts now has this text; the known ones.
    UnknownItem(String, Vec<String>),
    /// The item is done already, by whom.
    ApprovedAlready(String, String),
    /// The item needs so many different people, and this one has ticked it.
    SamePerson(String, u8),
    /// The item is for whoever has this role of the plan; who that is, where the plan says so.
    OtherRole(String, Name, Option<String>),
    /// A rollback never leads to more; from, to.
    WouldRise(Percentage, Percentage),
    /// The plans without it would take new away from its subjects.
    InUse,
    /// The new plan would change what a started rollout must keep.
    RunningPlan(&'static str),
    /// What is stored of the rollout cannot be read, so nobody knows what comes next.
    UnreadPlan,
}

impl std::error::Error for Refusal {}

impl Refusal {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unconfirmed(_, why) => why.code(),
            Self::Early(_) => "early",
            Self::Acted(_) => "guardrail",
            Self::Gates(_) => "gates",
            Self::OtherKey(..) => "other-key",
            Self::NothingOpen => "nothing-open",
            Self::Phase(..) => "phase",
            Self::Killed => "killed",
            Self::NotKilled => "not-killed",
            Self::KillKey(_) => "kill-key",
            Self::Checklist(..) => "checklist",
            Self::Frozen(_) => "frozen",
            Self::Enter(..) => "enter",
            Self::LastStage => "last-stage",
            Self::UnknownStage(..) => "unknown-stage",
            Self::UnknownItem(..) => "unknown-item",
            Self::ApprovedAlready(..) => "approved-already",
            Self::SamePerson(..) => "same-person",
            Self::OtherRole(..) => "other-role",
            Self::WouldRise(..) => "would-rise",
            Self::InUse | Self::RunningPlan(_) => "running-plan",
            Self::UnreadPlan => "unread-plan",
        }
    }

    /// When the time alone lifts it.
    pub const fn until(&self) -> Option<Instant> {
        match self {
            Self::Early(at) => Some(*at),
            Self::Frozen(at) | Self::Enter(_, at) => *at,
            _ => None,
        }
    }

    /// Whether the command is no way on from here at all, so that nobody waits for it.
    pub fn is_elsewhere(&self) -> bool {
        match self {
            Self::Unconfirmed(..) => false,
            Self::Phase(..) | Self::NotKilled | Self::LastStage | Self::NothingOpen => true,
            _ => false,
        }
    }
}

/// A phase as it stands in a sentence.
const fn standing(phase: Phase) -> &'static str {
    match phase {
        Phase::Draft => "has not been started",
        Phase::Running => "is running",
        Phase::Paused => "is paused",
        Phase::RolledBack => "is rolled back",
        Phase::Completed => "has completed",
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Phase(phase, _) => write!(f, "the rollout {}", standing(*phase)),
            Self::Killed => f.write_str("the rollout is killed"),
            Self::NotKilled => f.write_str("the rollout is not killed"),
            Self::KillKey(key) => write!(f, "the KV key `{key}` kills the rollout"),
            Self::Checklist(_, items) => write!(f, "not approved yet: {}", items.join("; ")),
            Self::Early(_) => f.write_str("the plan's start has not come"),
            Self::Acted(at) => write!(f, "a guardrail acted at {at}, and the rollout was not resumed since"),
            Self::Gates(failing) => {
                let (gates, fail) = if failing.len() == 1 { ("gate", "fails") } else { ("gates", "fail") };
                let failing: Vec<String> = failing.iter().map(|gate| format!("`{gate}`")).collect();
                write!(f, "the {gates} {} {fail}", failing.join(", "))
            }
            Self::Unconfirmed(_, why) => why.fmt(f),
            Self::OtherKey(given, key) => write!(f, "`confirm` names `{given}`, but this is `{key}`"),
            Self::NothingOpen => f.write_str("nothing is open on the checklist that counts now"),
            Self::Frozen(_) => f.write_str("change freeze"),
            Self::Enter(stage, _) => write!(f, "the stage {stage} may not be entered at this time"),
            Self::LastStage => f.write_str("this is the last stage"),
            Self::UnknownStage(name, _) => write!(f, "no stage is called `{name}`"),
            Self::UnknownItem(item, _) => write!(f, "`{item}` is not on the checklist that counts now"),
            Self::ApprovedAlready(item, by) => write!(f, "`{item}` has been approved by {by}"),
            Self::SamePerson(item, people) => {
                write!(f, "`{item}` needs {people} different people, and you have approved it")
            }
            Self::OtherRole(item, role, Some(person)) => {
                write!(f, "`{item}` is for the role {role} ({person}) to approve")
            }
            Self::OtherRole(item, role, None) => write!(f, "`{item}` is for the role {role} to approve"),
            Self::WouldRise(from, to) => write!(f, "a rollback from {from} % to {to} % would be an advance"),
            Self::InUse => f.write_str("users are on new because of it"),
            Self::UnreadPlan => f.write_str("the stored plan cannot be read"),
            Self::RunningPlan(what) => write!(f, "the rollout has been started, and the plan {what}"),
        }
    }
}

impl Explain for Refusal {
    fn help(&self) -> Option<String> {
        let until = |at: &Option<Instant>| {
            at.map_or_else(|| "the plan leaves no time for it; ".to_owned(), |at| format!("possible from {at} on; "))
        };
        let one_of = |word: &str, known: &[String]| match nearest(word, known.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "it has no items".to_owned(),
            None => format!("known: {}", known.join("; ")),
        };
        Some(match self {
            Self::Phase(_, way_out) => (*way_out).to_owned(),
            Self::Killed => "`revive` it first".to_owned(),
            Self::NotKilled => "there is nothing to revive".to_owned(),
            Self::KillKey(key) => format!(
                "delete it, then revive: npx wrangler kv key delete --binding ROLLOUTS '{key}' --remote (--local for `make dev`)"
            ),
            Self::Checklist(..) => "`approve` each once it is true".to_owned(),
            Self::Early(at) => format!("{}`set` goes around it", until(&Some(*at))),
            Self::Acted(_) => "`resume` it once the cause is found".to_owned(),
            Self::Gates(_) => "`rollback` takes new back; a rollout completes once its gates pass".to_owned(),
            Self::Unconfirmed(key, why) => format!(
                "{}; to complete it all the same, name it: `--confirm {key}`, in the API `\"confirm\":\"{key}\"`",
                why.help().unwrap_or_default()
            ),
            Self::OtherKey(_, key) => format!("name the rollout that is to be completed: {key}"),
            Self::NothingOpen => "there is nothing to approve".to_owned(),
            Self::Frozen(at) | Self::Enter(_, at) => format!("{}`set` goes around it", until(at)),
            Self::LastStage => "`complete` ends the rollout".to_owned(),
            Self::UnknownStage(word, known) | Self::UnknownItem(word, known) => one_of(word, known),
            Self::ApprovedAlready(..) => "it counts until the next attempt".to_owned(),
            Self::SamePerson(..) => "somebody else approves it too, with a token or a sign-in of their own".to_owned(),
            Self::OtherRole(_, role, _) => format!(
                "it takes the name of the role's `person`, a token that has the role (`NAME:operator/{role}:…` in ADMIN_TOKENS), or a group of Cloudflare Access that is mapped to it"
            ),
            Self::WouldRise(..) => "`set` raises a percentage".to_owned(),
            Self::InUse => "roll it back, kill or complete it before it goes".to_owned(),
            Self::UnreadPlan => {
                "`kill`, `pause` and `rollback` to 0 % work; `tidegate apply` the plan again for all others".to_owned()
            }
            Self::RunningPlan(_) => "a new key is a new rollout".to_owned(),
        })
    }
}
