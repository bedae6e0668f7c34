//! Makes the request that goes to an upstream.

use super::{Exchange, NO_ANSWER};
use crate::forward::{self, Conditions, Inbound, Marks};
use crate::step::Step;
use tidegate_decide::assign::Variant;
use tidegate_model::plan::{Backend, Place};

impl Exchange {
    pub(super) fn ask_side(&self, variant: Variant, timeout_ms: u64) -> Step {
        match self.terms() {
            Some(terms) => self.ask(terms.backend(variant), Some(variant), timeout_ms),
            None => Step::Sentence { status: 503, reason: "no_config", text: NO_ANSWER },
        }
    }

    pub(super) fn ask(&self, backend: &Backend, variant: Option<Variant>, timeout_ms: u64) -> Step {
        let address = self.address();
        let terms = self.terms();
        let conditions = match (&terms, variant) {
            (Some(terms), Some(asked)) if terms.keeps_apart() => {
                Conditions::For { asked, is_varying: self.is_varying() }
            }
            (Some(_), _) => Conditions::Untouched,
            // What was legacy's while there was a rollout is the site's own now.
            (None, _) => Conditions::For { asked: Variant::Legacy, is_varying: false },
        };
        let inbound = Inbound { request: &self.request, address, conditions };
        let stage = terms
            .as_ref()
            .zip(self.decision.assignment)
            .and_then(|(terms, assignment)| terms.plan.stages.get(assignment.stage));
        let rollout = variant
            .zip(terms.as_ref())
            .map(|(variant, terms)| (variant, terms.plan.key.as_str(), stage.map_or("", |stage| stage.name.as_str())));
        let edits = forward::edits(&inbound, &Marks { rollout, flags: &self.decision.flags }, backend);
        let service = match &backend.place {
            Place::Service(name) => Some(name.clone()),
            Place::Url(_) => None,
        };
        Step::Ask { service, url: forward::url(&backend.place, &address), edits, timeout_ms }
    }
}
