//! Errands: what the controller asks of other hosts, and what it makes of the answers: probes of the upstreams, hooks,
//! and looks at the public site from outside.
//!
//! 1. A probe asks as Tidegate asks for a visitor, and follows no redirect: a redirect is an answer.
//! 2. A hook's answer is one of three words. Whatever else comes is no answer.
//! 3. Nothing of a body is kept or reported; what is reported of an answer is its status, its time, and whether a text was
//!    found.

use serde_json::{Value, json};

use super::notify::keys::Keys;
use super::notify::webhook::signature;
use tidegate_decide::hooks::{AGAIN_DEFAULT, HookAnswer};
use tidegate_decide::verification::{Found, is_all_legacy};
use tidegate_model::live::LiveState;
use tidegate_model::plan::probe::{Expectation, HookSide, PROBE_MAX, ProbePath};
use tidegate_model::plan::words::SecretName;
use tidegate_model::plan::{Hook, Place, Plan, Probe};
use tidegate_model::record::Record;
use tidegate_model::route::HostPattern;
use tidegate_model::variant::Variant;
use tidegate_model::version::Version;
use tidegate_model::{Duration, Instant};

/// The variable that names the public site, where it is not at the hosts of the routes.
pub const PUBLIC_ORIGIN: &str = "PUBLIC_ORIGIN";
/// So much of a page is looked through, in bytes.
const PAGE_BYTES_MAX: u32 = 512 << 10;
/// So much of a hook's answer is read, in bytes.
const HOOK_BYTES_MAX: u32 = 8 << 10;
/// So much of a hook's own words is passed on, in characters.
const SAID_CHARS_MAX: usize = 200;
/// A look from outside takes so long at the most, in milliseconds.
const OUTSIDE_MS_MAX: u32 = 10_000;
/// What probes and looks call themselves. Not a robot's name: robots get another answer from many sites.
const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) Chrome/140.0.0.0 Tidegate/1";

/// A request to another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrandRequest {
    /// The service binding that is asked; none for a host.
    pub service: Option<String>,
    /// Its method.
    pub method: &'static str,
    /// Where it goes.
    pub url: String,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: String,
    /// It is given up after this long, in milliseconds.
    pub ms_max: u32,
    /// So much of the answer's body is read, in bytes.
    pub bytes_max: u32,
}

/// An answer of another host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrandAnswer {
    /// The status.
    pub status: u16,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body.
    pub body: String,
    /// How long all of it took, in milliseconds.
    pub took_ms: u64,
}

impl ErrandAnswer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }
}

/// The public origin of a plan: the host of its first route that names one.
fn named_host(plan: &Plan) -> Option<String> {
    plan.routes.iter().find_map(|route| match &route.host {
        HostPattern::Exactly(host) => Some(host.clone()),
        HostPattern::Any | HostPattern::Under(_) => None,
    })
}

