//! Messages to people and when they are due: alerts, their escalations, check-ins, and notices at certain times.
//!
//! Nothing is sent from here. What is due is found at each look, once, and stands in the history.

use serde::{Deserialize, Serialize};

use super::Evaluation;
use crate::explain;
use crate::judge::guard::guardrail_key;
use tidegate_model::live::Phase;
use tidegate_model::plan::moment::Moment;
use tidegate_model::plan::words::{Action, Sign};
use tidegate_model::plan::{Mode, Notice, Plan, Stage};
use tidegate_model::record::Record;
use tidegate_model::{Duration, Instant};

/// A message to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Message {
    /// When it was due.
    pub at: Instant,
    /// `alert`, `observed`, `escalation`, `checkin` or `notice`.
    pub kind: &'static str,
    /// The channels, or for an escalation and a check-in the role.
    pub to: Vec<String>,
    /// What it says.
    pub text: String,
    /// The figures that go with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub figures: Vec<String>,
    /// The guardrail that it is about, by its place among those in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<usize>,
    /// The notice that it is, by its place in the plan.
    #[serde(skip)]
    pub notice: Option<usize>,
    /// The plan's own words in it.
    #[serde(skip)]
    pub own_text: Option<String>,
}

/// What has been sent in this attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifications {
    /// When it was last looked up what is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) looked_at: Option<Instant>,
    /// When stages were entered, and when else something happened that notices refer to.
    pub(super) anchors: Vec<(String, Instant)>,
    /// The notices that have been reported, by index.
    #[serde(rename = "told")]
    pub(super) sent: Vec<u64>,
    /// When those that are sent again and again, that a person sends, or that pages show, were last sent, by index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) repeated: Vec<(u64, Instant)>,
    /// Guardrails that have fired and are true still: since when, and how many escalations were reported.
    pub(super) open: Vec<(String, Instant, u64)>,
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_ms()).unwrap_or(i64::MAX)
}

impl Notifications {
    /// What has become due since the last look.
    pub fn due(
        &mut self,
        plan: &Plan,
        record: &Record,
        evaluation: &Evaluation,
        fired: &[String],
        now: Instant,
    ) -> Vec<Message> {
        self.note_anchors(record, now);
        self.note_incident(plan, record);
        let mut due = self.alerts(plan, evaluation, fired, now);
        due.extend(self.escalations(plan, now));
        due.extend(self.checkin(plan, record, evaluation, now));
        due.extend(self.notices(plan, record, now));
        self.looked_at = Some(now);
        due
    }

    fn note_anchors(&mut self, record: &Record, now: Instant) {
        let live = &record.live;
        let mut note = |name: &str, at: Instant| {
            if !self.anchors.iter().any(|(own, _)| own == name) {
                self.anchors.push((name.to_owned(), at));
            }
        };
        match live.phase {
            Phase::Draft => {}
            Phase::Running | Phase::Paused => {
                note("start", record.begun);
                note(live.stage.as_str(), record.entered);
            }
            Phase::RolledBack => note("rollback", live.since),
            Phase::Completed => note("end", live.since),
        }
        if live.has_ended() {
            note("end", now);
        }
    }

    /// An incident comes again: what it sent is sent again the next time.
    fn note_incident(&mut self, plan: &Plan, record: &Record) {
        if plan.stage_index(Moment::INCIDENT).is_some() {
            // A stage of that name is what its notices are about.
            return;
        }
        let is_noted = self.anchors.iter().any(|(own, _)| own == Moment::INCIDENT);
        match (is_incident(record), is_noted) {
            (true, false) => self.anchors.push((Moment::INCIDENT.to_owned(), record.live.since)),
            (false, true) => {
                self.anchors.retain(|(own, _)| own != Moment::INCIDENT);
                let comes_again = |index: u64| {
                    let notice = usize::try_from(index).ok().and_then(|place| plan.notices.get(place));
                    notice.is_some_and(|notice| notice.at.is_near(Moment::INCIDENT))
                };
                self.sent.retain(|index| !comes_again(*index));
                self.repeated.retain(|(index, _)| !comes_again(*index));
            }
            _ => {}
        }
    }

