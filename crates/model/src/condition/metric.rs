//! The table of metrics: what each is called, how it is bounded, what its observations are, and where its figure
//! comes from. The conditions' parser and their printer, the judge, the forecast and the simulation derive what they
//! know of a metric from here, so a metric more is an entry more.

use super::{Dimension, Quantile, Vital};
use crate::Name;
use crate::figure::Counted;
use crate::measured::{Measure, Quantity, Tally};

/// The least number of observations for rates, quantiles and counted errors that name none:
/// below it a single unlucky request would decide.
pub const MIN_DEFAULT: u32 = 50;

/// What a metric is like.
#[derive(Clone, Copy, Debug)]
pub struct MetricSpec {
    /// What its name begins with: all of it, or what stands before the first `.`.
    pub head: &'static str,
    /// How it is bounded.
    pub dimension: Dimension,
    /// What its observations are.
    pub of: Counted,
    /// The least number of them where a term names none; 0 where a figure needs none.
    pub min: u32,
    /// Where its figure comes from.
    pub source: Source,
    /// Whether legacy has a figure of the same kind that does not depend on how many subjects it has.
    pub is_comparable: bool,
    /// Whether it is measured per endpoint.
    pub has_endpoints: bool,
    /// Whether a browser has to report it.
    pub is_from_browsers: bool,
    /// Whether it is measured over a span of time.
    pub has_window: bool,
}

/// Where the figure of a metric comes from.
#[derive(Clone, Copy, Debug)]
pub enum Source {
    /// The share of requests of which this came, each subject's minute once.
    Rate(fn(&Metric) -> Option<Quantity>),
    /// How often something was counted.
    Count(fn(&Tally) -> u64),
    /// The page views of which this came, as a share.
    PageShare(fn(&Tally) -> u64),
    /// A quantile of this distribution.
    Quantile(fn(&Metric) -> Option<Measure>),
    /// The mean of the numbers that pages report under its name.
    Mean,
    /// Subjects that were seen, and events that they reported: the judge knows how.
    Subjects,
    /// What isolates, the state or other programs say, without windows.
    Stated,
}

/// What comes of requests and can be shared out: a rate of them, with endpoints, beside legacy.
const RATE: MetricSpec = MetricSpec {
    head: "",
    dimension: Dimension::Share,
    of: Counted::Requests,
    min: MIN_DEFAULT,
    source: Source::Rate(|_| None),
    is_comparable: true,
    has_endpoints: true,
    is_from_browsers: false,
    has_window: true,
};
/// A number of requests, which legacy has another of.
const COUNT: MetricSpec = MetricSpec { dimension: Dimension::Count, is_comparable: false, ..RATE };
/// A quantile of times.
const QUANTILE: MetricSpec = MetricSpec { dimension: Dimension::Time, ..RATE };
/// Subjects that were seen on either side.
const SUBJECTS: MetricSpec =
    MetricSpec { of: Counted::Users, source: Source::Subjects, is_comparable: false, has_endpoints: false, ..RATE };
/// What is so, whoever has been seen.
const STATED: MetricSpec =
    MetricSpec { of: Counted::Nothing, min: 0, source: Source::Stated, has_window: false, ..SUBJECTS };