fn owned(headers: &[(&str, &str)]) -> Vec<(String, String)> {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

const DOCUMENT: [(&str, &str); 5] = [
    ("accept", "text/html,*/*;q=0.8"),
    ("sec-fetch-dest", "document"),
    ("sec-fetch-mode", "navigate"),
    ("cache-control", "no-cache"),
    ("user-agent", USER_AGENT),
];

/// A probe of one side.
///
/// # Errors
/// When the plan has no upstreams.
pub fn probe(plan: &Plan, probe: &Probe, variant: Variant) -> Result<ErrandRequest, String> {
    let ms_max = probe.expect.under.unwrap_or(PROBE_MAX).as_ms().min(PROBE_MAX.as_ms());
    // What is late by a little is reported with its time.
    let ms_max = u32::try_from(ms_max.saturating_add(500)).unwrap_or(u32::MAX);
    to_side(plan, &probe.path, variant, ms_max)
}

/// A look at the file whose `ETag` is new's version.
///
/// # Errors
/// When the plan has no upstreams.
pub fn version(plan: &Plan, path: &ProbePath) -> Result<ErrandRequest, String> {
    to_side(plan, path, Variant::New, OUTSIDE_MS_MAX)
}

/// The version that such a look has found: the tag, without the mark of a weak one.
///
/// # Errors
/// When there is none.
pub fn version_found(answer: &Result<ErrandAnswer, String>) -> Result<Version, String> {
    let answer = answer.as_ref().map_err(|why| why.chars().take(SAID_CHARS_MAX).collect::<String>())?;
    if answer.status != 200 {
        return Err(format!("it answers {}, and 200 is expected", answer.status));
    }
    let tag = answer.header("etag").ok_or("its answer has no ETag")?;
    let text = tag.trim().trim_start_matches("W/").trim_matches('"');
    text.parse::<Version>().map_err(|_| "its ETag cannot be a version".to_owned())
}

fn to_side(plan: &Plan, path: &ProbePath, variant: Variant, ms_max: u32) -> Result<ErrandRequest, String> {
    let upstreams = plan.upstreams.as_ref().ok_or("the plan has no upstreams")?;
    let host = named_host(plan);
    let (service, url) = match &upstreams.side(variant).place {
        Place::Url(upstream) => (None, format!("{}{path}", upstream.as_str())),
        Place::Service(name) => {
            let host = host.as_deref().unwrap_or("tidegate.invalid");
            (Some(name.clone()), format!("https://{host}{path}"))
        }
    };
    let mut headers = owned(&DOCUMENT);
    headers.extend(owned(&[("tidegate-variant", variant.as_str()), ("tidegate-rollout", plan.key.as_str())]));
    if let Some(host) = &host {
        headers.extend(owned(&[("x-forwarded-host", host), ("x-forwarded-proto", "https")]));
    }
    Ok(ErrandRequest { service, method: "GET", url, headers, body: String::new(), ms_max, bytes_max: PAGE_BYTES_MAX })
}

/// What of an answer is not as a probe expects it; nothing where all is.
pub fn probe_failure(expect: &Expectation, answer: &Result<ErrandAnswer, String>) -> Option<String> {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => return Some(why.chars().take(SAID_CHARS_MAX).collect()),
    };
    if answer.status != expect.status {
        return Some(format!("it answers {}, and {} is expected", answer.status, expect.status));
    }
    if let Some(text) = expect.contains.as_ref().filter(|text| !answer.body.contains(text.as_str())) {
        return Some(format!("its answer does not contain `{text}`"));
    }
    let late = expect.under.filter(|under| answer.took_ms >= under.as_ms());
    late.map(|under| format!("it took {} ms, and under {under} is expected", answer.took_ms))
}

/// What a hook is asked.
pub struct Asked<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The state.
    pub record: &'a Record,
    /// The hook.
    pub hook: &'a Hook,
    /// Its place in the plan.
    pub index: usize,
}

impl Asked<'_> {
    /// The same for one visit of a stage, however often it is asked.
    pub fn id(&self) -> String {
        let live = &self.record.live;
        format!("hook_{}_{}_{}_{}", self.plan.key, live.attempt, self.record.entered_revision, self.index)
    }

    /// The event, a CloudEvent in JSON.
    pub fn event(&self, now: Instant) -> String {
        let live = &self.record.live;
        let stage = |name: &str| self.plan.stages.iter().find(|stage| stage.name.as_str() == name);
        let to = stage(self.hook.at.stage.as_str()).map(|stage| stage.percentage.to_string());
        let data = json!({
            "rollout": self.plan.key,
            "hook": self.hook.at,
            "side": match self.hook.at.side { HookSide::Before => "before", HookSide::After => "after" },
            "stage": self.hook.at.stage,
            "stage_percentage": to,
            "state": live,
        });
        json!({
            "specversion": "1.0",
            "id": self.id(),
            "source": format!("/_tidegate/api/rollouts/{}", self.plan.key),
            "type": "dev.tidegate.rollout.hook",
            "subject": self.plan.key,
            "time": now,
            "datacontenttype": "application/json",
            "data": data,
        })
        .to_string()
    }
}

/// The request that asks a hook, signed as Standard Webhooks says.
///
/// # Errors
/// When a secret is not set, or is not what it should be.
pub fn hook(
    hook: &Hook,
    id: &str,
    event: &str,
    secrets: &dyn Fn(&SecretName) -> Option<String>,
    now: Instant,
) -> Result<ErrandRequest, String> {
    let keys = Keys(secrets);
    let url = keys.address(&hook.url)?;
    let timestamp = now.as_epoch_ms().div_euclid(1_000).to_string();
    let signature = signature(&keys, &hook.signing_secret, id, &timestamp, event)?;
    let headers = owned(&[
        ("content-type", "application/cloudevents+json; charset=utf-8"),
        ("webhook-id", id),
        ("webhook-timestamp", &timestamp),
        ("webhook-signature", &signature),
    ]);
    let ms_max = u32::try_from(hook.timeout.as_ms()).unwrap_or(u32::MAX);
    Ok(ErrandRequest {
        service: None,
        method: "POST",
        url,
        headers,
        body: event.to_owned(),
        ms_max,
        bytes_max: HOOK_BYTES_MAX,
    })
}