    fn alerts(&mut self, plan: &Plan, evaluation: &Evaluation, still_true: &[String], now: Instant) -> Vec<Message> {
        self.open.retain(|(key, _, _)| still_true.contains(key));
        let mut alerts = Vec::new();
        for fired in &evaluation.fired {
            let Some(guardrail) = plan.guardrail(fired.guardrail) else { continue };
            let observes = guardrail.mode == Mode::Observe;
            if !observes {
                self.open.push((guardrail_key(fired.guardrail, guardrail), now, 0));
            }
            let what = guardrail.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
            let acts = match guardrail.then {
                Action::Alert => String::new(),
                then => format!(" and {}", explain::acts(&then.to_string())),
            };
            let text = if observes {
                format!(
                    "guardrail `{}` came true and {}: it observes, and acts on nobody{what}",
                    guardrail.when,
                    explain::would_have(&guardrail.then.to_string())
                )
            } else {
                format!("{} guardrail `{}` came true{acts}{what}", guardrail.severity, guardrail.when)
            };
            let figures = evaluation.guardrails.get(fired.guardrail).map_or_else(Vec::new, |judgement| {
                judgement.figures.iter().map(|figure| figure.text.clone()).collect()
            });
            alerts.push(Message {
                at: now,
                kind: if observes { "observed" } else { "alert" },
                to: guardrail.notify.iter().map(ToString::to_string).collect(),
                text,
                figures,
                guardrail: Some(fired.guardrail),
                notice: None,
                own_text: guardrail.text.clone(),
            });
        }
        alerts
    }

    fn escalations(&mut self, plan: &Plan, now: Instant) -> Vec<Message> {
        let mut due = Vec::new();
        for (key, since, sent) in &mut self.open {
            let guardrail = plan
                .guardrails_in_force()
                .enumerate()
                .find(|(index, guardrail)| guardrail_key(*index, guardrail) == *key);
            let Some((index, guardrail)) = guardrail else { continue };
            let escalations = guardrail.escalate.iter().skip(usize::try_from(*sent).unwrap_or(usize::MAX));
            for escalation in escalations.take_while(|escalation| since.plus(escalation.after) <= now) {
                *sent += 1;
                let what = escalation.text.as_ref().map(|text| format!(": {text}")).unwrap_or_default();
                let text = format!(
                    "the guardrail `{}` came true {} ago and is still true{what}",
                    guardrail.when, escalation.after
                );
                due.push(Message {
                    at: since.plus(escalation.after),
                    kind: "escalation",
                    to: vec![escalation.to.to_string()],
                    text,
                    figures: Vec::new(),
                    guardrail: Some(index),
                    notice: None,
                    own_text: escalation.text.clone(),
                });
            }
        }
        due
    }

    /// The check-in of the current stage, if its time has come; of several that were missed only the last.
    fn checkin(&self, plan: &Plan, record: &Record, evaluation: &Evaluation, now: Instant) -> Option<Message> {
        let live = &record.live;
        if !matches!(live.phase, Phase::Running | Phase::Paused) || live.killed {
            return None;
        }
        let stage = plan.stages.get(plan.stage_index(live.stage.as_str())?)?;
        let since_entry = |at: Instant| at.ms_since(record.entered);
        let passed = since_entry(now);
        let rhythm = stage.checkins.iter().find(|checkin| checkin.until.is_none_or(|until| passed <= ms(until)))?;
        let every = ms(rhythm.every).max(1);
        let due = passed - passed.rem_euclid(every);
        if due <= 0 || self.looked_at.is_some_and(|last| since_entry(last) >= due) {
            return None;
        }
        let at = record.entered.plus_ms(due);
        let gates = explain::gates(&evaluation.gates);
        let text = format!("check-in of {} at {} %: {gates}", live.stage, live.percentage);
        let figures = evaluation.gates.iter().map(|gate| gate.text.clone()).collect();
        let to = stage.owner.iter().map(ToString::to_string).collect();
        Some(Message { at, kind: "checkin", to, text, figures, guardrail: None, notice: None, own_text: None })
    }

