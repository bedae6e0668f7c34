//! What chance alone does to a plan at a known traffic: how often each absolute guardrail fires on a
//! healthy release, and whether each stage ever sees as many observations as its conditions ask for.
//!
//! A comparison with legacy is ever wrong with the plan's `alpha` at the most, however often one looks. A
//! bound has no such promise: at 50 observations one failure more is 2 %. So it is worked out here, from
//! what a healthy release shows ([`Expected`]), before anybody is on new.
//!
//! Conditions of several terms fire at most as often as the rarest of them. What others report (signals)
//! or who comes (subjects, shares) is no matter of chance, and is not forecast.

pub mod chance;
mod quiet;
mod reach;
mod words;

use serde::Serialize;

use self::chance::{Level, Sliding};
pub use reach::{Need, Reach};

use tidegate_model::condition::metric::Source;
use tidegate_model::condition::{Bound, Condition, Op, Term, WINDOW_DEFAULT, Window};
use tidegate_model::figure::Counted;
use tidegate_model::percentage::BUCKETS;
use tidegate_model::plan::words::Action;
use tidegate_model::plan::{Guardrail, Plan, Stage};
use tidegate_model::{Name, Percentage};

/// Of so many requests one is a page view, where nobody knows.
pub const PAGE_ONE_IN: u32 = 4;
/// The share of a healthy site's page views with a JavaScript error.
pub const JS_ERROR_RATE: f64 = 0.002;

const HOUR_MS: f64 = 3_600_000.0;
const MINUTE_MS: f64 = 60_000.0;
/// A guardrail that fires by chance more often than this is worth a warning, in hours.
pub const OFTEN_HOURS: f64 = 7.0 * 24.0;
/// So is one that fires on more than this share of healthy releases.
pub const OFTEN_CHANCE: f64 = 0.05;

/// What fires on fewer healthy releases than this hardly ever does.
const TOLD_CHANCE: f64 = 0.001;

/// What a healthy release shows to one term of a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expected {
    /// Observations an hour, were everybody on new.
    pub per_hour: f64,
    /// The share of them that count: failures of a rate or count, values over the bound of a quantile.
    pub share: f64,
    /// Whether nobody has measured it, and it is taken to be as usual.
    pub is_assumed: bool,
}

/// What is known of the traffic.
pub struct Basis<'a> {
    /// Requests an hour, to both sides together.
    pub requests_per_hour: f64,
    /// Distinct subjects, where somebody knows.
    pub subjects: Option<f64>,
    /// What a healthy release shows to a term; `None` where nobody knows.
    pub expected: &'a dyn Fn(&Term) -> Option<Expected>,
}

/// What chance alone does to a plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Forecast {
    /// At so many requests an hour.
    pub requests_per_hour: f64,
    /// The absolute guardrails that watch a rate, a count or a quantile.
    pub alarms: Vec<Alarm>,
    /// The guardrails that nobody can foretell: others report what they watch.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unforeseen: Vec<String>,
    /// The stages with anybody on new by percentage.
    pub stages: Vec<Reach>,
}

/// How often a guardrail fires by chance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Alarm {
    /// Its condition.
    pub when: String,
    /// What it does.
    pub then: String,
    /// The stage in which it fires most often.
    pub stage: Name,
    /// There, so many hours pass between two such alarms on average; absent for hardly ever.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every_hours: Option<f64>,
    /// The chance that it fires on a healthy release in all holds together.
    pub chance: f64,
    /// Whether that is more often than once in a week, or on more than one in twenty healthy releases.
    pub is_frequent: bool,
    /// Conditions that see the same and would not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub would_not: Vec<String>,
    /// All of this in a sentence.
    pub text: String,
}

impl Alarm {
    /// Whether it is worth a word: it does fire at times.
    pub fn is_reported(&self) -> bool {
        self.is_frequent || self.chance >= TOLD_CHANCE
    }
}

