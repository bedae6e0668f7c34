//! `tidegate verify`: whether visitors get what a rollout's state says, seen from outside.
//!
//! 1. Each request is a new visitor's: no cookie goes along, so none can hold on to a side.
//! 2. A request proves only what its own answer says: the side, and why. What cannot be known is not taken for right.
//! 3. It is over when all of a round are as they should be, or the time is.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Duration as StdDuration;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;

use super::Failure;
use super::client::Client;
use super::clock::now;
use super::doctor::web::Web;
use super::operator::{Connection, explained};
use super::paint::{BAD, GOOD, paint, print, print_raw};
use super::standing::{Standing, TIMED_OUT};
use super::wait::{Progress, left_ms};
use super::words::counted;
use super::{connection, keys};
use tidegate_model::{Duration, Name};
use tidegate_protocol::api::shapes::Rollout;

/// From one round to the next.
const INTERVAL: StdDuration = StdDuration::from_secs(2);

#[derive(Args)]
pub struct VerifyArguments {
    /// The rollout
    #[arg(value_name = "KEY", value_parser = explained::<Name>, add = ArgValueCompleter::new(keys::complete))]
    pub key: Name,
    /// What visitors should get [default: what the rollout's state says]
    #[arg(long, value_name = "SIDE")]
    pub expect: Option<Expected>,
    /// A page of the rollout [default: the first route that names a host, else the path under --url]
    #[arg(long, value_name = "URL")]
    pub at: Option<String>,
    /// How many visitors of a round
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=200))]
    pub requests: u32,
    /// How long at most
    #[arg(long, value_name = "TIME", default_value = "90s", value_parser = explained::<Duration>)]
    pub timeout: Duration,
    #[command(flatten)]
    pub connection: Connection,
}

/// What visitors should get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Expected {
    /// Legacy, all of them.
    Legacy,
    /// New, all of them.
    New,
    /// Either side, by a decision of this rollout.
    Split,
}

impl Expected {
    /// What the state says. Groups steer by properties that a new visitor does not have.
    fn of(rollout: &Rollout) -> Self {
        let state = &rollout.state;
        if state.killed || state.phase == "draft" {
            return Self::Legacy;
        }
        if state.phase == "completed" {
            return Self::New;
        }
        if rollout.percentage.to_string() == "0 %" { Self::Legacy } else { Self::Split }
    }
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Check {
    check: &'static str,
    is_fine: bool,
    text: String,
}

/// What programs get.
#[derive(Serialize)]
struct Shown<'a> {
    rollout: &'a str,
    expected: Expected,
    at: &'a str,
    revision: u64,
    checks: &'a [Check],
    exit_code: u8,
}

pub fn run(arguments: &VerifyArguments, json: bool) -> Result<(), Failure> {
    let client = Client::new(&arguments.connection)?;
    let path = format!("rollouts/{}", arguments.key);
    let began = now();
    let progress = Progress::new();
    loop {
        let rollout: Rollout = client.get(&path, &[])?.read()?;
        if let Some(code) = contradiction(&rollout, arguments.expect) {
            progress.end();
            print_if(!json, &format!("{} {}", paint(BAD, "✗"), super::standing::line(&rollout)))?;
            return Err(Failure::Code(code));
        }
        let expected = arguments.expect.unwrap_or_else(|| Expected::of(&rollout));
        let at = match &arguments.at {
            Some(at) => at.clone(),
            None => page(&rollout, &arguments.connection)?,
        };
        let checks = look(&rollout, expected, &at, arguments.requests)?;
        let is_fine = checks.iter().all(|check| check.is_fine);
        let left_ms = left_ms(began, arguments.timeout, now());
        if is_fine || left_ms == 0 {
            progress.end();
            let exit_code = if is_fine { 0 } else { TIMED_OUT };
            let revision = rollout.state.revision;
            let shown =
                Shown { rollout: arguments.key.as_str(), expected, at: &at, revision, checks: &checks, exit_code };
            if json {
                print_raw(&serde_json::to_string(&shown).unwrap_or_default())?;
            }
            for check in &checks {
                let mark = if check.is_fine { paint(GOOD, "✓") } else { paint(BAD, "✗") };
                print_if(!json, &format!("{mark} {}", check.text))?;
            }
            return if is_fine { Ok(()) } else { Err(Failure::Code(exit_code)) };
        }
        let open: Vec<&str> = checks.iter().filter(|own| !own.is_fine).map(|own| own.text.as_str()).collect();
        progress.show(&open.join("; "), began);
        sleep(INTERVAL.min(StdDuration::from_millis(left_ms)));
    }
}

fn print_if(is_wanted: bool, text: &str) -> Result<(), Failure> {
    if is_wanted { print(text) } else { Ok(()) }
}

/// The exit code, where the state itself rules out what is expected.
fn contradiction(rollout: &Rollout, expected: Option<Expected>) -> Option<u8> {
    if !matches!(expected, Some(Expected::New | Expected::Split)) || Expected::of(rollout) != Expected::Legacy {
        return None;
    }
    let code = match Standing::of(rollout) {
        Standing::RolledBack => Standing::RolledBack,
        _ => Standing::WaitingForPerson,
    };
    Some(code.code())
}