    fn notices(&mut self, plan: &Plan, record: &Record, now: Instant) -> Vec<Message> {
        let mut ahead = Ahead::of(plan, record, now);
        let mut due = Vec::new();
        for (place, notice) in plan.notices.iter().enumerate() {
            let index = place as u64;
            let at = if self.sent.contains(&index) {
                self.next_time(plan, index, notice, record)
                    .filter(|next| *next <= now)
                    .map(|next| last_of(next, notice, now))
            } else {
                self.moment(plan, &notice.at, &mut ahead).filter(|at| *at <= now)
            };
            let Some(at) = at else { continue };
            if !self.sent.contains(&index) {
                self.sent.push(index);
            }
            // A date that had passed when the plan came into force needs no announcement.
            let is_late = matches!(notice.at, Moment::Date(_)) && self.looked_at.is_none_or(|last| at < last);
            if notice.every.is_some() || notice.by.is_some() || notice.in_app.is_some() && !is_late {
                self.repeated.retain(|(own, _)| *own != index);
                self.repeated.push((index, at));
            }
            if is_late {
                continue;
            }
            due.push(Message {
                at,
                kind: "notice",
                to: notice.to.iter().chain(&notice.by).map(ToString::to_string).collect(),
                text: notice.text.clone(),
                figures: Vec::new(),
                guardrail: None,
                notice: Some(place),
                own_text: Some(notice.text.clone()),
            });
        }
        due
    }

    /// When the messages that people send were last handed to them, by their place in the plan.
    pub(super) fn handed<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (&'a Notice, Instant)> {
        let of = |(index, at): &(u64, Instant)| Some((plan.notices.get(usize::try_from(*index).ok()?)?, *at));
        self.repeated.iter().filter_map(of).filter(|(notice, _)| notice.by.is_some())
    }

    /// When the messages that pages show were last sent, by their place in the plan.
    pub(crate) fn shown<'a>(&'a self, plan: &'a Plan) -> impl Iterator<Item = (u64, &'a Notice, Instant)> {
        let of = |(index, at): &(u64, Instant)| Some((*index, plan.notices.get(usize::try_from(*index).ok()?)?, *at));
        self.repeated.iter().filter_map(of).filter(|(_, notice, _)| notice.in_app.is_some())
    }

    /// When a notice that has been reported is to be reported again, while what it begins with lasts.
    fn next_time(&self, plan: &Plan, index: u64, notice: &Notice, record: &Record) -> Option<Instant> {
        let every = notice.every.filter(|every| every.as_ms() > 0)?;
        let (_, last) = self.repeated.iter().find(|(own, _)| *own == index)?;
        let Moment::Near { anchor, .. } = &notice.at else { return None };
        let live = &record.live;
        let is_on = match anchor.as_str() {
            stage if plan.stage_index(stage).is_some() => {
                matches!(live.phase, Phase::Running | Phase::Paused) && live.stage.as_str() == stage
            }
            "rollback" => live.phase == Phase::RolledBack,
            Moment::INCIDENT => is_incident(record),
            "start" => live.phase != Phase::Draft && !live.has_ended(),
            _ => false,
        };
        is_on.then(|| last.plus(every))
    }

    /// When there is something to be sent because of the time alone; a time that has come is found by the next look.
    pub(super) fn due_at(&self, plan: &Plan, record: &Record, now: Instant) -> Option<Instant> {
        let mut ahead = Ahead::of(plan, record, now);
        let notices = plan.notices.iter().enumerate().filter_map(|(place, notice)| {
            let index = place as u64;
            let is_reported = self.sent.contains(&index);
            if is_reported {
                self.next_time(plan, index, notice, record)
            } else {
                self.moment(plan, &notice.at, &mut ahead)
            }
        });
        let escalations = self.open.iter().filter_map(|(key, since, sent)| {
            let mut guardrails = plan.guardrails_in_force().enumerate();
            let (_, guardrail) = guardrails.find(|(index, own)| guardrail_key(*index, own) == *key)?;
            let next = guardrail.escalate.get(usize::try_from(*sent).ok()?)?;
            Some(since.plus(next.after))
        });
        // At the time of a start that does not happen, somebody is waited for.
        let is_draft = record.live.phase == Phase::Draft;
        let start = plan.start_at().filter(|start| is_draft && self.looked_at.is_none_or(|looked| looked < *start));
        notices.chain(escalations).chain(self.next_checkin(plan, record)).chain(start).min()
    }

    fn next_checkin(&self, plan: &Plan, record: &Record) -> Option<Instant> {
        let live = &record.live;
        if !matches!(live.phase, Phase::Running | Phase::Paused) || live.killed {
            return None;
        }
        let stage = plan.stages.get(plan.stage_index(live.stage.as_str())?)?;
        let looked = self.looked_at.map_or(record.entered, |at| at.max(record.entered));
        let passed = looked.ms_since(record.entered);
        let rhythm = stage.checkins.iter().find(|checkin| checkin.until.is_none_or(|until| passed <= ms(until)))?;
        let every = ms(rhythm.every).max(1);
        let next = (passed.div_euclid(every) + 1).saturating_mul(every);
        Some(record.entered.plus_ms(next))
    }

    /// When a moment is: of what has happened, or for a time before something, when that is expected.
    fn moment(&self, plan: &Plan, moment: &Moment, ahead: &mut Ahead<'_>) -> Option<Instant> {
        let (anchor, offset, then) = match moment {
            Moment::Date(at) => return Some(*at),
            Moment::Near { anchor, offset, then } => (anchor, offset, then),
        };
        let name = anchor.as_str();
        let happened = self.anchors.iter().find(|(own, _)| own == name).map(|(_, at)| *at);
        let at = match *offset {
            None => happened,
            Some((Sign::Plus, after)) => happened.map(|at| at.plus(after)),
            // What has happened needs no announcement any more.
            Some((Sign::Minus, before)) => {
                let at = if happened.is_none() { ahead.expected(name) } else { None };
                Some(at?.minus_ms(ms(before)))
            }
        }?;
        then.as_ref().map_or(Some(at), |then| then.near(at, plan))
    }
}

