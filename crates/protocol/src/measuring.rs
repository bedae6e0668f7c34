//! What a request leaves behind: counts in the meter, and a token on its page.
//!
//! A request counts in the rollout that routed it and in every flag that was assigned on it, in each
//! under that assignment and with the same outcome. Where no live state could be read there was no
//! assignment to speak of, and nothing is counted.

use super::assets;
use super::config::Snapshot;
use super::decision::{Assigned, Decision};
use super::exposure::{Exposure, Issuer};
use super::message::{AnswerText, RequestText};
use super::meter::by_value::Traits;
use super::meter::{self, Meter, Outcome, Visit};
use tidegate_decide::assign::{Reason, Variant};
use tidegate_decide::cohort::{SAMPLE_SALT, SLICES_SALT, Seed};
use tidegate_decide::notify::in_app::InAppMessage;
use tidegate_model::Minute;
use tidegate_model::measured::{self, sketch};
use tidegate_model::plan::Plan;

/// What measures, at the moment at which something happens.
pub struct Instruments<'a> {
    /// The time, in milliseconds since 1970.
    pub now_ms: f64,
    /// Counts.
    pub meter: &'a mut Meter,
    /// Makes tokens; `None` without a key.
    pub issuer: Option<&'a mut Issuer>,
    /// What pages show now: pages that are not counted have a token where they may show something.
    pub messages: &'a [InAppMessage],
}

/// What was seen of an answer, or of its absence.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// The status; `None` where no answer came.
    pub status: Option<u16>,
    /// Whether that is a failure, by the plan.
    pub is_failure: bool,
    /// Whether headers did not come in time.
    pub is_timeout: bool,
    /// The time to headers, where it says something of the upstream.
    pub latency_ms: Option<f64>,
}

impl Seen {
    /// The same where the visitor got another answer instead, with this status.
    #[must_use]
    pub const fn replaced(self, status: u16) -> Self {
        Self { status: Some(status), is_failure: self.is_failure && self.is_timeout, ..self }
    }
}

/// A request that was decided.
#[derive(Clone, Copy)]
pub struct Measured<'a> {
    /// What it was decided on.
    pub snapshot: &'a Snapshot,
    /// What was decided.
    pub decision: &'a Decision,
    /// The number of the rollout that routes it.
    pub number: Option<usize>,
    /// The host that it was sent to, with its port.
    pub host: &'a str,
    /// The path that it asks for.
    pub path: &'a str,
    /// The request itself.
    pub request: &'a RequestText,
}

impl<'a> Measured<'a> {
    /// The assignments that count, each with its plan.
    fn assigned(self) -> impl Iterator<Item = (&'a Plan, Assigned)> {
        let Self { snapshot, decision, number, .. } = self;
        let routed = number.zip(decision.assignment).map(|(number, assignment)| Assigned {
            number,
            assignment,
            subject: decision.subject,
        });
        let all = routed.into_iter().chain(decision.flagged.iter().copied());
        let counted = all.filter(|assigned| assigned.assignment.reason != Reason::NoConfig);
        counted.filter_map(move |assigned| Some((snapshot.catalogue.plan(assigned.number)?.as_ref(), assigned)))
    }

    /// Whether the subject has chosen legacy, though the hash has it on new.
    fn has_opted_out(self, Assigned { number, assignment, .. }: &Assigned) -> bool {
        assignment.reason == Reason::Chosen
            && assignment.variant == Variant::Legacy
            && self
                .snapshot
                .standings
                .get(*number)
                .zip(assignment.bucket)
                .is_some_and(|(own, bucket)| own.covers(bucket))
    }

    fn visits(self, at_ms: f64) -> impl Iterator<Item = Visit<'a>> {
        let minute = Minute::of_epoch_ms(at_ms);
        self.assigned().map(move |(plan, assigned)| Visit {
            plan,
            assigned,
            path: self.path,
            has_opted_out: self.has_opted_out(&assigned),
            minute,
            client: self.decision.client,
            traits: Some(Traits { request: self.request, country: self.decision.country }),
        })
    }

    /// Counts what came of asking the side that was asked first.
    pub fn count(self, seen: &Seen, instruments: &mut Instruments<'_>) {
        let outcome = Outcome {
            status: seen.status,
            is_failure: seen.is_failure,
            is_timeout: seen.is_timeout,
            latency: seen.latency_ms.and_then(|latency_ms| sketch::bucket(latency_ms.max(0.0))),
        };
        for visit in self.visits(instruments.now_ms) {
            instruments.meter.count(&visit, outcome);
        }
    }

    /// Counts that legacy has answered in new's place, which failed at `at_ms`.
    pub fn count_rescue(self, at_ms: f64, instruments: &mut Instruments<'_>) {
        for visit in self.visits(at_ms) {
            instruments.meter.count_rescue(&visit);
        }
    }

    /// Counts that the client has left before any headers came.
    pub fn count_abandoned(self, waited_ms: f64, instruments: &mut Instruments<'_>) {
        for visit in self.visits(instruments.now_ms) {
            instruments.meter.count_abandoned(&visit, waited_ms.max(0.0));
        }
    }

    /// Counts that the body of a page ended early or stalled, beside the request that is counted already.
    pub fn count_broken(self, is_failure: bool, instruments: &mut Instruments<'_>) {
        for visit in self.visits(instruments.now_ms) {
            instruments.meter.count_broken(&visit, is_failure);
        }
    }

    /// The token of a page, which stands for what its subject was given.
    pub fn token(self, instruments: &mut Instruments<'_>) -> Option<String> {
        let Instruments { messages, .. } = *instruments;
        let issuer = instruments.issuer.as_deref_mut()?;
        let has_message =
            |plan: &Plan| messages.iter().any(|own| own.rollout == plan.key && own.side != Some(Variant::New));
        let (sampled, sliced) = (Seed::of(SAMPLE_SALT), Seed::of(SLICES_SALT));
        let exposures = self.assigned().filter_map(|(plan, Assigned { assignment, subject, .. })| {
            // A rollout that has taken everybody back, or has not begun, gives nobody anything that could be measured.
            let is_counted = !matches!(assignment.reason, Reason::Killed | Reason::Inactive);
            let subject = subject.filter(|_| is_counted || has_message(plan))?;
            let is_compared = meter::is_compared(assignment.reason);
            Some(Exposure {
                rollout: plan.key.as_str(),
                variant: assignment.variant,
                stage: plan.stages.get(assignment.stage).map_or("", |stage| stage.name.as_str()),
                revision: assignment.revision,
                subject: measured::Seen::new(sampled.hash(subject), assignment.variant, is_compared).hash,
                slice: is_compared.then(|| sliced.slice(subject)),
                is_counted,
                endpoints: meter::at(plan, meter::places(plan, self.path))
                    .filter_map(|(_, endpoint)| endpoint)
                    .map(|name| name.as_str())
                    .collect(),
            })
        });
        issuer.issue(self.host, Minute::of_epoch_ms(instruments.now_ms), exposures)
    }
}

/// Whether an answer is a page that a browser shows, and in which a script could report.
pub fn is_page(request: &RequestText, answer: &AnswerText) -> bool {
    let is_asked = match request.header("sec-fetch-dest") {
        Some(destination) => matches!(destination, "document" | "iframe") && request.method() != "HEAD",
        None => {
            request.method() == "GET" && request.header("accept").is_some_and(|accept| accept.contains("text/html"))
        }
    };
    is_asked && assets::is_html(answer.content_type()) && !(300..400).contains(&answer.status())
}
