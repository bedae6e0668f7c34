//! What browsers report: one page view's experience, under the exposure token of that page.
//!
//! An app that changes its screens in the browser loads one page and has one token. Each further screen
//! is a page view of its own, under a nonce that is made of the page's and that no page has.

pub mod body;
pub mod fingerprint;
pub mod messages;
pub mod networks;
pub mod path;

pub use path::own_path;

use serde::{Deserialize, Serialize};

use super::flush::Counted;
use tidegate_decide::judge::adoption::VIEW;
use tidegate_model::dimension::{Dimension, VALUE_BYTES_MAX};
use tidegate_model::measured::by_value::Troubles;
use tidegate_model::measured::sample::HASH_BITS;
use tidegate_model::measured::sliced::SLICES;
use tidegate_model::measured::{Measure, Quantity, Seen, SlicedCounts, ValueCounts, Window};
use tidegate_model::serial::pairs;
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name};

/// What one page view reported of one rollout, already bounded and with its token verified. Whether it was
/// reported before is the controller's to know: a nonce counts once per metric.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether it counts. What does not goes no further than the isolate.
    #[serde(skip, default = "counts")]
    pub is_counted: bool,
    /// The rollout that the page was assigned in.
    pub rollout: Name,
    /// Under which revision.
    pub revision: u64,
    /// The minute of the page.
    pub minute: Minute,
    /// The minute at which a later screen of the page reported: it is counted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub screen_minute: Option<Minute>,
    /// The side of the page.
    pub variant: Variant,
    /// The endpoints of the plan that the page is at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Name>,
    /// The page view, in 32 hexadecimal digits.
    pub nonce: String,
    /// The subject's hash for samples, 50 bits.
    pub subject: u64,
    /// The subject's slice, where the hash dealt it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<u8>,
    /// A number for the network that it came from; `None` where networks do not matter. It is not stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// Whether it counts the page view itself: in the first report of the view.
    pub is_view: bool,
    /// JavaScript errors.
    pub js_errors: u32,
    /// What they were, as fingerprints, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<String>,
    /// The browser, device or country that it came from, where the plan tells failures apart by them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub by: Vec<(Dimension, String)>,
    /// Whether the page followed one of the other side in its browser, under the same revision.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_mixed: bool,
    /// Measures: of what, and the bucket of the sketch.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub measures: Vec<(Measure, i16)>,
    /// What the numbers among them are, in thousandths.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "pairs")]
    pub values: Vec<(Name, u64)>,
    /// Events, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Name>,
}

const fn counts() -> bool {
    true
}

/// Whether a browser says that a page of another host sends a report. A page that wants to be named to nobody
/// has `null` for an origin, and is believed where the browser says that it is of the same one.
pub fn is_foreign(origin: Option<&str>, fetch_site: Option<&str>, host: &str) -> bool {
    let is_foreign_site = fetch_site.is_some_and(|site| site != "same-origin" && site != "none");
    let is_foreign_origin = match origin {
        None => false,
        Some("null") => fetch_site != Some("same-origin"),
        Some(origin) => !origin.split_once("://").is_some_and(|(_, own)| own.eq_ignore_ascii_case(host)),
    };
    is_foreign_site || is_foreign_origin
}

const JS_ERRORS: &str = "js_errors";
const MIXED: &str = "mixed";
/// So many screens of one page count, beside the page itself.
pub const SCREENS_MAX: u16 = 200;

impl Report {
    /// Makes it the report of the page's `screen`-th screen after the first. The digits in which the screen
    /// goes are zeros in a page's own nonce, since no isolate answers 2^48 pages. Where the screen is,
    /// it is reported to nobody: it counts at no endpoint.
    pub fn to_screen(&mut self, screen: u16, minute: Minute) {
        if let Some((isolate, count)) = self.nonce.split_at_checked(16)
            && let Ok(count) = u64::from_str_radix(count, 16)
        {
            self.nonce = format!("{isolate}{:016x}", count | u64::from(screen) << 48);
        }
        self.screen_minute = Some(minute);
        self.endpoints.clear();
    }

    /// Takes out what the nonce has counted for already, `known` being a list of words with a space
    /// before each, and returns the list afterwards; `None` where nothing is left to count.
    pub fn keep_new(&mut self, known: &str) -> Option<String> {
        let mut list = known.to_owned();
        let mut is_new = |word: &str| {
            let is_new = !list.split(' ').any(|own| own == word);
            if is_new {
                list.push(' ');
                list.push_str(word);
            }
            is_new
        };
        // The page view itself.
        self.is_view = is_new(VIEW);
        if self.js_errors > 0 && !is_new(JS_ERRORS) {
            self.js_errors = 0;
            self.scripts.clear();
        }
        if self.is_mixed && !is_new(MIXED) {
            self.is_mixed = false;
        }
        self.measures.retain(|(measure, _)| is_new(&measure.to_string()));
        self.events.retain(|event| is_new(&format!("event.{event}")));
        (list.len() > known.len()).then_some(list)
    }

