//! People choose: a link or a form that a plan allows (`choice`), by which a browser's user goes to new, or back to
//! legacy, for a while. It works without JavaScript.
//!
//! ```text
//! GET  /_tidegate/choose?rollout=KEY&side=new&to=/shop/        a link
//! POST /_tidegate/choose    the same as a form, and `word`     why: a signal of the plan, or words for its `feedback`
//! ```
//! 1. It leads back to where it came from: to the path in `to`, else to the page that sent it, always on this host.
//! 2. Nobody else chooses for the user. A link on another site is asked about first, a form of another site too; what a
//!    browser fetches ahead chooses nothing.
//! 3. The choice is a signed cookie of this browser, rollout and host, as a preview is, under a key of its own.
//! 4. A kill and a rollback are above an opt-in, and a kill above all; when the rollout completes or its plan goes,
//!    choices end. Who has chosen is on no side by the hash, and so is not compared.

use std::fmt::Write as _;

use serde::Serialize;

use super::address::Address;
use super::answer::Answer;
use super::api::{Call, body, parameter};
use super::cookie;
use super::notify::markup::escaped;
use super::preview::{PreviewKey, destination};
use tidegate_decide::assign::Variant;
use tidegate_model::Name;
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;

/// The start of the names of the cookies; the rollout's key follows.
pub const COOKIE: &str = "__Host-tidegate-choice-";
/// The path of links and forms.
pub const PATH: &str = "/_tidegate/choose";
/// The longest body of a form, in bytes.
pub const BODY_BYTES_MAX: u32 = 4_096;
/// Who the signals are reported by.
pub const ACTOR: &str = "choice";
/// The signals of a choice, where the plan has them.
const OPT_IN: &str = "opt_in";
const OPT_OUT: &str = "opt_out";
const USE: &[u8] = b"tidegate choice 1";

/// The key that choices are signed with, made from `SIGNING_KEY`.
pub struct ChoiceKey(PreviewKey);

impl ChoiceKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        PreviewKey::derive_for(signing_key, USE).map(Self)
    }
}

/// The side that a browser's user has chosen in a rollout.
pub fn chosen(cookies: &str, rollout: &str, host: &str, key: &ChoiceKey, now_s: f64) -> Option<Variant> {
    let name = format!("{COOKIE}{rollout}");
    let choice = cookie::values(cookies, &name).find_map(|token| key.0.verify(token, host, now_s))?;
    (choice.rollout == rollout).then_some(choice.variant)
}

/// A request to choose.
#[derive(Clone, Copy, Debug)]
pub struct Choosing<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it was sent.
    pub address: Address<'a>,
    /// The fields of the query, and of a form.
    pub fields: &'a str,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// `Sec-Purpose`, or `Purpose`.
    pub purpose: Option<&'a str>,
    /// `Referer`.
    pub referer: Option<&'a str>,
    /// `Cookie`.
    pub cookies: &'a str,
}

/// What becomes of it.
#[derive(Debug)]
pub struct Chosen {
    /// The answer.
    pub answer: Answer,
    /// What is to be reported to the controller, where anything has changed and the plan has such signals.
    pub signals: Vec<Call>,
}

impl From<Answer> for Chosen {
    fn from(answer: Answer) -> Self {
        Self { answer, signals: Vec::new() }
    }
}