/// Works out what chance does to a plan.
pub fn forecast(plan: &Plan, basis: &Basis<'_>) -> Forecast {
    let mut forecast = Forecast {
        requests_per_hour: basis.requests_per_hour,
        alarms: Vec::new(),
        unforeseen: Vec::new(),
        stages: reach::stages(plan, basis),
    };
    for guardrail in
        plan.guardrails_in_force().filter(|guardrail| guardrail.when.terms.iter().all(|term| !term.bound.is_legacy()))
    {
        match alarm(plan, basis, guardrail) {
            Some(alarm) => forecast.alarms.push(alarm),
            None => forecast.unforeseen.push(guardrail.when.to_string()),
        }
    }
    forecast
}

/// How often an hour chance alone makes an absolute guardrail fire, by stage; `None` where nobody can foretell it.
pub fn alarms_per_hour(plan: &Plan, guardrail: &Guardrail, basis: &Basis<'_>) -> Option<Vec<(Name, f64)>> {
    if guardrail.when.terms.iter().any(|term| term.bound.is_legacy()) {
        return None;
    }
    let odds = odds(plan, basis, guardrail, &guardrail.when)?;
    Some(odds.0.into_iter().map(|own| (own.stage, own.per_hour)).collect())
}

impl Forecast {
    /// The alarms that come too often.
    pub fn frequent(&self) -> impl Iterator<Item = &Alarm> {
        self.alarms.iter().filter(|alarm| alarm.is_frequent)
    }
}

fn alarm(plan: &Plan, basis: &Basis<'_>, guardrail: &Guardrail) -> Option<Alarm> {
    let odds = odds(plan, basis, guardrail, &guardrail.when)?;
    let worst = odds.worst()?;
    let is_frequent = odds.is_frequent();
    let would_not = if is_frequent { quiet::forms(plan, basis, guardrail) } else { Vec::new() };
    let mut alarm = Alarm {
        when: guardrail.when.to_string(),
        then: guardrail.then.to_string(),
        stage: worst.stage.clone(),
        every_hours: odds.every_hours(),
        chance: odds.chance(),
        is_frequent,
        would_not,
        text: String::new(),
    };
    alarm.text = words::alarm(&alarm, guardrail.does() == Action::Alert, basis.requests_per_hour);
    if guardrail.when.terms.iter().filter_map(basis.expected).any(|expected| expected.is_assumed) {
        alarm.text.push_str(words::ASSUMED);
    }
    Some(alarm)
}

/// What chance does to one condition, by stage.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Odds(Vec<StageOdds>);

#[derive(Clone, Debug, PartialEq)]
struct StageOdds {
    stage: Name,
    /// How often it fires an hour.
    per_hour: f64,
    /// How often it fires in the whole stage, as far as its hold tells how long that is.
    in_stage: f64,
}

impl Odds {
    fn worst(&self) -> Option<&StageOdds> {
        self.0.iter().max_by(|one, other| one.per_hour.total_cmp(&other.per_hour))
    }

    fn every_hours(&self) -> Option<f64> {
        // In ten years nobody remembers.
        self.worst().map(|worst| 1.0 / worst.per_hour).filter(|hours| *hours < 87_600.0)
    }

    fn chance(&self) -> f64 {
        1.0 - (-self.0.iter().map(|own| own.in_stage).sum::<f64>()).exp()
    }

    fn is_frequent(&self) -> bool {
        self.every_hours().is_some_and(|hours| hours < OFTEN_HOURS) || self.chance() > OFTEN_CHANCE
    }
}

/// `None` where no term of the condition can be forecast.
pub fn odds(plan: &Plan, basis: &Basis<'_>, guardrail: &Guardrail, condition: &Condition) -> Option<Odds> {
    let mut all: Option<Odds> = None;
    for term in &condition.terms {
        let Some(own) = term_odds(plan, basis, guardrail, term) else { continue };
        let rarer = |one: &mut StageOdds, other: &StageOdds| {
            one.per_hour = one.per_hour.min(other.per_hour);
            one.in_stage = one.in_stage.min(other.in_stage);
        };
        match &mut all {
            None => all = Some(own),
            Some(all) => all.0.iter_mut().zip(&own.0).for_each(|(one, other)| rarer(one, other)),
        }
    }
    all
}