    /// What it counts.
    pub fn count(&self) -> Counted {
        let minute = self.screen_minute.unwrap_or(self.minute);
        let mut window = Window::at(minute, self.revision);
        let mut compared = SlicedCounts::default();
        let (view, failed) = (u64::from(self.is_view), u64::from(self.js_errors > 0));
        let failed_pages = if failed > 0 { Troubles::once(true, Some(self.subject)) } else { Troubles::default() };
        for endpoint in std::iter::once(None).chain(self.endpoints.iter().map(Some)) {
            if let Some(tally) = window.tally_mut(self.variant, endpoint) {
                (tally.pages, tally.failed_pages, tally.js_errors) = (view, failed, u64::from(self.js_errors));
                if endpoint.is_none() {
                    tally.mixed = u64::from(self.is_mixed);
                    self.scripts.iter().for_each(|script| tally.scripts.add(script, minute));
                    for (dimension, value) in &self.by {
                        let counts = ValueCounts { pages: view, failed_pages, ..ValueCounts::default() };
                        tally.by_mut(dimension).into_iter().for_each(|own| own.add(value, &counts));
                    }
                }
                for (measure, bucket) in &self.measures {
                    let Some(sketch) = tally.sketch_mut(measure) else { continue };
                    sketch.add(*bucket, 1);
                    if let Measure::Value(name) = measure
                        && let Some((_, value)) = self.values.iter().find(|(own, _)| own == name)
                    {
                        tally.add_sum(name, *value);
                    }
                }
            }
            if let Some(slice) = self.slice {
                if let Some(trials) = compared.trials(&Quantity::JsErrors, endpoint, self.variant) {
                    trials.add(slice, u32::from(self.is_view), u32::from(self.js_errors > 0));
                }
                for (measure, bucket) in &self.measures {
                    if let Some(values) = compared.values(measure, endpoint, self.variant) {
                        values.add(slice, *bucket, 1);
                    }
                }
            }
        }
        let seen = Seen { hash: self.subject, is_new: self.variant == Variant::New, is_compared: self.slice.is_some() };
        if self.js_errors > 0 {
            window.erring.add(seen);
        }
        // Each report, since what it tells may go into another minute than the view: so whoever reports
        // an event in a window stands among those who report in it.
        if let Some(reporters) = VIEW.parse().ok().and_then(|view| window.event_mut(&view)) {
            reporters.add(seen);
        }
        for event in &self.events {
            if let Some(sample) = window.event_mut(event) {
                sample.add(seen);
            }
            if let Some(slice) = self.slice
                && let Some(trials) = compared.trials(&Quantity::Event(event.clone()), None, self.variant)
            {
                trials.add(slice, 0, 1);
            }
        }
        Counted { rollout: self.rollout.clone(), window, compared }
    }

    /// About how long its text is in bytes, rather too long.
    pub fn bytes(&self) -> usize {
        let names = self.endpoints.iter().chain(&self.events).map(|name| name.as_str().len() + 3);
        let measures = self.measures.iter().map(|(measure, _)| match measure {
            Measure::Timing(name) | Measure::Value(name) => name.as_str().len() + 20,
            Measure::Latency | Measure::Waited | Measure::ShadowLatency | Measure::Vital(_) => 20,
        });
        let scripts = self.scripts.iter().map(|script| script.len() + 10);
        400 + self.by.len() * (VALUE_BYTES_MAX + 20) + names.chain(measures).chain(scripts).sum::<usize>()
    }

