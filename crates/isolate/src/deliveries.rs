//! What other tools deliver to receivers, as the isolate that gets it sees it: secrets are in its environment, so it
//! finds out whether a delivery is genuine. The controller reads it.

use super::Isolate;
use tidegate_model::Name;
use tidegate_model::plan::Receiver;
use tidegate_protocol::api::Call;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::limiter::{self, Limiter};
use tidegate_protocol::receive::Received;
use tidegate_protocol::receive::proof::{SECRET_BYTES_MIN, is_genuine};

/// Plans that are younger than this, in milliseconds, are not asked for before a delivery is looked at.
const FRESH_MS: f64 = 5_000.0;
/// So long a delivery waits for younger plans, in milliseconds.
const NEWS_MS_MAX: f64 = 1_000.0;

/// Who has delivered lately, and when the isolate last asked for plans because of it.
pub struct Deliveries {
    failures: Limiter,
    asked_at_ms: f64,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { failures: Limiter::new(limiter::DELIVERIES), asked_at_ms: f64::NEG_INFINITY }
    }
}

impl Deliveries {
    /// Admits a delivery from a network address, before anything is waited for; a genuine one gives it back.
    ///
    /// # Errors
    /// When there were too many.
    pub fn admit(&mut self, from: &str, now_ms: f64) -> Result<(), Problem> {
        if self.failures.admit(from, now_ms) {
            Ok(())
        } else {
            Err(Problem::too_many_deliveries(self.failures.wait_s(from)))
        }
    }

    /// How long, in milliseconds, the controller's news are waited for: an isolate without traffic may know nothing
    /// of new plans. `None` where they are fresh.
    pub fn news_ms_max(&mut self, now_ms: f64) -> Option<f64> {
        let is_old = now_ms - self.asked_at_ms > FRESH_MS;
        if is_old {
            self.asked_at_ms = now_ms;
        }
        is_old.then_some(NEWS_MS_MAX)
    }
}

/// What a delivery brings along, and what the environment has.
pub struct Delivery<'a> {
    /// The receiver's name.
    pub receiver: &'a str,
    /// The network address that it comes from.
    pub from: &'a str,
    /// A header of the request.
    pub header: &'a dyn Fn(&str) -> Option<String>,
    /// A secret of the environment.
    pub secret: &'a dyn Fn(&str) -> Option<String>,
}

impl Isolate {
    /// Refuses a delivery for a receiver that no plan has, before its body is read.
    ///
    /// # Errors
    /// With that.
    pub fn knows_receiver(&self, name: &str) -> Result<(), Problem> {
        if self.receivers(name).is_empty() { Err(Problem::unknown_receiver(name)) } else { Ok(()) }
    }

    /// The call to the controller that a delivery is.
    ///
    /// # Errors
    /// When no secret proves it, or none is set.
    pub fn deliver(&mut self, delivery: &Delivery<'_>, body: String, now_ms: f64) -> Result<Call, Problem> {
        let received = self.proved(delivery, &body, now_ms)?;
        self.deliveries.failures.give_back(delivery.from);
        Ok(Call {
            method: "POST".to_owned(),
            path: format!("in/{}", delivery.receiver),
            actor: format!("receiver {}", delivery.receiver),
            body,
            received: Some(received),
            ..Call::default()
        })
    }

    /// What proves the delivery, of each rollout whose plan has the receiver.
    fn proved(&mut self, delivery: &Delivery<'_>, body: &str, now_ms: f64) -> Result<Received, Problem> {
        let Delivery { receiver: name, header, secret, .. } = *delivery;
        let mut received = Received {
            receiver: name.to_owned(),
            resource: header("sentry-hook-resource"),
            id: ["webhook-id", "idempotency-key"].into_iter().find_map(header).filter(|id| !id.is_empty()),
            ..Received::default()
        };
        let mut is_unset = false;
        for (rollout, receiver) in self.receivers(name) {
            let Some(of) = receiver.secret() else { continue };
            let Some(value) = secret(of.0.as_str()).filter(|value| value.len() >= SECRET_BYTES_MIN) else {
                is_unset = true;
                let message =
                    format!("the receiver {name} needs the secret {}, of {SECRET_BYTES_MIN} characters or more", of.0);
                self.configuration.log.warn("secret_unset", rollout.as_str(), &message);
                continue;
            };
            if is_genuine(&receiver, value.trim(), header, body, now_ms / 1_000.0) {
                received.proved.push((rollout.to_string(), of.0.to_string()));
            }
        }
        match (received.proved.is_empty(), is_unset) {
            (false, _) => Ok(received),
            (true, true) => Err(Problem::no_receiver_secret(name)),
            (true, false) => Err(Problem::not_genuine()),
        }
    }

    /// The receivers of this name, each with the rollout whose plan has it.
    fn receivers(&self, name: &str) -> Vec<(Name, Receiver)> {
        let catalogue = &self.configuration.snapshot.catalogue;
        let plans = (0..catalogue.rollouts.len()).filter_map(|number| catalogue.plan(number));
        plans.filter_map(|plan| Some((plan.key.clone(), plan.receivers.get(name)?.clone()))).collect()
    }
}
