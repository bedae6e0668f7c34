//! A call to the controller, as the isolate that got it makes it: how long it waits, what it makes of silence, and
//! whether it has something to learn before it answers.

use super::auth::Person;
use super::problem::Problem;
use super::{Call, Reply, Route, body};

/// The longest that the controller is waited for, in milliseconds: it may be waiting for KV in turn.
const ANSWER_MS_MAX: f64 = 10_000.0;
/// The same for samples that are sent to channels: each receiver has ten seconds to answer.
const TRIED_MS_MAX: f64 = 20_000.0;
/// The same for a kill, which waits for nothing there: whoever kills must learn soon that they have to kill in
/// another way.
const KILLED_MS_MAX: f64 = 1_500.0;
/// So long, in milliseconds, a kill's answer waits for the isolate to learn of it.
const LEARNED_MS_MAX: f64 = 300.0;

/// A call that is to be made.
#[derive(Debug)]
pub struct Asking {
    /// The call.
    pub call: Call,
    /// Whom it kills: a rollout's key, or `*`.
    killed: Option<String>,
    /// Whether it waits for receivers of messages in turn.
    is_trial: bool,
}

impl Asking {
    /// A request of this person, which is asked for by `call` in all but its actor.
    pub fn new(route: &Route, person: Person, call: Call) -> Self {
        let killed = body::killed(route, &call.body);
        // To the controller HEAD is GET: the isolate leaves the body out.
        let method = if call.is_read() { "GET".to_owned() } else { call.method };
        let is_trial = matches!(route, Route::ChannelTest(_));
        let scope = person.scope;
        let call = Call { method, actor: person.name, roles: scope.roles, signal: scope.signal, ..call };
        Self { call, killed, is_trial }
    }

    /// A delivery for a receiver, which nobody asks for.
    pub const fn delivery(call: Call) -> Self {
        Self { call, killed: None, is_trial: false }
    }

    /// The call as it is sent.
    pub fn text(&self) -> String {
        serde_json::to_string(&self.call).unwrap_or_default()
    }

    /// How long the controller is waited for, in milliseconds.
    pub const fn ms_max(&self) -> f64 {
        match (&self.killed, self.is_trial) {
            (Some(_), _) => KILLED_MS_MAX,
            (None, true) => TRIED_MS_MAX,
            (None, false) => ANSWER_MS_MAX,
        }
    }

    /// What the controller has answered, or why it has not.
    ///
    /// # Errors
    /// When there is no answer, or nobody can read it.
    pub fn answered(&self, answer: Result<String, String>) -> Result<Reply, Problem> {
        let text = answer.map_err(|why| match &self.killed {
            Some(key) => Problem::kill_unanswered(key, &why),
            None => Problem::unavailable(why),
        })?;
        Reply::parse(&text).ok_or_else(|| Problem::unavailable("its answer cannot be read".into()))
    }

    /// How long, in milliseconds, the isolate asks for the controller's news before it answers: a change has reached
    /// it then. `None` where nothing has changed.
    pub fn news_ms_max(&self, reply: &Reply) -> Option<f64> {
        let has_changed = !self.call.is_read() && !reply.is_problem;
        has_changed.then_some(if self.killed.is_some() { LEARNED_MS_MAX } else { f64::INFINITY })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::auth::{Role, Scope};

    fn asking(method: &str, path: &str, body: &str) -> Asking {
        let person = Person { name: "ana".into(), role: Role::Operator, scope: Scope::default() };
        let call = Call { method: method.into(), path: path.into(), body: body.into(), ..Call::default() };
        Asking::new(&Route::find(method, path).unwrap(), person, call)
    }

    const SILENCE: &str = "no answer within 1500 ms";

    #[test]
    fn a_kill_waits_for_nobody_and_says_the_other_way() {
        for path in ["rollouts/shop/commands", "rollouts/*/commands"] {
            let kill = asking("POST", path, r#"{"command":"kill"}"#);
            assert_eq!(kill.ms_max(), KILLED_MS_MAX);
            let help = kill.answered(Err(SILENCE.into())).unwrap_err().help.unwrap_or_default();
            let key = path.split('/').nth(1).unwrap_or_default();
            assert!(help.contains(&format!("'kill/{key}' on")), "{help}");
            assert_eq!(kill.news_ms_max(&Reply::text("{}".into())), Some(LEARNED_MS_MAX));
        }
        let set = asking("POST", "rollouts/shop/commands", r#"{"command":"set","percentage":1}"#);
        assert_eq!(set.ms_max(), ANSWER_MS_MAX);
        assert_eq!(set.answered(Err(SILENCE.into())).unwrap_err().help, Problem::unavailable(String::new()).help);
        assert_eq!(set.answered(Ok("<html>".into())).unwrap_err().detail, "its answer cannot be read");
    }

    #[test]
    fn only_a_change_is_news() {
        let set = asking("POST", "rollouts/shop/commands", r#"{"command":"set","percentage":1}"#);
        assert_eq!(set.news_ms_max(&Reply::text("{}".into())), Some(f64::INFINITY));
        assert_eq!(set.news_ms_max(&Problem::unavailable(String::new()).into()), None);
        let read = asking("HEAD", "rollouts/shop", "");
        assert_eq!((read.call.method.as_str(), read.call.actor.as_str()), ("GET", "ana"));
        assert_eq!(read.news_ms_max(&Reply::text("{}".into())), None);
    }
}