    /// Checks what its format does not say.
    ///
    /// # Errors
    /// When there is no such subject or slice.
    pub fn check(&self) -> Result<(), String> {
        let is_possible = self.slice.is_none_or(|slice| slice < SLICES) && self.subject >> HASH_BITS == 0;
        if is_possible { Ok(()) } else { Err(format!("there is no subject {}", self.subject)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::condition::Vital;

    fn report() -> Report {
        let name = |text: &str| text.parse().unwrap_or_else(|_| unreachable!());
        Report {
            is_counted: true,
            rollout: name("shop"),
            revision: 7,
            minute: Minute::new(29_000_000),
            screen_minute: None,
            variant: Variant::New,
            endpoints: vec![name("cart")],
            nonce: format!("{}{:016x}", "0f".repeat(8), 0xabc),
            subject: 12_345,
            slice: Some(99),
            network: Some(7),
            is_view: true,
            js_errors: 2,
            scripts: vec!["TypeError: <n> at app.js".into()],
            by: vec![(Dimension::Browser, "Safari".into())],
            is_mixed: true,
            measures: vec![(Measure::Vital(Vital::Lcp), 190), (Measure::Timing(name("tti")), -3)],
            values: Vec::new(),
            events: vec![name("used")],
        }
    }

    #[test]
    fn a_report_comes_back() {
        let text = serde_json::to_string(&report()).unwrap_or_default();
        assert_eq!(serde_json::from_str(&text).ok(), Some(report()));
        assert_eq!(report().check(), Ok(()));
        for impossible in [Report { slice: Some(100), ..report() }, Report { subject: 1 << 50, ..report() }] {
            assert!(impossible.check().is_err(), "{impossible:?}");
        }
    }

    #[test]
    fn a_report_of_another_hosts_page_is_foreign() {
        let host = "shop.example.com";
        for (origin, site, expected) in [
            (None, None, false),
            (Some("https://shop.example.com"), Some("same-origin"), false),
            (Some("http://shop.example.com"), None, false),
            (Some("null"), Some("same-origin"), false),
            (Some("null"), None, true),
            (Some("https://evil.example"), None, true),
            (Some("https://shop.example.com:8443"), None, true),
            (Some("https://shop.example.com.evil.example"), Some("cross-site"), true),
            (Some("shop.example.com"), None, true),
            (None, Some("cross-site"), true),
            (None, Some("same-site"), true),
        ] {
            assert_eq!(is_foreign(origin, site, host), expected, "{origin:?} {site:?}");
        }
    }

    #[test]
    fn a_screen_is_a_page_view_of_its_own_that_counts_when_it_reports_and_at_no_endpoint() {
        let screen = |screen| {
            let mut report = report();
            report.to_screen(screen, Minute::new(29_000_090));
            report
        };
        let nonces: Vec<String> = [1, 2, SCREENS_MAX].into_iter().map(|number| screen(number).nonce).collect();
        assert_eq!(
            nonces,
            [
                "0f0f0f0f0f0f0f0f0001000000000abc",
                "0f0f0f0f0f0f0f0f0002000000000abc",
                "0f0f0f0f0f0f0f0f00c8000000000abc"
            ]
        );
        let counted = screen(1).count();
        let pages =
            |endpoint: Option<&Name>| counted.window.tally(Variant::New, endpoint).map_or(0, |tally| tally.pages);
        assert_eq!(
            (counted.window.minute, pages(None), pages(report().endpoints.first())),
            (Minute::new(29_000_090), 1, 0)
        );
        let text = serde_json::to_string(&screen(1)).unwrap_or_default();
        assert_eq!(serde_json::from_str(&text).ok(), Some(screen(1)));
    }

    #[test]
    fn who_reports_anything_stands_among_the_reporters() {
        let known = report().keep_new("").unwrap_or_default();
        let mut later = report();
        later.measures.push((Measure::Vital(Vital::Inp), 100));
        assert!(later.keep_new(&known).is_some());
        for report in [report(), later] {
            let window = report.count().window;
            let reporters: Vec<u64> = VIEW
                .parse()
                .ok()
                .and_then(|view| window.event(&view))
                .into_iter()
                .flat_map(|sample| sample.iter().map(|seen| seen.hash))
                .collect();
            assert_eq!(reporters, [12_345]);
        }
    }

    #[test]
    fn a_nonce_counts_once_for_each_metric() {
        let mut first = report();
        let known = first.keep_new("").unwrap_or_default();
        assert_eq!((first.clone(), known.as_str()), (report(), " view js_errors mixed lcp timing.tti event.used"));
        assert_eq!(report().keep_new(&known), None);
        let mut later = report();
        later.measures.push((Measure::Vital(Vital::Inp), 100));
        assert!(later.keep_new(&known).is_some_and(|known| known.ends_with(" inp")));
        assert_eq!((later.is_view, later.js_errors, later.measures.len(), later.events.len()), (false, 0, 1, 0));
        let counted = later.count();
        let tally = counted.window.tally(Variant::New, None).cloned().unwrap_or_default();
        assert_eq!((tally.pages, tally.js_errors, tally.sketches.len()), (0, 0, 1));
    }
}