/// Reads what a hook has answered: `{"answer":"go"}`, `{"answer":"wait","after":"1m","reason":"…"}` or
/// `{"answer":"stop","reason":"…"}`.
///
/// # Errors
/// With why it is none of these.
pub fn hook_answer(answer: Result<ErrandAnswer, String>) -> Result<HookAnswer, String> {
    let short = |text: &str| text.chars().filter(|own| !own.is_control()).take(SAID_CHARS_MAX).collect::<String>();
    let answer = answer.map_err(|why| short(&why))?;
    if !(200..300).contains(&answer.status) {
        return Err(format!("it answers {}", answer.status));
    }
    let body: Value = serde_json::from_str(&answer.body).map_err(|_| "its answer is no JSON".to_owned())?;
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let reason = short(field("reason").unwrap_or_default());
    match field("answer") {
        Some("go") => Ok(HookAnswer::Go),
        Some("stop") => Ok(HookAnswer::Stop(reason)),
        Some("wait") => {
            let after = match field("after") {
                None => AGAIN_DEFAULT,
                Some(text) => {
                    text.parse::<Duration>().map_err(|_| format!("`after` is `{}`, and no duration", short(text)))?
                }
            };
            Ok(HookAnswer::Wait(after, reason))
        }
        Some(other) => Err(format!("its answer is `{}`, and not go, wait or stop", short(other))),
        None => Err("its answer has no `answer`".to_owned()),
    }
}

/// A look at the public site, as a new visitor's. `console` is the origin that people operate at, which serves the
/// site too where no route names a host; `public` is what the environment says.
///
/// # Errors
/// When it is not known where the site is.
pub fn outside(plan: &Plan, console: Option<&str>, public: Option<&str>) -> Result<ErrandRequest, String> {
    let route = plan.routes.iter().find(|route| matches!(route.host, HostPattern::Exactly(_)));
    let path = route.or_else(|| plan.routes.first()).map_or_else(|| "/".to_owned(), |route| route.start());
    let origin = match (public.map(str::trim).filter(|own| !own.is_empty()), named_host(plan), console) {
        (Some(public), ..) => public.trim_end_matches('/').to_owned(),
        (None, Some(host), _) => format!("https://{host}"),
        (None, None, Some(console)) => console.to_owned(),
        (None, None, None) => return Err("no route names a host, so nobody knows where the site is".to_owned()),
    };
    Ok(ErrandRequest {
        service: None,
        method: "GET",
        url: format!("{origin}{path}"),
        headers: owned(&DOCUMENT),
        body: String::new(),
        ms_max: OUTSIDE_MS_MAX,
        bytes_max: 1_024,
    })
}

/// What a look at the public site has seen, held against the state that should be in force.
pub fn seen(answer: &Result<ErrandAnswer, String>, plan: &Plan, live: &LiveState) -> Found {
    let answer = match answer {
        Ok(answer) => answer,
        Err(why) => {
            let why: String = why.chars().take(SAID_CHARS_MAX).collect();
            return Found { text: format!("the public site could not be asked: {why}"), is_fine: None };
        }
    };
    let status = answer.status;
    let (variant, reason) = match (answer.header("tidegate-variant"), answer.header("tidegate-reason")) {
        (None, None) => {
            let text = format!("the public site answers {status}, and not through Tidegate");
            return Found { text, is_fine: Some(false) };
        }
        (variant, reason) => (variant.unwrap_or("no side"), reason.unwrap_or("no reason")),
    };
    let text = format!("a new visitor gets {variant} ({reason}), status {status}");
    let is_side_fine = !is_all_legacy(live) || variant == Variant::Legacy.as_str();
    let (version, is_version_fine) = served(answer, plan, live, variant == Variant::New.as_str());
    Found { text: text + &version, is_fine: Some(is_side_fine && is_version_fine) }
}