/// Makes the metrics, and what they have in common, of the table below: by what stands behind a metric's head.
macro_rules! metrics {
    (
        plain { $($(#[$plain_doc:meta])* $plain:ident = $plain_spec:expr;)* }
        quantile { $($(#[$quantile_doc:meta])* $quantile:ident = $quantile_spec:expr;)* }
        name { $($(#[$name_doc:meta])* $name:ident = $name_spec:expr;)* }
        name_and_mean { $($(#[$mean_doc:meta])* $mean:ident = $mean_spec:expr;)* }
        name_and_quantile { $($(#[$both_doc:meta])* $both:ident = $both_spec:expr;)* }
        status { $(#[$status_doc:meta])* $status:ident = $status_spec:expr; }
        vital { $(#[$vital_doc:meta])* $vital:ident = $vital_spec:expr; }
    ) => {
        /// Something measured, always on the variant `new`.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Metric {
            $($(#[$plain_doc])* $plain,)*
            $($(#[$quantile_doc])* $quantile(Quantile),)*
            $($(#[$name_doc])* $name(Name),)*
            $($(#[$mean_doc])* $mean(Name),)*
            $($(#[$both_doc])* $both(Name, Quantile),)*
            $(#[$status_doc])* $status(u16),
            $(#[$vital_doc])* $vital(Vital, Quantile),
        }

        /// All metrics.
        pub static METRICS: &[Row] = &[
            $(Row { spec: $plain_spec, make: Make::Plain(Metric::$plain) },)*
            $(Row { spec: $quantile_spec, make: Make::Quantile(Metric::$quantile) },)*
            $(Row { spec: $name_spec, make: Make::Name(Metric::$name) },)*
            $(Row { spec: $mean_spec, make: Make::NameAndMean(Metric::$mean) },)*
            $(Row { spec: $both_spec, make: Make::NameAndQuantile(Metric::$both) },)*
            Row { spec: $status_spec, make: Make::Status(Metric::$status) },
            Row { spec: $vital_spec, make: Make::Vital(Metric::$vital) },
        ];

        impl Metric {
            /// What it is like.
            pub const fn spec(&self) -> &'static MetricSpec {
                match self {
                    $(Self::$plain => const { &$plain_spec },)*
                    $(Self::$quantile(_) => const { &$quantile_spec },)*
                    $(Self::$name(_) => const { &$name_spec },)*
                    $(Self::$mean(_) => const { &$mean_spec },)*
                    $(Self::$both(..) => const { &$both_spec },)*
                    Self::$status(_) => const { &$status_spec },
                    Self::$vital(..) => const { &$vital_spec },
                }
            }

            /// The name that its own name carries.
            pub const fn name(&self) -> Option<&Name> {
                match self {
                    $(Self::$name(name) => Some(name),)*
                    $(Self::$mean(name) => Some(name),)*
                    $(Self::$both(name, _) => Some(name),)*
                    _ => None,
                }
            }

            /// Which quantile it is.
            pub const fn quantile(&self) -> Option<Quantile> {
                match self {
                    $(Self::$quantile(quantile) => Some(*quantile),)*
                    $(Self::$both(_, quantile) => Some(*quantile),)*
                    Self::$vital(_, quantile) => Some(*quantile),
                    _ => None,
                }
            }
        }
    };
}

metrics! {
    plain {
        /// Share of requests that failed, as the plan defines it: answered with a 5xx, too late or not at all.
        ErrorRate = MetricSpec { head: "error_rate", source: Source::Rate(|_| Some(Quantity::Errors)), ..RATE };
        /// Share of requests answered with a 4xx.
        ClientErrorRate =
            MetricSpec { head: "client_error_rate", source: Source::Rate(|_| Some(Quantity::ClientErrors)), ..RATE };
        /// Share of requests without headers in time.
        TimeoutRate =
            MetricSpec { head: "timeout_rate", source: Source::Rate(|_| Some(Quantity::Timeouts)), ..RATE };
        /// Share of requests that their clients gave up before there were headers.
        AbandonedRate =
            MetricSpec { head: "abandoned_rate", source: Source::Rate(|_| Some(Quantity::Abandoned)), ..RATE };
        /// Pages whose body ended early or stalled, as a share of requests.
        BrokenRate = MetricSpec { head: "broken_rate", source: Source::Rate(|_| Some(Quantity::Broken)), ..RATE };
        /// Number of requests that failed, as the plan defines it.
        Errors = MetricSpec { head: "errors", source: Source::Count(|tally| tally.errors), ..COUNT };
        /// Number of requests.
        Requests = MetricSpec {
            head: "requests",
            of: Counted::Nothing,
            min: 0,
            source: Source::Count(|tally| tally.requests),
            ..COUNT
        };
        /// Requests that legacy answered because new failed.
        Rescued = MetricSpec { head: "rescued", min: 0, source: Source::Count(|tally| tally.rescued), ..COUNT };
        /// Distinct subjects on new.
        Subjects = MetricSpec { head: "subjects", dimension: Dimension::Count, min: 0, ..SUBJECTS };
        /// Sessions on new: a subject's requests without a pause of 30 minutes.
        Sessions = MetricSpec {
            head: "sessions",
            dimension: Dimension::Count,
            of: Counted::Nothing,
            min: 0,
            ..SUBJECTS
        };
        /// Failed requests of a session on new, on average.
        ErrorsPerSession = MetricSpec {
            head: "errors_per_session",
            dimension: Dimension::Score,
            of: Counted::Sessions,
            ..SUBJECTS
        };
        /// Subjects on new among all.
        Share = MetricSpec { head: "share", ..SUBJECTS };
        /// Subjects that reported the event `used` among all who reported anything.
        Adoption = MetricSpec { head: "adoption", is_from_browsers: true, ..SUBJECTS };
        /// Subjects who chose to go back to legacy, among them and those on new.
        OptOutRate = MetricSpec { head: "opt_out_rate", ..SUBJECTS };
        /// Page views with a JavaScript error.
        JsErrorRate = MetricSpec {
            head: "js_error_rate",
            of: Counted::PageViews,
            source: Source::PageShare(|tally| tally.failed_pages),
            is_from_browsers: true,
            ..RATE
        };
        /// Number of JavaScript errors.
        JsErrors = MetricSpec {
            head: "js_errors",
            of: Counted::PageViews,
            source: Source::Count(|tally| tally.js_errors),
            is_from_browsers: true,
            ..COUNT
        };
        /// Configuration faults that isolates reported.
        Faults = MetricSpec { head: "faults", dimension: Dimension::Count, ..STATED };
        /// The rollout's current percentage.
        Percentage = MetricSpec { head: "percentage", ..STATED };
    }
    quantile {
        /// Upstream time to headers.
        Latency = MetricSpec { head: "latency", source: Source::Quantile(|_| Some(Measure::Latency)), ..QUANTILE };
        /// How long those waited who gave up.
        Waited = MetricSpec { head: "waited", source: Source::Quantile(|_| Some(Measure::Waited)), ..QUANTILE };
    }
    name {
        /// Share of subjects on new that reported the event, among those exposed.
        Event = MetricSpec { head: "event", is_from_browsers: true, is_comparable: true, ..SUBJECTS };
        /// Number of distinct subjects on new that reported the event.
        Reporters = MetricSpec {
            head: "reporters",
            dimension: Dimension::Count,
            of: Counted::Nothing,
            min: 0,
            is_from_browsers: true,
            ..SUBJECTS
        };
        /// Share of the probes of new that found what they expect.
        Probe = MetricSpec { head: "probe", has_window: true, ..STATED };
        /// A fact from outside, declared under `signals`.
        Signal = MetricSpec { head: "signal", dimension: Dimension::Free, has_window: true, ..STATED };
    }
    name_and_mean {
        /// A number that pages report under a name: the mean.
        ValueMean = MetricSpec {
            head: "value",
            dimension: Dimension::Score,
            of: Counted::PageViews,
            source: Source::Mean,
            is_comparable: false,
            has_endpoints: false,
            is_from_browsers: true,
            ..RATE
        };
    }
    name_and_quantile {
        /// The same, a quantile.
        Value = MetricSpec {
            head: "value",
            dimension: Dimension::Score,
            of: Counted::PageViews,
            source: Source::Quantile(|metric| metric.name().cloned().map(Measure::Value)),
            has_endpoints: false,
            is_from_browsers: true,
            ..QUANTILE
        };
        /// A timing that the page reported under a name.
        Timing = MetricSpec {
            head: "timing",
            of: Counted::PageViews,
            source: Source::Quantile(|metric| metric.name().cloned().map(Measure::Timing)),
            has_endpoints: false,
            is_from_browsers: true,
            ..QUANTILE
        };
    }
    status {
        /// Share of requests answered with this status.
        StatusRate = MetricSpec {
            head: "status",
            source: Source::Rate(|metric| match metric {
                Metric::StatusRate(status) => Some(Quantity::Status(*status)),
                _ => None,
            }),
            ..RATE
        };
    }
    vital {
        /// A web vital that browsers reported.
        Vital = MetricSpec {
            of: Counted::PageViews,
            source: Source::Quantile(|metric| match metric {
                Metric::Vital(vital, _) => Some(Measure::Vital(*vital)),
                _ => None,
            }),
            is_from_browsers: true,
            ..QUANTILE
        };
    }
}

/// A row of the table.
pub struct Row {
    /// What the metric is like.
    pub spec: MetricSpec,
    /// What its name consists of.
    pub make: Make,
}

/// What stands behind the head of a metric's name, and the metric that it makes.
pub enum Make {
    /// Nothing.
    Plain(Metric),
    /// `.pNN`
    Quantile(fn(Quantile) -> Metric),
    /// `.NAME`
    Name(fn(Name) -> Metric),
    /// `.NAME.mean`
    NameAndMean(fn(Name) -> Metric),
    /// `.NAME.pNN`
    NameAndQuantile(fn(Name, Quantile) -> Metric),
    /// `.NNN_rate`
    Status(fn(u16) -> Metric),
    /// `.pNN`, behind the name of a web vital
    Vital(fn(Vital, Quantile) -> Metric),
}

impl Row {
    /// How its metrics are written, with `NAME`, `pNN` and `NNN` for what each chooses.
    pub fn syntax(&self) -> Vec<String> {
        let head = self.spec.head;
        match self.make {
            Make::Plain(_) => vec![head.to_owned()],
            Make::Quantile(_) => vec![format!("{head}.pNN")],
            Make::Name(_) => vec![format!("{head}.NAME")],
            Make::NameAndMean(_) => vec![format!("{head}.NAME.mean")],
            Make::NameAndQuantile(_) => vec![format!("{head}.NAME.pNN")],
            Make::Status(_) => vec![format!("{head}.NNN_rate")],
            Make::Vital(_) => Vital::ALL.iter().map(|vital| format!("{vital}.pNN")).collect(),
        }
    }
}

impl Metric {
    /// How it is bounded.
    pub const fn dimension(&self) -> Dimension {
        match self {
            Self::Vital(Vital::Cls, _) => Dimension::Score,
            _ => self.spec().dimension,
        }
    }

    /// Whether legacy has a figure of the same kind that does not depend on how many subjects it has.
    pub const fn is_comparable(&self) -> bool {
        self.spec().is_comparable
    }

    /// What it is the rate of, where that is something that comes of requests.
    pub fn of_requests(&self) -> Option<Quantity> {
        match self.spec().source {
            Source::Rate(quantity) => quantity(self),
            _ => None,
        }
    }

    /// The distribution that it is a quantile of, and the quantile.
    pub fn distribution(&self) -> Option<(Measure, Quantile)> {
        match self.spec().source {
            Source::Quantile(measure) => measure(self).zip(self.quantile()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::condition::Term;

    /// Each metric as somebody might write it.
    fn written() -> impl Iterator<Item = (&'static Row, String)> {
        METRICS.iter().flat_map(|row| {
            let text = |syntax: String| syntax.replace("NAME", "a.name").replace("pNN", "p99.5").replace("NNN", "404");
            row.syntax().into_iter().map(move |syntax| (row, text(syntax)))
        })
    }

    #[test]
    fn every_row_is_read_and_printed_by_its_name() {
        for (row, name) in written() {
            let bound = match row.spec.dimension {
                _ if name.starts_with("cls") => "0.1",
                Dimension::Share => "5%",
                Dimension::Time => "500ms",
                Dimension::Count | Dimension::Score | Dimension::Free => "5",
            };
            let text = format!("{name} > {bound}");
            let condition: crate::condition::Condition = text.parse().unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(condition.to_string(), text);
            let [Term { metric, .. }] = &condition.terms[..] else { panic!("{text}") };
            assert_eq!(metric.spec().head, row.spec.head, "{text}");
            assert_eq!(metric.name().is_some(), name.contains("a.name"), "{text}");
            assert_eq!(metric.quantile().is_some(), name.contains("p99.5"), "{text}");
        }
    }

    #[test]
    fn no_two_rows_have_one_name_and_what_a_row_says_agrees() {
        let mut names: Vec<String> = written().map(|(_, name)| name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for Row { spec, .. } in METRICS {
            let is_counted = matches!(spec.of, Counted::Requests | Counted::PageViews);
            assert!(is_counted || !spec.has_endpoints || spec.min == 0, "{}", spec.head);
            assert!(spec.has_window || !spec.is_comparable, "{}", spec.head);
            assert!(spec.of != Counted::PageViews || spec.is_from_browsers, "{}", spec.head);
        }
    }
}
