//! Everything of a rollout that has a date.

use super::{Ahead, Forecast, words};
use crate::explain;
use tidegate_model::calendar::first_moment;
use tidegate_model::command::Command;
use tidegate_model::history::{Entry, EntryCause};
use tidegate_model::live::Phase;
use tidegate_model::plan::{Item, Notice, Plan};
use tidegate_model::record::{Checklist, Record};
use tidegate_model::{Duration, Instant, Name, serialize_as_text};

/// Of what repeats, so many dates are reported.
const REPEATS_MAX: usize = 60;
/// So many freezes are reported.
const FREEZES_MAX: usize = 60;
/// So far ahead freezes are reported where nobody can tell the end, in milliseconds: four weeks.
const HORIZON_MS: i64 = 28 * 86_400_000;

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Something that was done.
    Done,
    /// It starts.
    Start,
    /// A stage's bake time is over.
    Hold,
    /// A stage, from its entry to the next.
    Stage,
    /// The figures are looked at, at an interval.
    Checkin,
    /// A message goes out.
    Notice,
    /// Nothing advances.
    Freeze,
    /// Somebody has to tick something.
    Approval,
    /// It is done.
    End,
}

impl Kind {
    /// All of them, in words.
    pub const WORDS: [&str; 9] = ["done", "start", "hold", "stage", "checkin", "notice", "freeze", "approval", "end"];

    /// The kind's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Start => "start",
            Self::Stage => "stage",
            Self::Hold => "hold",
            Self::Checkin => "checkin",
            Self::Notice => "notice",
            Self::Freeze => "freeze",
            Self::Approval => "approval",
            Self::End => "end",
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

serialize_as_text!(Kind);

/// Something with a date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The same whenever it is asked for, within its rollout: `stage-canary`.
    pub id: String,
    /// When, or from when on.
    pub at: Instant,
    /// Until when, of what lasts.
    pub until: Option<Instant>,
    /// What it is.
    pub kind: Kind,
    /// What happens, or happened.
    pub title: String,
    /// More of it.
    pub detail: Option<String>,
    /// Who has to act, or has acted.
    pub who: Option<String>,
    /// Whether it is over, or has begun.
    pub is_past: bool,
}

/// Everything of a rollout that has a date: what stands in `history`, and what lies ahead. In the order of time.
pub fn events(ahead: &Ahead<'_>, forecast: &Forecast, history: &[Entry], now: Instant) -> Vec<Event> {
    let telling = Telling { plan: ahead.plan, record: ahead.record, forecast, now };
    let mut all: Vec<Event> = history.iter().map(done).collect();
    all.extend(telling.stages());
    all.extend(telling.checkins());
    all.extend(telling.notices());
    all.extend(telling.approvals());
    all.extend(telling.freezes());
    all.sort_by(|one, other| (one.at, one.kind, &one.id).cmp(&(other.at, other.kind, &other.id)));
    all
}

/// Something that was done.
fn done(entry: &Entry) -> Event {
    let who = match &entry.cause {
        Some(EntryCause::Schedule { .. }) => "the schedule".to_owned(),
        Some(EntryCause::Guardrail { .. }) => "a guardrail".to_owned(),
        Some(EntryCause::Problem { .. }) => "the plan".to_owned(),
        Some(EntryCause::Kv { .. }) => "by hand in KV".to_owned(),
        _ => entry.actor.clone(),
    };
    let state = &entry.state;
    let what = explain::sentence(&explain::done(&entry.command));
    let place = match entry.command {
        Command::Approve(_) | Command::Note | Command::Apply { .. } => String::new(),
        _ => format!(" {} at {} %", state.stage, state.percentage),
    };
    let why = explain::of_entry(entry);
    Event {
        id: format!("entry-{}", entry.revision),
        at: entry.at,
        until: None,
        kind: Kind::Done,
        title: format!("{}{}", what.trim_end_matches('.'), if place.is_empty() { place } else { format!(":{place}") }),
        detail: (!why.is_empty()).then(|| explain::sentence(&why)),
        who: Some(who),
        is_past: true,
    }
}

struct Telling<'a> {
    plan: &'a Plan,
    record: Option<&'a Record>,
    forecast: &'a Forecast,
    now: Instant,
}

