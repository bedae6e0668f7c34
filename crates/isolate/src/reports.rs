//! What pages report to one isolate: who may, how often, and what of it goes into the next batch.

use super::Isolate;
use tidegate_protocol::api::problem::Problem;
use tidegate_protocol::beacon::{body, is_foreign};
use tidegate_protocol::meter::minute_of;

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

    /// Takes in the body of a report.
    ///
    /// # Errors
    /// When nobody can read it, its token does not count, or there is no key to verify that with.
    pub fn take_report(&mut self, reporting: &Reporting<'_>, text: &str, now_ms: f64) -> Result<(), Problem> {
        let key = self.exposure_key().ok_or_else(Problem::no_signing_key)?;
        let minute = minute_of(now_ms);
        let mut reports = body::reports(text, key, reporting.host, minute)?;
        let network = (!self.setup.settings.is_one_network).then(|| key.network(reporting.from, minute));
        reports.iter_mut().for_each(|report| report.network = network);
        if self.report(reports) > 0 {
            let message = "more pages report than the controller takes; what came last is dropped";
            self.configuration.log.warn("reports_dropped", "beacon", message);
        }
        Ok(())
    }
}