impl Choosing<'_> {
    fn field(&self, name: &str) -> Option<String> {
        parameter(self.fields, name).filter(|value| !value.is_empty())
    }

    /// The rollout that is chosen in.
    pub fn rollout(&self) -> Option<Name> {
        self.field("rollout")?.parse().ok()
    }

    /// Where it leads.
    fn destination(&self) -> String {
        let sender = self.referer.and_then(Address::parse).filter(|page| {
            page.authority.eq_ignore_ascii_case(self.address.authority) && !page.path.starts_with("/_tidegate/")
        });
        destination(self.field("to").as_deref().or(sender.map(|page| page.path_and_query)))
    }

    /// Whether a page of another site sends it, so that its user may not have meant it.
    fn is_of_another_site(&self) -> bool {
        match (self.fetch_site, self.origin) {
            (Some(site), _) => site == "cross-site",
            (None, Some(origin)) => !origin.eq_ignore_ascii_case(&self.address.origin()),
            (None, None) => false,
        }
    }

    /// Answers it under a rollout's plan; `None` where there is no such rollout. Where the rollout `is_over`, nothing is
    /// left to choose, and what was chosen is taken away.
    pub fn answer(&self, plan: Option<&Plan>, is_over: bool, key: Option<&ChoiceKey>, now_s: f64) -> Chosen {
        let Some((plan, choice)) = plan.and_then(|plan| Some((plan, plan.choice?))) else {
            return Answer::text(404, "There is nothing to choose here.").into();
        };
        let side = match self.field("side").as_deref() {
            Some("new") => Some(Variant::New),
            Some("legacy") => Some(Variant::Legacy),
            Some("none") => None,
            _ => return Answer::text(400, "`side` is `new`, `legacy`, or `none` to end a choice.").into(),
        };
        if side.is_some_and(|side| !choice.allows(side)) {
            return Answer::text(403, "This side cannot be chosen here.").into();
        }
        let Some(key) = key else {
            return Answer::text(503, "Nothing can be chosen: SIGNING_KEY is not set.").into();
        };
        if self.purpose.is_some_and(|purpose| purpose.contains("prefetch")) {
            return Answer::text(503, "What is fetched ahead chooses nothing.").into();
        }
        if self.is_of_another_site() {
            return self.question(plan, side).into();
        }
        self.take(plan, side.filter(|_| !is_over), key, now_s)
    }

    fn take(&self, plan: &Plan, side: Option<Variant>, key: &ChoiceKey, now_s: f64) -> Chosen {
        let (rollout, host) = (plan.key.as_str(), self.address.authority);
        let life_s = plan.choice_for.as_ms() / 1_000;
        let token = side.map(|side| key.0.sign(rollout, side, host, now_s as u64 + life_s));
        let life_s = if token.is_some() { life_s } else { 0 };
        let value = token.unwrap_or_default();
        let cookie = format!("{COOKIE}{rollout}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life_s}");
        let answer = Answer::redirect(303, &self.destination())
            .with("set-cookie", &cookie)
            .with("cache-control", "no-store")
            .with("clear-site-data", "\"cache\"");
        let is_change = side.is_some() && side != chosen(self.cookies, rollout, host, key, now_s);
        Chosen { answer, signals: if is_change { self.signals(plan, side) } else { Vec::new() } }
    }

    /// What a choice counts as: `opt_in` or `opt_out`, and the word that a form gives as the reason.
    fn signals(&self, plan: &Plan, side: Option<Variant>) -> Vec<Call> {
        let own = if side == Some(Variant::New) { OPT_IN } else { OPT_OUT };
        let word = self.field("word").filter(|word| word != OPT_IN && word != OPT_OUT);
        let is_counted = |name: &&str| plan.signals.get(name).is_some_and(|signal| signal.kind == SignalKind::Count);
        let reason = word.as_deref().filter(is_counted);
        let note = word.as_deref().filter(|_| reason.is_none() && !plan.feedback.is_empty()).and_then(body::note);
        let own = Some(own).filter(is_counted).map(|name| call(plan, name, note.as_deref()));
        own.into_iter().chain(reason.map(|name| call(plan, name, None))).collect()
    }

    /// Asks first, on a page that only this site can send on.
    fn question(&self, plan: &Plan, side: Option<Variant>) -> Answer {
        let (question, value) = match side {
            Some(Variant::New) => ("Go to the new version?", "new"),
            Some(Variant::Legacy) => ("Go back to the old version?", "legacy"),
            None => ("Go back to the version that is chosen for you?", "none"),
        };
        let fields = [("rollout", plan.key.as_str()), ("side", value), ("to", &self.destination())];
        let mut inputs = String::new();
        for (name, value) in fields {
            let _ = write!(inputs, "<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escaped(value));
        }
        let body = format!(
            "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>{question}</title><h1>{question}</h1><form method=\"post\" action=\"{PATH}\">{inputs}<button>Yes</button></form></html>"
        );
        let answer = Answer { content_type: "text/html; charset=utf-8", body, ..Answer::text(200, "") };
        answer
            .with("cache-control", "no-store")
            .with("content-security-policy", "default-src 'none'; form-action 'self'; frame-ancestors 'none'")
            .with("referrer-policy", "same-origin")
    }
}

