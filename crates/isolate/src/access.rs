//! Sign-ins by Cloudflare Access, as the isolate that gets them sees them: the platform verifies their signature once,
//! as it does for the tokens of visitors, and what they say is looked at with every request.

use super::Isolate;
use super::effect::Input;
use tidegate_protocol::api::access::{Access, Refused, Visitor};
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::jwt::Unverified;
use tidegate_protocol::limiter::{Limiter, Rate};

/// So often the log gives one reason for which sign-ins do not count. Whoever can reach the worker can send any number of them.
const LOGGED: Rate = Rate { burst: 20.0, per_ms: 20.0 / 60_000.0 };

/// How often the log may say it.
pub struct Refusals(Limiter);

impl Default for Refusals {
    fn default() -> Self {
        Self(Limiter::new(LOGGED))
    }
}

impl Isolate {
    /// What is to be done before [`Isolate::access`], where this JWT has not been verified lately.
    pub fn unverified_access(&self, text: &str, now_ms: f64) -> Option<Input> {
        let token = &self.settings().access.as_ref()?.token;
        let is_open = Access::is_short_enough(text) && self.tokens.verified(token, text, now_ms).is_none();
        is_open.then(|| Input::TokenBrought(token.clone(), text.to_owned()))
    }

    /// Who a JWT of Access signs in; `None` where Access is not set up.
    pub fn access(&mut self, text: &str, now_ms: f64) -> Option<Result<Visitor, Problem>> {
        let access = self.setup.settings.access.as_ref()?;
        let verified = self.tokens.verified(&access.token, text, now_ms);
        let visitor = verified
            .unwrap_or(Err(Unverified::NoToken))
            .map_err(Refused::Unverified)
            .and_then(|claims| access.visitor(claims, now_ms / 1_000.0));
        Some(visitor.map_err(|why| {
            // The log leaves out what it has said of a subject a moment ago: one reason must not hide another.
            let reason = why.to_string();
            if self.refusals.0.admit(&reason, now_ms) {
                let message = format!("a JWT of Cloudflare Access does not count: {reason}");
                let subject = format!("Cf-Access-Jwt-Assertion: {reason}");
                self.configuration.log.warn("access_refused", &subject, &message);
            }
            why.into()
        }))
    }
}