/// When the stages ahead may be entered, worked out once it is asked for.
struct Ahead<'a> {
    plan: &'a Plan,
    record: &'a Record,
    now: Instant,
    known: Option<Vec<(&'a str, Instant)>>,
}

impl<'a> Ahead<'a> {
    const fn of(plan: &'a Plan, record: &'a Record, now: Instant) -> Self {
        Self { plan, record, now, known: None }
    }

    /// When what has this name is expected at the earliest.
    fn expected(&mut self, name: &str) -> Option<Instant> {
        let Self { plan, record, now, known } = self;
        let known = known.get_or_insert_with(|| expected(plan, record, *now));
        known.iter().find(|(own, _)| *own == name).map(|(_, at)| *at)
    }
}

/// Whether users of new have been taken back. A kill of what nobody is on is none.
fn is_incident(record: &Record) -> bool {
    let live = &record.live;
    live.phase == Phase::RolledBack || live.killed && live.phase != Phase::Draft
}

/// The last of the times from `next` on that have come; those before it were missed.
fn last_of(next: Instant, notice: &Notice, now: Instant) -> Instant {
    let every = notice.every.map_or(1, ms).max(1);
    let passed = now.ms_since(next);
    next.plus_ms(passed - passed.rem_euclid(every))
}

/// When the stages ahead may be entered at the earliest, by the clock alone.
fn expected<'a>(plan: &'a Plan, record: &Record, now: Instant) -> Vec<(&'a str, Instant)> {
    let mut ahead = Vec::new();
    let (mut at, rest): (Instant, &[Stage]) = match record.live.phase {
        Phase::Draft => match plan.start_at() {
            Some(start) => {
                ahead.push(("start", start));
                (start, &plan.stages)
            }
            None => return ahead,
        },
        Phase::Running => {
            let index = plan.stage_index(record.live.stage.as_str()).unwrap_or(0);
            let hold = plan.stages.get(index).and_then(|stage| stage.hold);
            let leave = record.held_since.zip(hold).map_or(now, |(since, hold)| since.plus(hold));
            (leave.max(now), plan.stages.get(index + 1..).unwrap_or_default())
        }
        Phase::Paused | Phase::RolledBack | Phase::Completed => return ahead,
    };
    for stage in rest {
        at = stage.opens(at).unwrap_or(at);
        ahead.push((stage.name.as_str(), at));
        at = stage.hold.map_or(at, |hold| at.plus(hold));
    }
    ahead.push(("end", at));
    ahead
}