fn call(plan: &Plan, signal: &str, note: Option<&str>) -> Call {
    let body = SignalReport { name: signal, count: 1, note };
    Call {
        method: "POST".to_owned(),
        path: format!("rollouts/{}/signals", plan.key),
        actor: ACTOR.to_owned(),
        body: serde_json::to_string(&body).unwrap_or_default(),
        ..Call::default()
    }
}

#[derive(Serialize)]
struct SignalReport<'a> {
    name: &'a str,
    count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    const NOW_S: f64 = 1_000_000.0;
    const HOST: &str = "shop.example.com";

    fn key() -> ChoiceKey {
        ChoiceKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!())
    }

    fn plan(choice: &str) -> Plan {
        let text = format!(
            r#"{{"key":"shop","routes":["/*"],"upstreams":{{"legacy":"https://l.example","new":"https://n.example"}},{choice}"signals":{{"opt_out":{{"kind":"count"}},"slow":{{"kind":"count"}},"cpu":{{"kind":"gauge"}}}},"stage":[{{"name":"full","percentage":100}}]}}"#
        );
        read_rollout(&text).unwrap_or_else(|_| unreachable!("{text}"))
    }

    const BOTH: &str = r#""choice":"both","#;

    fn choosing(fields: &str) -> Choosing<'_> {
        Choosing {
            method: "GET",
            address: Address::parse("https://shop.example.com/_tidegate/choose").unwrap_or_else(|| unreachable!()),
            fields,
            origin: None,
            fetch_site: Some("same-origin"),
            purpose: None,
            referer: None,
            cookies: "",
        }
    }

    fn answer(asked: Choosing<'_>, choice: &str) -> Chosen {
        asked.answer(Some(&plan(choice)), false, Some(&key()), NOW_S)
    }

    fn header(answer: &Answer, name: &str) -> String {
        let found = answer.headers.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().to_owned()
    }

    #[test]
    fn a_choice_counts_for_its_rollout_host_and_time() {
        let Chosen { answer, .. } = answer(choosing("rollout=shop&side=new&to=/a?b"), BOTH);
        assert_eq!((answer.status, header(&answer, "location").as_str()), (303, "/a?b"));
        let cookie = header(&answer, "set-cookie");
        assert!(cookie.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=1209600"), "{cookie}");
        let pair = cookie.split(';').next().unwrap_or_default();
        let at = |host: &str, rollout: &str, after_s: f64| chosen(pair, rollout, host, &key(), NOW_S + after_s);
        assert_eq!(at(HOST, "shop", 0.0), Some(Variant::New));
        assert_eq!(at(HOST, "shop", 1_209_600.0), None);
        assert_eq!((at("other.example", "shop", 0.0), at(HOST, "other", 0.0)), (None, None));
        // A preview under the same signing key is none, and neither is a choice a preview.
        let preview = PreviewKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!());
        let token = preview.sign("shop", Variant::New, HOST, 2_000_000);
        assert_eq!(chosen(&format!("{COOKIE}shop={token}"), "shop", HOST, &key(), NOW_S), None);
    }

    #[test]
    fn it_leads_back_to_where_it_came_from_and_never_to_another_host() {
        let to = |fields: &str, referer: Option<&str>| {
            header(&answer(Choosing { referer, ..choosing(fields) }, BOTH).answer, "location")
        };
        let fields = "rollout=shop&side=legacy";
        assert_eq!(to(fields, Some("https://shop.example.com/cart?x=1")), "/cart?x=1");
        assert_eq!(to(fields, Some("https://evil.example/cart")), "/");
        assert_eq!(to(fields, None), "/");
        for evil in ["https://evil.example/", "//evil.example", "/\\evil.example"] {
            assert_eq!(to(&format!("{fields}&to={evil}"), Some("https://shop.example.com/cart")), "/", "{evil}");
        }
    }

    #[test]
    fn a_plan_says_what_may_be_chosen() {
        let status = |fields: &str, choice: &str| answer(choosing(fields), choice).answer.status;
        for (choice, new, legacy) in
            [("", 404, 404), (r#""choice":"in","#, 303, 403), (r#""choice":"out","#, 403, 303), (BOTH, 303, 303)]
        {
            assert_eq!(
                (status("rollout=shop&side=new", choice), status("rollout=shop&side=legacy", choice)),
                (new, legacy),
                "{choice}"
            );
        }
        assert_eq!((status("rollout=shop&side=none", BOTH), status("rollout=shop&side=x", BOTH)), (303, 400));
        assert_eq!(choosing("rollout=shop&side=new").answer(None, false, Some(&key()), NOW_S).answer.status, 404);
        assert_eq!(choosing("rollout=shop&side=new").answer(Some(&plan(BOTH)), false, None, NOW_S).answer.status, 503);
    }

    #[test]
    fn with_the_rollout_choices_end() {
        let asked = choosing("rollout=shop&side=legacy&to=/a");
        let Chosen { answer, signals } = asked.answer(Some(&plan(BOTH)), true, Some(&key()), NOW_S);
        assert_eq!((answer.status, header(&answer, "location").as_str(), signals.len()), (303, "/a", 0));
        assert!(header(&answer, "set-cookie").ends_with("Max-Age=0"), "{}", answer.headers);
    }

    #[test]
    fn another_site_chooses_for_nobody() {
        let fields = "rollout=shop&side=new&to=/%22%3E%3Cb%3E";
        for asked in [
            Choosing { fetch_site: Some("cross-site"), ..choosing(fields) },
            Choosing { method: "POST", fetch_site: None, origin: Some("https://evil.example"), ..choosing(fields) },
        ] {
            let Chosen { answer, signals } = answer(asked, BOTH);
            assert_eq!((answer.status, header(&answer, "set-cookie").as_str(), signals.len()), (200, "", 0));
            assert!(answer.body.contains("value=\"/&quot;&gt;&lt;b&gt;\""), "{}", answer.body);
            assert!(header(&answer, "content-security-policy").contains("frame-ancestors 'none'"));
        }
        let ahead = Choosing { purpose: Some("prefetch;prerender"), ..choosing(fields) };
        assert_eq!(header(&answer(ahead, BOTH).answer, "set-cookie"), "");
    }

    #[test]
    fn a_change_is_a_signal_where_the_plan_has_it_with_its_word() {
        let paths = |asked: Choosing<'_>| -> Vec<String> {
            answer(asked, BOTH).signals.into_iter().map(|call| format!("{} {}", call.path, call.body)).collect()
        };
        let path = "rollouts/shop/signals";
        let out = "rollout=shop&side=legacy&word=slow";
        let counted = |name: &str| format!("{path} {{\"name\":\"{name}\",\"count\":1}}");
        assert_eq!(paths(choosing(out)), [counted("opt_out"), counted("slow")]);
        assert_eq!(paths(choosing("rollout=shop&side=new&word=cpu")), [""; 0], "no such signal, and a gauge");
        let said = "rollout=shop&side=legacy&word=It+is%0A%22slow%22+%E2%80%AE";
        assert_eq!(paths(choosing(said)), [counted("opt_out")], "nobody wants to hear it");
        let feedback = r#""choice":"both","feedback":["chat"],"channels":{"chat":{"slack":"secret:CHAT"}},"#;
        let bodies: Vec<String> = answer(choosing(said), feedback).signals.into_iter().map(|call| call.body).collect();
        assert_eq!(bodies, [r#"{"name":"opt_out","count":1,"note":"It is \"slow\""}"#]);
        let long = format!("rollout=shop&side=legacy&word={}", "x".repeat(300));
        let bodies: Vec<String> = answer(choosing(&long), feedback).signals.into_iter().map(|call| call.body).collect();
        assert_eq!(bodies, [format!(r#"{{"name":"opt_out","count":1,"note":"{}…"}}"#, "x".repeat(200))]);
        let cookie = header(&answer(choosing(out), BOTH).answer, "set-cookie");
        let cookies = cookie.split(';').next().unwrap_or_default();
        assert_eq!(paths(Choosing { cookies, ..choosing(out) }), [""; 0], "it has chosen so before");
    }
}