/// Which version the answer names in new's header, and whether it may: new's answers that of new, and legacy's, which
/// are not held against anything else, any other.
fn served(answer: &ErrandAnswer, plan: &Plan, live: &LiveState, is_new: bool) -> (String, bool) {
    let source = plan.upstreams.as_ref().and_then(|upstreams| upstreams.new.version.as_ref()?.header());
    let named = source.and_then(|name| answer.header(name)).and_then(|text| text.parse::<Version>().ok());
    match (named, &live.version) {
        (Some(named), Some(wanted)) if is_new && named != *wanted => {
            (format!(", version {named} and not {wanted}"), false)
        }
        (Some(named), Some(new)) if !is_new && named == *new => (format!(", version {named}, which is new's"), false),
        (Some(named), _) => (format!(", version {named}"), true),
        (None, _) => (String::new(), true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    fn plan(routes: &str, more: &str) -> Plan {
        read_rollout(&format!(
            r#"{{"key":"shop","routes":[{routes}],"upstreams":{{"legacy":"https://old.example","new":"service:NEW"}},
                "identity":{{"from":["header:x-user-id"]}},{more}
                "stage":[{{"name":"team","percentage":1,"hold":"1h"}},{{"name":"full","percentage":100,"hold":"1h"}}]}}"#
        ))
        .unwrap()
    }

    fn answer(status: u16, body: &str) -> Result<ErrandAnswer, String> {
        Ok(ErrandAnswer { status, body: body.to_owned(), took_ms: 40, ..ErrandAnswer::default() })
    }

    #[test]
    fn a_probe_asks_as_tidegate_does() {
        let plan = plan(
            r#""shop.example/*""#,
            r#""probe":[{"path":"/login","on":["new","legacy"],"expect":{"under":"2s"}}],"#,
        );
        let legacy = probe(&plan, &plan.probes[0], Variant::Legacy).unwrap();
        assert_eq!((legacy.url.as_str(), legacy.service, legacy.ms_max), ("https://old.example/login", None, 2_500));
        assert!(legacy.headers.contains(&("x-forwarded-host".into(), "shop.example".into())));
        let new = probe(&plan, &plan.probes[0], Variant::New).unwrap();
        assert_eq!((new.url.as_str(), new.service.as_deref()), ("https://shop.example/login", Some("NEW")));
    }

    #[test]
    fn a_probe_passes_when_all_is_as_expected() {
        let expect = Expectation { status: 200, contains: Some("Sign in".into()), under: Some(Duration::seconds(1)) };
        assert_eq!(probe_failure(&expect, &answer(200, "<b>Sign in</b>")), None);
        let failure = |answer| probe_failure(&expect, &answer).unwrap();
        assert_eq!(failure(answer(503, "Sign in")), "it answers 503, and 200 is expected");
        assert_eq!(failure(answer(200, "Welcome")), "its answer does not contain `Sign in`");
        assert_eq!(failure(Err("no answer within 2 s".into())), "no answer within 2 s");
        let slow = ErrandAnswer { status: 200, body: "Sign in".into(), took_ms: 1_000, ..ErrandAnswer::default() };
        assert_eq!(failure(Ok(slow)), "it took 1000 ms, and under 1s is expected");
    }

    #[test]
    fn a_hook_says_one_of_three_words_and_whatever_else_is_no_answer() {
        assert_eq!(hook_answer(answer(200, r#"{"answer":"go"}"#)), Ok(HookAnswer::Go));
        assert_eq!(
            hook_answer(answer(202, r#"{"answer":"wait","after":"2m","reason":"load test\nruns"}"#)),
            Ok(HookAnswer::Wait(Duration::minutes(2), "load testruns".into()))
        );
        assert_eq!(hook_answer(answer(200, r#"{"answer":"stop"}"#)), Ok(HookAnswer::Stop(String::new())));
        for (given, why) in [
            (answer(500, r#"{"answer":"go"}"#), "it answers 500"),
            (answer(302, r#"{"answer":"go"}"#), "it answers 302"),
            (answer(200, ""), "its answer is no JSON"),
            (answer(204, ""), "its answer is no JSON"),
            (answer(200, "ok"), "its answer is no JSON"),
            (answer(200, r#"{"ok":true}"#), "its answer has no `answer`"),
            (answer(200, r#"{"answer":"yes"}"#), "its answer is `yes`, and not go, wait or stop"),
            (answer(200, r#"{"answer":"wait","after":"soon"}"#), "`after` is `soon`, and no duration"),
            (Err("no answer within 10 s".into()), "no answer within 10 s"),
        ] {
            assert_eq!(hook_answer(given), Err(why.to_owned()));
        }
    }

    #[test]
    fn a_hook_is_asked_by_a_signed_event_under_one_id() {
        let plan =
            plan(r#""/*""#, r#""hook":[{"at":"before full","webhook":"secret:U","signing_secret":"secret:K"}],"#);
        let record = Record::draft(&plan, Instant::from_epoch_ms(0));
        let asked = Asked { plan: &plan, record: &record, hook: &plan.hooks[0], index: 0 };
        let event = asked.event(Instant::from_epoch_ms(1_780_000_000_000));
        let read: Value = serde_json::from_str(&event).unwrap();
        assert_eq!(read["data"]["hook"], "before full");
        assert_eq!(read["type"], "dev.tidegate.rollout.hook");
        let secrets = |name: &SecretName| match name.0.as_str() {
            "U" => Some("https://hooks.example/a".to_owned()),
            _ => Some("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        };
        let now = Instant::from_epoch_ms(1_780_000_000_000);
        let request = hook(&plan.hooks[0], &asked.id(), &event, &secrets, now).unwrap();
        assert_eq!((request.method, request.url.as_str(), request.ms_max), ("POST", "https://hooks.example/a", 10_000));
        let header = |name: &str| request.headers.iter().find(|(own, _)| own == name).unwrap().1.clone();
        assert_eq!(header("webhook-id"), "hook_shop_1_0_0");
        assert!(header("webhook-signature").starts_with("v1,"));
        let unset = |_: &SecretName| None;
        assert!(hook(&plan.hooks[0], "id", &event, &unset, now).unwrap_err().contains("the secret U is not set"));
    }

    fn live(percent: u64, version: Option<&str>) -> LiveState {
        let mut live = Record::draft(&plan(r#""/*""#, ""), Instant::from_epoch_ms(0)).live;
        live.percentage = format!("{percent}").parse().unwrap();
        live.version = version.and_then(|version| version.parse().ok());
        live
    }

    #[test]
    fn the_version_that_a_visitor_gets_is_the_one_of_its_side() {
        let mut own = plan(r#""/*""#, "");
        own.upstreams.as_mut().unwrap().new.version = "header:x-build".parse().ok();
        let found = |variant: &str, version: &str, percent: u64| {
            let headers =
                owned(&[("tidegate-variant", variant), ("tidegate-reason", "bucketed"), ("x-build", version)]);
            let answer = Ok(ErrandAnswer { status: 200, headers, ..ErrandAnswer::default() });
            let found = seen(&answer, &own, &live(percent, Some("v2")));
            (found.text, found.is_fine)
        };
        let text = |text: &str| format!("a new visitor gets {text}");
        assert_eq!(found("new", "v2", 5), (text("new (bucketed), status 200, version v2"), Some(true)));
        assert_eq!(found("new", "v1", 5), (text("new (bucketed), status 200, version v1 and not v2"), Some(false)));
        assert_eq!(found("legacy", "v1", 0), (text("legacy (bucketed), status 200, version v1"), Some(true)));
        assert_eq!(
            found("legacy", "v2", 0),
            (text("legacy (bucketed), status 200, version v2, which is new's"), Some(false))
        );
    }

    #[test]
    fn the_etag_of_a_file_is_a_version() {
        let tagged = |status: u16, tag: Option<&str>| {
            let headers = tag.map(|tag| owned(&[("etag", tag)])).unwrap_or_default();
            version_found(&Ok(ErrandAnswer { status, headers, ..ErrandAnswer::default() }))
        };
        assert_eq!(tagged(200, Some("\"abc\"")).unwrap().as_str(), "abc");
        assert_eq!(tagged(200, Some("W/\"5f-1a\"")).unwrap().as_str(), "5f-1a");
        assert_eq!(tagged(404, Some("\"abc\"")).unwrap_err(), "it answers 404, and 200 is expected");
        assert_eq!(tagged(200, None).unwrap_err(), "its answer has no ETag");
        assert_eq!(tagged(200, Some("\"\"")).unwrap_err(), "its ETag cannot be a version");
        assert!(version_found(&Err("no answer within 10 s".into())).is_err());
    }

    #[test]
    fn what_a_visitor_gets_is_held_against_what_everybody_should() {
        let own = plan(r#""/*""#, "");
        let marked = |variant: &str| {
            let headers = owned(&[("tidegate-variant", variant), ("tidegate-reason", "killed")]);
            Ok(ErrandAnswer { status: 200, headers, ..ErrandAnswer::default() })
        };
        let (back, some) = (live(0, None), live(5, None));
        assert_eq!(seen(&marked("legacy"), &own, &back).is_fine, Some(true));
        assert_eq!(seen(&marked("new"), &own, &back).is_fine, Some(false));
        assert_eq!(seen(&marked("new"), &own, &some).is_fine, Some(true));
        assert_eq!(seen(&answer(200, ""), &own, &back).is_fine, Some(false));
        assert_eq!(seen(&Err("its host has no address".into()), &own, &back).is_fine, None);
        assert_eq!(
            outside(&plan(r#""*.a.example/x/*""#, ""), Some("https://ops.example"), None).unwrap().url,
            "https://ops.example/x/"
        );
        assert_eq!(outside(&plan(r#""b.example/*""#, ""), None, None).unwrap().url, "https://b.example/");
        assert_eq!(
            outside(&plan(r#""b.example/*""#, ""), None, Some("http://[::1]:1/")).unwrap().url,
            "http://[::1]:1/"
        );
    }
}
