//! `tidegate doctor`: what of the live sites and of the deployment will hurt in a rollout.
//!
//! 1. It reads, and changes nothing: GET, HEAD-like requests, and one POST to a path that does not exist.
//! 2. Each host gets a few requests, one after the other, each with an end in time and in size.
//! 3. A finding says what is so, why that hurts in a rollout, and how to mend it. What could not be found out is
//!    no finding: a healthy site has none.
//!
//! A family of checks is a module; this one says in which order they run.

mod deployment;
mod headers;
mod page;
mod public;
mod sides;
mod sitemap;
mod upstream;
pub mod web;
mod worker;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use self::web::Web;
use super::Failure;
use super::clock::now;
use super::connection;
use super::operator::Connection;
use super::paint::{BAD, BOLD, DIM, GOOD, WARN, note, paint, print, print_raw};
use super::plan_file::load;
use super::plans::PlanArguments;
use super::wait::Progress;
use super::words::counted;
use super::wrap::{self, hung};
use tidegate_model::plan::Plan;
use tidegate_model::route::{HostPattern, is_own};

#[derive(Args)]
pub struct DoctorArguments {
    /// Plans in TOML [default: those in force in the deployment]
    #[arg(value_name = "PLAN")]
    pub plans: Vec<PathBuf>,
    /// Apply each plan's [environments.NAME] overrides
    #[arg(long, value_name = "NAME")]
    pub env: Option<String>,
    /// The address that visitors use, in the place of the hosts of the routes
    #[arg(long, value_name = "URL", value_parser = connection::origin)]
    pub public: Option<String>,
    /// The worker's settings [default: ./wrangler.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Look at the sites alone, and not at the deployment's API
    #[arg(long)]
    pub sites_only: bool,
    #[command(flatten)]
    pub connection: Connection,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The rollout will not work so.
    Error,
    /// It will hurt some users, or somebody at some time.
    Warning,
}

/// One thing that will hurt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable name, for programs.
    pub code: &'static str,
    pub severity: Severity,
    /// What it was found at: an address, a file or a rollout's key.
    pub at: String,
    /// What is so.
    pub what: String,
    /// Why it hurts in a rollout.
    pub why: &'static str,
    /// How to mend it.
    pub help: String,
}

/// The findings so far, each once.
#[derive(Default)]
pub struct Findings(Vec<Finding>);

impl Findings {
    pub fn error(&mut self, code: &'static str, at: &str, what: String, why: &'static str, help: impl Into<String>) {
        self.push(Finding { code, severity: Severity::Error, at: at.to_owned(), what, why, help: help.into() });
    }

    pub fn warn(&mut self, code: &'static str, at: &str, what: String, why: &'static str, help: impl Into<String>) {
        self.push(Finding { code, severity: Severity::Warning, at: at.to_owned(), what, why, help: help.into() });
    }

    fn push(&mut self, finding: Finding) {
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// The codes that were found, for tests.
    #[cfg(test)]
    pub fn codes(&self) -> Vec<&'static str> {
        self.0.iter().map(|finding| finding.code).collect()
    }
}

/// A rollout as its visitors meet it.
pub struct Site<'p> {
    pub plan: &'p Plan,
    /// Scheme, host and port of the public address.
    pub public: String,
    /// A path of the rollout, to begin at.
    pub path: String,
}

/// What programs get.
#[derive(Serialize)]
struct Printed<'a> {
    findings: &'a [Finding],
    errors: usize,
    warnings: usize,
    requests: usize,
}

pub fn run(arguments: &DoctorArguments, json: bool) -> Result<(), Failure> {
    let progress = Progress::new();
    let began = now();
    let step = |text: &str| progress.show(text, began);
    let mut findings = Findings::default();
    let (url, _) = connection::given(arguments.connection.url.clone());
    let api = connection::origin(&url).map_err(Failure::Usage)?;

    let deployed = if arguments.sites_only {
        Vec::new()
    } else {
        step("the deployment");
        deployment::check(&arguments.connection, &api, &mut findings)?
    };
    let plans = if arguments.plans.is_empty() { deployed } else { own_plans(arguments)? };
    worker::check(arguments.config.as_deref(), &mut findings)?;

    let mut web = Web::new()?;
    for plan in plans.iter().filter(|plan| !plan.is_flag()) {
        let site = site(plan, arguments.public.as_deref(), &api);
        step(&format!("{}: {}", plan.key, site.public));
        let visited = public::check(&site, &mut web, &mut findings);
        step(&format!("{}: its upstreams", plan.key));
        let seen = upstream::check(&site, &mut web, &mut findings);
        step(&format!("{}: both sides beside each other", plan.key));
        sides::check(&site, visited.as_ref(), &seen, &mut web, &mut findings);
    }
    progress.end();
    report(&findings, plans.len(), web.requests(), json)
}