impl Telling<'_> {
    fn event(&self, id: String, kind: Kind, at: Instant, title: String) -> Event {
        Event { id, at, until: None, kind, title, detail: None, who: None, is_past: at < self.now }
    }

    fn shown(&self, role: Option<&Name>) -> Option<String> {
        role.map(|role| words::person(self.plan, role.as_str()))
    }

    fn is_draft(&self) -> bool {
        self.record.is_none_or(|record| record.live.phase == Phase::Draft)
    }

    fn stages(&self) -> Vec<Event> {
        let (plan, forecast) = (self.plan, self.forecast);
        let mut all = Vec::new();
        if let Some(at) = forecast.start.filter(|at| *at >= self.now && self.is_draft()) {
            let mut start = self.event("start".into(), Kind::Start, at, format!("{} starts", plan.key));
            start.detail = plan.description.clone();
            all.push(start);
        }
        for stay in &forecast.stays {
            let Some(stage) = plan.stages.get(stay.stage) else { continue };
            let title = format!("{}: {} %", stage.name, stage.percentage);
            let mut own = self.event(format!("stage-{}", stage.name), Kind::Stage, stay.from, title);
            own.until = stay.until;
            own.who = self.shown(stage.owner.as_ref());
            own.detail = words::stage(plan, stay.stage, stage);
            all.push(own);
            if stage.hold.is_some() && stay.baked > self.now {
                let title = format!("{}: bake time over", stage.name);
                let mut hold = self.event(format!("hold-{}", stage.name), Kind::Hold, stay.baked, title);
                hold.detail = Some(words::after_hold(plan, stay.stage));
                hold.who = self.shown(stage.owner.as_ref());
                all.push(hold);
            }
        }
        all.extend(self.deadline());
        if let Some(at) = forecast.end.filter(|at| *at >= self.now && !forecast.stays.is_empty()) {
            let is_whole = plan.stages.last().is_some_and(|stage| stage.percentage == tidegate_model::Percentage::FULL);
            let title = if is_whole {
                format!("{} is complete: 100 %", plan.key)
            } else {
                format!("{} has done its time", plan.key)
            };
            let mut end = self.event("end".into(), Kind::End, at, title);
            end.detail = Some("At the earliest: if every gate passes and every item is ticked in time.".to_owned());
            all.push(end);
        }
        all
    }

    /// When the present stage has lasted as long as it is meant to. Those to come are left before.
    fn deadline(&self) -> Option<Event> {
        let stay = self.forecast.stays.first().filter(|stay| stay.from <= self.now)?;
        let stage = self.plan.stages.get(stay.stage)?;
        let at = stay.from.plus(stage.deadline?);
        let title = format!("{}: has lasted as long as it is meant to", stage.name);
        let mut own = self.event(format!("deadline-{}", stage.name), Kind::Hold, at, title);
        own.detail = Some("If it has not been left by then: go on, or back.".to_owned());
        own.who = self.shown(stage.owner.as_ref());
        (at > self.now).then_some(own)
    }

    /// A stretch of each stage in which the figures are looked at so often.
    fn checkins(&self) -> Vec<Event> {
        let mut all = Vec::new();
        for stay in &self.forecast.stays {
            let Some(stage) = self.plan.stages.get(stay.stage) else { continue };
            let mut from = stay.from;
            for (index, checkin) in stage.checkins.iter().enumerate() {
                let own_end = checkin.until.map(|until| stay.from.plus(until));
                let until = match (own_end, stay.until) {
                    (Some(own), Some(left)) => Some(own.min(left)),
                    (own, left) => own.or(left),
                };
                let title = format!("{}: figures every {}", stage.name, explain::counted_from_two(&checkin.every));
                let mut own = self.event(format!("checkin-{}-{index}", stage.name), Kind::Checkin, from, title);
                own.until = until;
                own.who = self.shown(stage.owner.as_ref());
                from = until.unwrap_or(from);
                // One that begins as the stage ends never comes.
                if own.until.is_none_or(|until| until > self.now && until > own.at) {
                    all.push(own);
                }
            }
        }
        all
    }

    fn notices(&self) -> Vec<Event> {
        let all = self.plan.notices.iter().enumerate();
        all.flat_map(|(index, notice)| self.notice(index, notice)).collect()
    }

    fn notice(&self, index: usize, notice: &Notice) -> Vec<Event> {
        let Some(first) = self.forecast.moment(self.plan, &notice.at) else { return Vec::new() };
        let dates = match notice.every {
            None => vec![first],
            Some(every) => self.repeats(first, every, self.lasts(notice)),
        };
        let event = |(n, at): (usize, Instant)| {
            let mut own = self.event(format!("notice-{index}-{n}"), Kind::Notice, at, notice.text.clone());
            let audience = notice.audience.map(|audience| format!("To {}", audience.with_article()));
            own.detail = audience;
            own.who = self.shown(notice.by.as_ref()).or_else(|| Some("sent automatically".to_owned()));
            own
        };
        dates.into_iter().enumerate().filter(|(_, at)| *at >= self.now).map(event).collect()
    }

    /// Until when a notice is repeated: while the stage that it names lasts, else until the end.
    fn lasts(&self, notice: &Notice) -> Option<Instant> {
        use tidegate_model::plan::moment::Moment;
        let stay = match &notice.at {
            Moment::Near { anchor, .. } => {
                let index = self.plan.stage_index(anchor.as_str());
                index.and_then(|index| self.forecast.stays.iter().find(|stay| stay.stage == index))
            }
            Moment::Date(_) => None,
        };
        stay.map_or(self.forecast.end, |stay| stay.until)
    }

    fn repeats(&self, first: Instant, every: Duration, until: Option<Instant>) -> Vec<Instant> {
        let mut dates = Vec::new();
        let mut at = first;
        while dates.len() < REPEATS_MAX && until.is_none_or(|until| at < until) && every.as_ms() > 0 {
            dates.push(at);
            at = at.plus(every);
        }
        dates
    }

    /// What is to be ticked, by when.
    fn approvals(&self) -> Vec<Event> {
        let (plan, forecast) = (self.plan, self.forecast);
        let mut all = Vec::new();
        let mut list = |of: Checklist, items: &[Item], by: Option<Instant>, what: &str| {
            for (index, item) in items.iter().enumerate() {
                if self.record.is_some_and(|record| record.approval(&of, item).is_some()) {
                    continue;
                }
                let Some(at) = forecast.due(plan, item.due.as_ref(), by) else { continue };
                let id = format!("item-{of}-{index}").replace(':', "-");
                let mut own = self.event(id, Kind::Approval, at, format!("Due: {}", item.text));
                own.detail = Some(words::item(item, what));
                own.who = item.who().map(|who| words::person(plan, who));
                // What is late is still to be done.
                own.is_past = false;
                all.push(own);
            }
        };
        if self.is_draft() {
            list(Checklist::Start, &plan.checklist, forecast.start, "before the start");
        }
        for stay in &forecast.stays {
            if let Some(stage) = plan.stages.get(stay.stage) {
                let what = format!("before {} is left", stage.name);
                list(Checklist::Stage(stage.name.clone()), &stage.checklist, stay.until, &what);
            }
        }
        if self.record.is_some_and(|record| record.live.phase == Phase::RolledBack) {
            list(Checklist::Rollback, &plan.after_rollback, Some(self.now), "before it is resumed");
        }
        all
    }

    /// When nothing advances between now and the end.
    fn freezes(&self) -> Vec<Event> {
        let windows = &self.plan.freeze;
        let until_ms = self.forecast.end.map_or(self.now.as_epoch_ms() + HORIZON_MS, Instant::as_epoch_ms);
        let mut all = Vec::new();
        let mut at_ms = self.now.as_epoch_ms();
        while all.len() < FREEZES_MAX && !windows.is_empty() {
            let Some(from_ms) = first_moment(windows, at_ms, true).filter(|from| *from < until_ms) else { break };
            let to_ms = first_moment(windows, from_ms, false);
            let from = Instant::from_epoch_ms(from_ms);
            let mut own = self.event(format!("freeze-{}", from_ms / 1_000), Kind::Freeze, from, "Change freeze".into());
            own.until = to_ms.map(Instant::from_epoch_ms);
            own.detail = Some("Nothing advances; rolling back always works.".to_owned());
            all.push(own);
            let Some(to_ms) = to_ms else { break };
            at_ms = to_ms;
        }
        all
    }
}