/// A page of the rollout that visitors open.
fn page(rollout: &Rollout, connection: &Connection) -> Result<String, Failure> {
    let start = |route: &str| -> (String, String) {
        let (host, path) = route.split_at(route.find('/').unwrap_or(route.len()));
        let path = path.strip_suffix('*').unwrap_or(path);
        (host.to_owned(), if path.is_empty() { "/".to_owned() } else { path.to_owned() })
    };
    let routes: Vec<(String, String)> = rollout.routes.iter().map(|route| start(route)).collect();
    if let Some((host, path)) = routes.iter().find(|(host, _)| !host.is_empty() && !host.starts_with("*.")) {
        return Ok(format!("https://{host}{path}"));
    }
    match routes.first() {
        Some((_, path)) => {
            let (url, _) = connection::given(connection.url.clone());
            Ok(format!("{}{path}", connection::origin(&url).map_err(Failure::Usage)?))
        }
        None => Err(Failure::Usage(format!(
            "{} is a flag and has no page of its own: --at URL names a page that it is decided on",
            rollout.key
        ))),
    }
}

/// Looks once.
fn look(rollout: &Rollout, expected: Expected, at: &str, requests: u32) -> Result<Vec<Check>, Failure> {
    let mut web = Web::patient(usize::try_from(requests).unwrap_or(usize::MAX))?;
    let mut sides: BTreeMap<String, u32> = BTreeMap::new();
    let mut reasons: BTreeMap<String, u32> = BTreeMap::new();
    let mut cached = 0;
    for _ in 0..requests {
        let (side, reason) = match web.document(at, &[("cache-control", "no-cache")]) {
            Err(why) => (format!("no answer ({why})"), String::new()),
            Ok(answer) => {
                cached += u32::from(answer.header("age").is_some_and(|age| age != "0"));
                let own = |name: &str| answer.header(name).unwrap_or_default().to_owned();
                (own("tidegate-variant"), own("tidegate-reason"))
            }
        };
        let side = if side.is_empty() { "an answer that is not Tidegate's".to_owned() } else { side };
        *sides.entry(side).or_default() += 1;
        *reasons.entry(reason).or_default() += 1;
    }
    let all_are = |side: &str| sides.keys().all(|own| own == side);
    let is_fine = match expected {
        Expected::Legacy => all_are("legacy"),
        Expected::New => all_are("new"),
        Expected::Split => {
            sides.keys().all(|own| own == "legacy" || own == "new") && !reasons.contains_key("no_config")
        }
    };
    let listed: Vec<String> = sides.iter().map(|(side, count)| format!("{count} {side}")).collect();
    let why: Vec<&str> = reasons.keys().map(String::as_str).filter(|own| !own.is_empty()).collect();
    let wanted = match expected {
        Expected::Legacy => "all legacy",
        Expected::New => "all new",
        Expected::Split => "either side",
    };
    let mut checks = vec![Check {
        check: "served",
        is_fine,
        text: format!(
            "{} at {at}: {} (expected: {wanted}; reasons: {})",
            counted(usize::try_from(requests).unwrap_or_default(), "visitor"),
            listed.join(", "),
            why.join(", ")
        ),
    }];
    if cached > 0 {
        let text = format!("{cached} of {requests} answers come from a cache, which no rollback reaches");
        checks.push(Check { check: "cache", is_fine: false, text });
    }
    if let Some(reach) = &rollout.reach {
        checks.push(Check { check: "isolates", is_fine: reach.behind == 0, text: reach.text.clone() });
    }
    let published = &rollout.published;
    checks.push(Check {
        check: "kv",
        is_fine: published.is_current,
        text: format!("KV holds revision {} of {}", published.revision, rollout.state.revision),
    });
    Ok(checks)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rollout(state: &str, more: &str) -> Rollout {
        serde_json::from_str(&format!(r#"{{"key":"demo","state":{{{state}}},"percentage":0{more}}}"#)).unwrap()
    }

    #[test]
    fn what_visitors_should_get_follows_from_the_state() {
        let of = |state: &str, percentage: &str| {
            let text = format!(r#"{{"key":"demo","state":{{{state}}},"percentage":{percentage}}}"#);
            Expected::of(&serde_json::from_str(&text).unwrap())
        };
        assert_eq!(of(r#""phase":"running""#, "10"), Expected::Split);
        assert_eq!(of(r#""phase":"running""#, "0"), Expected::Legacy);
        assert_eq!(of(r#""phase":"rolled_back""#, "0"), Expected::Legacy);
        assert_eq!(of(r#""phase":"rolled_back""#, "5"), Expected::Split);
        assert_eq!(of(r#""phase":"draft""#, "0"), Expected::Legacy);
        assert_eq!(of(r#""phase":"completed""#, "100"), Expected::New);
        assert_eq!(of(r#""phase":"completed","killed":true"#, "0"), Expected::Legacy);
    }

    #[test]
    fn what_the_state_rules_out_is_not_waited_for() {
        let back = rollout(r#""phase":"rolled_back""#, "");
        let draft = rollout(r#""phase":"draft""#, r#","blocked":[{"by":"draft"}]"#);
        assert_eq!(contradiction(&back, Some(Expected::Split)), Some(3));
        assert_eq!(contradiction(&draft, Some(Expected::New)), Some(4));
        assert_eq!(contradiction(&back, Some(Expected::Legacy)), None);
        assert_eq!(contradiction(&back, None), None);
    }

    #[test]
    fn a_page_is_one_that_visitors_open() {
        let at = |routes: &str| {
            let connection = Connection { url: Some("http://localhost:8787/_tidegate/".into()) };
            page(&rollout("", &format!(r#","routes":[{routes}]"#)), &connection).ok()
        };
        assert_eq!(
            at(r#""*.example.com/*","shop.example.com/checkout/*""#).as_deref(),
            Some("https://shop.example.com/checkout/")
        );
        assert_eq!(at(r#""/*""#).as_deref(), Some("http://localhost:8787/"));
        assert_eq!(at(r#""shop.example.com/a""#).as_deref(), Some("https://shop.example.com/a"));
        assert_eq!(at(""), None);
    }
}