fn term_odds(plan: &Plan, basis: &Basis<'_>, guardrail: &Guardrail, term: &Term) -> Option<Odds> {
    let expected = (basis.expected)(term)?;
    let (level, share) = level(term, expected.share)?;
    let mut odds = Vec::new();
    // How many observations the attempt has had, and whether a window was ever empty in it.
    let mut before = 0.0;
    let mut is_begun = false;
    for stage in &plan.stages {
        let per_hour = expected.per_hour * on_new(plan, stage);
        let hours = hours(stage);
        let in_stage = per_hour * hours.unwrap_or_default();
        let is_watched = guardrail.stages.is_empty() || guardrail.stages.contains(&stage.name);
        if is_watched && per_hour > 0.0 {
            let (rate, at_first) = match term.over.unwrap_or(WINDOW_DEFAULT) {
                Window::Last(length) => {
                    // Windows are whole minutes, and the one under way.
                    let window_hours =
                        ((length.as_ms() as f64 / MINUTE_MS).ceil().max(1.0) + 0.5) * MINUTE_MS / HOUR_MS;
                    let mean = per_hour * window_hours;
                    let Sliding { rate, share: firing } = level.sliding(mean, share);
                    let kept = kept(term, rate / window_hours, firing);
                    let growing = if is_begun { 0.0 } else { level.growing(0.0, mean, share) };
                    (rate / window_hours * kept, growing * kept)
                }
                Window::Stage => (0.0, level.growing(0.0, in_stage, share)),
                Window::Attempt => (0.0, level.growing(before, before + in_stage, share)),
            };
            let whole = at_first + rate * hours.unwrap_or_default();
            let per_hour =
                if rate > 0.0 { rate } else { hours.filter(|hours| *hours > 0.0).map_or(0.0, |hours| whole / hours) };
            odds.push(StageOdds { stage: stage.name.clone(), per_hour, in_stage: whole });
        }
        is_begun |= per_hour > 0.0;
        before += in_stage;
    }
    Some(Odds(odds))
}

/// The share of episodes that last as long as the term's `for` asks: they end at random.
fn kept(term: &Term, per_hour: f64, firing: f64) -> f64 {
    let Some(duration) = term.hold else { return 1.0 };
    if per_hour <= 0.0 {
        return 0.0;
    }
    let lasting_hours = firing / per_hour;
    (-(duration.as_ms() as f64 / HOUR_MS) / lasting_hours).exp()
}

/// The share of subjects on new in a stage.
pub fn on_new(plan: &Plan, stage: &Stage) -> f64 {
    let share = |percentage: Percentage| f64::from(percentage.limit()) / f64::from(BUCKETS);
    share(stage.percentage) * (1.0 - share(plan.holdout))
}

/// How long a stage is held.
pub fn hours(stage: &Stage) -> Option<f64> {
    stage.hold.map(|hold| hold.as_ms() as f64 / HOUR_MS)
}

/// When a term fires, and the share of observations that count towards that; `None` for what is no
/// matter of chance.
fn level(term: &Term, share: f64) -> Option<(Level, f64)> {
    let bound = term.bound.figure();
    let min = f64::from(term.min.unwrap_or(term.metric.spec().min));
    let is_more = match term.op {
        Op::More | Op::AtLeast => true,
        Op::Less | Op::AtMost => false,
        Op::Equal => return None,
    };
    let is_strict = matches!(term.op, Op::More | Op::Less);
    let level = |per_observation: f64, base: f64, is_strict: bool| Level { per_observation, base, is_strict, min };
    if let Some(quantile) = term.metric.quantile() {
        // A quantile exceeds a bound where more observations do than lie behind it.
        let behind = 1.0 - f64::from(quantile.per_mille()) / 1_000.0;
        return Some(if is_more {
            (level(behind, 0.0, true), share)
        } else {
            (level(1.0 - behind, 0.0, false), 1.0 - share)
        });
    }
    match (term.metric.spec().source, term.bound) {
        (Source::Count(_), _) if is_more && term.metric.spec().of != Counted::Nothing => {
            Some((level(0.0, bound, is_strict), share))
        }
        // What falls short of a share is what the rest of it exceeds.
        (_, Bound::Percent(_)) if is_more => Some((level(bound, 0.0, is_strict), share)),
        (_, Bound::Percent(_)) => Some((level(1.0 - bound, 0.0, is_strict), 1.0 - share)),
        _ => None,
    }
}