fn own_plans(arguments: &DoctorArguments) -> Result<Vec<Plan>, Failure> {
    let plans = PlanArguments { plans: arguments.plans.clone(), env: arguments.env.clone() };
    let loaded = load(&plans)?;
    if loaded.has_errors() {
        super::report::show(&loaded.sources)?;
        return Err(Failure::Refused);
    }
    Ok(loaded.plans.into_iter().map(|(_, plan)| plan).collect())
}

/// Where visitors meet a rollout: the host of its first route that names one, else where the deployment answers.
fn site<'p>(plan: &'p Plan, public: Option<&str>, api: &str) -> Site<'p> {
    let named = plan.routes.iter().find(|route| matches!(route.host, HostPattern::Exactly(_)));
    let route = named.or_else(|| plan.routes.first());
    let origin = match (public, route.map(|route| &route.host)) {
        (Some(public), _) => public.to_owned(),
        (None, Some(HostPattern::Exactly(host))) => format!("https://{host}"),
        (None, _) => api.to_owned(),
    };
    let path = route.map_or_else(|| "/".to_owned(), |route| route.start());
    Site { plan, public: origin, path: if is_own(&path) { "/".to_owned() } else { path } }
}

fn report(findings: &Findings, plans: usize, requests: usize, json: bool) -> Result<(), Failure> {
    let all = &findings.0;
    let count = |severity: Severity| all.iter().filter(|finding| finding.severity == severity).count();
    let printed =
        Printed { findings: all, errors: count(Severity::Error), warnings: count(Severity::Warning), requests };
    if json {
        print_raw(&serde_json::to_string(&printed).unwrap_or_default())?;
    } else {
        let mut sorted: Vec<&Finding> = all.iter().collect();
        sorted.sort_by_key(|finding| finding.severity);
        for finding in sorted {
            print(&shown(finding))?;
        }
        let of = format!("{}, {}", counted(plans, "rollout"), counted(requests, "request"));
        if all.is_empty() {
            print(&format!("{} nothing found ({of})", paint(GOOD, "✓")))?;
        } else {
            note(&format!("{} ({of})", counted(all.len(), "finding")));
        }
    }
    if all.is_empty() { Ok(()) } else { Err(Failure::Refused) }
}

fn shown(finding: &Finding) -> String {
    let width = wrap::of_stdout();
    let (style, mark) = match finding.severity {
        Severity::Error => (BAD, "✗"),
        Severity::Warning => (WARN, "!"),
    };
    [
        hung(
            &format!("{} ", paint(style, mark)),
            &format!("{}  {}", paint(BOLD, &finding.what), paint(DIM, &finding.at)),
            width,
        ),
        hung("  why   ", finding.why, width),
        hung("  mend  ", &finding.help, width),
        String::new(),
    ]
    .join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::plan::set::read_rollout;

    fn plan(routes: &str) -> Plan {
        read_rollout(&format!(
            r#"{{"key":"shop","routes":[{routes}],"upstreams":{{"legacy":"https://a.example","new":"https://b.example"}},
                "identity":{{"from":["header:x-user-id"]}},"stage":[{{"name":"full","percentage":100}}]}}"#
        ))
        .unwrap()
    }

    #[test]
    fn a_site_is_where_its_visitors_are() {
        let at = |routes: &str, public: Option<&str>| {
            let plan = plan(routes);
            let site = site(&plan, public, "http://localhost:8787");
            (site.public, site.path)
        };
        assert_eq!(
            at(r#""shop.example.com/checkout/*""#, None),
            ("https://shop.example.com".into(), "/checkout/".into())
        );
        assert_eq!(at(r#""/*""#, None), ("http://localhost:8787".into(), "/".into()));
        assert_eq!(
            at(r#""*.example.com/*","www.example.com/a""#, None),
            ("https://www.example.com".into(), "/a".into())
        );
        assert_eq!(at(r#""shop.example.com/*""#, Some("http://a:1")), ("http://a:1".into(), "/".into()));
    }

    #[test]
    fn what_is_found_twice_is_reported_once() {
        let mut findings = Findings::default();
        for _ in 0..2 {
            findings.warn("a", "b", "c".into(), "d", "e");
        }
        assert_eq!(findings.codes(), ["a"]);
    }
}
