//! What pages report to one isolate: who may, how often, and what of it goes into the next batch; and what pages are to
//! show, in the answer to it.

use super::requests::HOUR_MS;
use super::{Isolate, Platform};
use tidegate_model::dimension::Dimension;
use tidegate_model::plan::Plan;
use tidegate_model::{Instant, Minute, Name};
use tidegate_protocol::address::Address;
use tidegate_protocol::answer::Answer;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::beacon::messages::{self, of_page};
use tidegate_protocol::beacon::{Report, body, is_foreign};
use tidegate_protocol::decision::{self, is_in_group};
use tidegate_protocol::message::RequestText;
use tidegate_protocol::meter::by_value::{Country, plain_value};

/// A request that brings a report.
pub struct Reporting<'a> {
    /// The method.
    pub method: &'a str,
    /// The network address that it comes from; empty where nobody knows.
    pub from: &'a str,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The host that it was sent to, with its port.
    pub host: &'a str,
    /// `User-Agent`.
    pub user_agent: Option<&'a str>,
}

/// A page that asks for messages.
#[derive(Debug)]
pub struct Asking {
    reports: Vec<Report>,
}

impl Isolate {
    /// Admits a report before its body is read.
    ///
    /// # Errors
    /// When it is none, there were too many, or another site's page sends it.
    pub fn admit_report(&mut self, reporting: &Reporting<'_>, now_ms: f64) -> Result<(), Problem> {
        if reporting.method != "POST" {
            return Err(Problem::method_not_allowed(reporting.method, "POST"));
        }
        if !self.reports.admit(reporting.from, now_ms) {
            return Err(body::too_many());
        }
        if is_foreign(reporting.origin, reporting.fetch_site, reporting.host) {
            return Err(Problem::foreign_report());
        }
        Ok(())
    }

    /// Takes in the body of a report. Where the page asks for messages and there are any, [`Self::answer_page`] has its
    /// answer.
    ///
    /// # Errors
    /// When nobody can read it, its token does not count, or there is no key to verify that with.
    pub fn take_report(
        &mut self,
        reporting: &Reporting<'_>,
        text: &str,
        platform: &impl Platform,
        now_ms: f64,
    ) -> Result<Option<Asking>, Problem> {
        let key = self.exposure_key().ok_or_else(Problem::no_signing_key)?;
        let minute = Minute::of_epoch_ms(now_ms);
        let body::Body { mut reports, asks } = body::read(text, key, reporting.host, minute)?;
        let network = (!self.setup.settings.is_one_network).then(|| key.network(reporting.from, minute));
        let snapshot = self.snapshot();
        for report in &mut reports {
            report.network = network;
            let number = snapshot.catalogue.number_of(report.rollout.as_str());
            if let Some(plan) = number.and_then(|number| snapshot.catalogue.plan(number)) {
                report.by = by_values(plan, reporting.user_agent, platform);
            }
        }
        let asking = (asks && !self.messages.list.is_empty()).then(|| Asking { reports: reports.clone() });
        if self.report(reports) > 0 {
            let message = "more pages report than the controller takes; what came last is dropped";
            self.configuration.log.warn("reports_dropped", "beacon", message);
        }
        Ok(asking)
    }

    /// What a page is to show, as the answer to its report. The report's own request says who is in which group.
    pub fn answer_page(&self, asking: &Asking, request: &RequestText, platform: &impl Platform, now_ms: f64) -> Answer {
        let (Some(key), Some(address)) = (self.exposure_key(), Address::parse(request.url())) else {
            return Answer::empty();
        };
        let facts = self.facts(request, platform, now_ms);
        let hour = (now_ms / HOUR_MS) as u64;
        let asked = decision::Request { facts: &facts, address, method: request.method(), hour };
        let snapshot = self.snapshot();
        let is_in = |rollout: &Name, group: &Name| is_in_group(&snapshot, &asked, rollout, group, &facts);
        let now = Instant::from_epoch_ms(now_ms as i64);
        let shown = of_page(&self.messages.list, &asking.reports, key, is_in, now);
        messages::body(&shown).map_or_else(Answer::empty, Answer::json)
    }
}

/// What a report counts under, of the plan's dimensions. Headers are the page's own request's, so a report has none.
fn by_values(plan: &Plan, user_agent: Option<&str>, platform: &impl Platform) -> Vec<(Dimension, String)> {
    let own = plan.dimensions.iter().filter(|own| !matches!(own, Dimension::Header(_)));
    let value = |own: &Dimension| {
        let is_country = *own == Dimension::Country;
        let country = if is_country { platform.country().and_then(|text| Country::read(&text)) } else { None };
        plain_value(own, user_agent, country.as_ref()).unwrap_or_default().to_owned()
    };
    own.map(|own| (own.clone(), value(own))).collect()
}
