//! Which networks have reported lately, so that none of them alone moves a rollout.
//!
//! A report needs no more than a page's token, and whoever asks for pages has as many as they like. What they
//! do not have is many networks. So of each rollout, side and thing reported:
//!
//! 1. One network adds at most a quarter of an hour's events (of an hour's page views likewise, and a tenth of
//!    its timings, since a quarter of them can put a quantile anywhere), or [`FEW`] where that is more.
//! 2. Nothing is counted before [`SEVERAL`] networks have reported it, in this hour or the one before. For
//!    JavaScript errors of new, which roll back, these are networks that were on new; else those of both sides,
//!    or the smaller side would look better or worse than it is.
//! 3. What is over that is taken out of the report, and the rest counts.
//!
//! A side's heaviest networks are counted with the Space-Saving algorithm, in fixed room: of n events every
//! network with more than n / [`HEAVY`] is among those counted, with at most so many too many. A quarter and a
//! tenth are more than that, so whoever is over a limit is known, and whoever is not is not taken for it.
//! (Metwally, Agrawal, El Abbadi, "Efficient computation of frequent and top-k elements", ICDT 2005.)
//!
//! What is here is in memory alone. It starts over with the controller, which counts too little then, never too
//! much.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Report;
use tidegate_model::measured::Measure;
use tidegate_model::subject::fnv1a64;
use tidegate_model::variant::Variant;
use tidegate_model::{Minute, Name};

/// So many networks have to report a thing before it counts.
pub const SEVERAL: usize = 4;
/// So many events of a network count in an hour, however few there are.
pub const FEW: u64 = 3;
/// So many page views, which by themselves harm nobody.
const FEW_VIEWS: u64 = 20;
/// So many values of a timing.
const FEW_VALUES: u64 = 5;
/// So many JavaScript errors, which a page may report by the thousand.
const FEW_ERRORS: u64 = 10;
/// One of so many may be a network's.
const SHARE: u64 = 4;
const SHARE_OF_VALUES: u64 = 10;
/// So many networks of a side are counted.
const HEAVY: usize = 32;
/// So many things of a rollout are distinguished, for each side. Pages choose the names of events and timings, so
/// the one that the fewest networks have reported makes room.
const THINGS_MAX: usize = 40;
const MIXED: &str = "mixed";

/// What reports of all rollouts came from where.
#[derive(Debug, Default)]
pub struct Networks {
    rollouts: Vec<(Name, Vec<Thing>)>,
}

/// One thing that pages of one side report.
#[derive(Debug)]
struct Thing {
    what: u64,
    variant: Variant,
    hour: u64,
    /// What was counted in the hour.
    total: u64,
    /// The networks with the most of it, and how much that is at most.
    heavy: Vec<(u32, u64)>,
    /// Networks that have reported it in this hour and in the one before, until there are several.
    several: [Vec<u32>; 2],
}

/// How much of a thing one network may add.
#[derive(Clone, Copy)]
struct Limit {
    few: u64,
    share: u64,
}

const EVENTS: Limit = Limit { few: FEW, share: SHARE };
const VIEWS: Limit = Limit { few: FEW_VIEWS, share: SHARE };
const VALUES: Limit = Limit { few: FEW_VALUES, share: SHARE_OF_VALUES };
const ERRORS: Limit = Limit { few: FEW_ERRORS, share: SHARE };

impl Networks {
    /// Takes out of a report what its network may not add at this minute, and its network. `None` where the
    /// view itself is too much, or nothing is left to count.
    pub fn admit(&mut self, mut report: Report, minute: Minute) -> Option<Report> {
        let Some(network) = report.network.take() else { return Some(report) };
        let index = match self.rollouts.binary_search_by(|(own, _)| own.cmp(&report.rollout)) {
            Ok(index) => index,
            Err(index) => {
                self.rollouts.insert(index, (report.rollout.clone(), Vec::new()));
                index
            }
        };
        let (_, things) = self.rollouts.get_mut(index)?;
        let mut asking = Asking { things, network, variant: report.variant, hour: minute.hour() };
        if report.is_view && asking.take("view", VIEWS, 1) == 0 {
            return None;
        }
        if report.js_errors > 0 {
            let may_count = asking.is_several("js_errors", report.variant == Variant::New)
                && asking.take("js_errors", EVENTS, 1) > 0;
            let errors =
                if may_count { asking.take("js_errors in all", ERRORS, u64::from(report.js_errors)) } else { 0 };
            report.js_errors = u32::try_from(errors).unwrap_or(u32::MAX);
        }
        // Each of them alike: which error it is, a page may make up.
        let scripts =
            if report.js_errors > 0 { asking.take("scripts", EVENTS, report.scripts.len() as u64) } else { 0 };
        report.scripts.truncate(usize::try_from(scripts).unwrap_or(usize::MAX));
        report.is_mixed = report.is_mixed && asking.is_several(MIXED, false) && asking.take(MIXED, EVENTS, 1) > 0;
        report.events.retain(|event| {
            let what = format!("event.{event}");
            asking.is_several(&what, false) && asking.take(&what, EVENTS, 1) > 0
        });
        report.measures.retain(|(measure, _): &(Measure, i16)| {
            let what = measure.to_string();
            asking.is_several(&what, false) && asking.take(&what, VALUES, 1) > 0
        });
        let is_left =
            report.is_view || report.js_errors > 0 || !report.events.is_empty() || !report.measures.is_empty();
        is_left.then_some(report)
    }

    /// A rollout is gone.
    pub fn forget(&mut self, rollout: &Name) {
        self.rollouts.retain(|(own, _)| own != rollout);
    }
}

/// One network's report, in the hour in which it comes.
struct Asking<'a> {
    things: &'a mut Vec<Thing>,
    network: u32,
    variant: Variant,
    hour: u64,
}

impl Asking<'_> {
    /// The thing of a side, made if there is none.
    fn thing(&mut self, what: u64, variant: Variant) -> Option<&mut Thing> {
        let hour = self.hour;
        let index = match self.things.iter().position(|own| own.what == what && own.variant == variant) {
            Some(index) => index,
            None => {
                let least = self
                    .things
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, own)| (own.several.iter().map(Vec::len).max(), own.total));
                if let Some((index, _)) = least.filter(|_| self.things.len() >= 2 * THINGS_MAX) {
                    self.things.swap_remove(index);
                }
                self.things.push(Thing {
                    what,
                    variant,
                    hour,
                    total: 0,
                    heavy: Vec::new(),
                    several: [Vec::new(), Vec::new()],
                });
                self.things.len() - 1
            }
        };
        let thing = self.things.get_mut(index)?;
        thing.go_on(hour);
        Some(thing)
    }

    /// Notes that the network reports a thing; whether several do, on this side alone or on both.
    fn is_several(&mut self, what: &str, is_own_side_alone: bool) -> bool {
        let (network, variant, what) = (self.network, self.variant, fnv1a64(what.as_bytes()));
        let Some(own) = self.thing(what, variant) else { return false };
        let [now, before] = &mut own.several;
        if now.len() < SEVERAL && !now.contains(&network) {
            now.push(network);
        }
        let mut all: Vec<u32> = now.iter().chain(before.iter()).copied().collect();
        if !is_own_side_alone
            && let Some(other) = self.things.iter().find(|own| own.what == what && own.variant != variant)
        {
            all.extend(other.recent(self.hour));
        }
        all.sort_unstable();
        all.dedup();
        all.len() >= SEVERAL
    }

    /// Counts so much of a thing, or as much of it as the network may add; how much that is.
    fn take(&mut self, what: &str, limit: Limit, wanted: u64) -> u64 {
        let (network, variant) = (self.network, self.variant);
        self.thing(fnv1a64(what.as_bytes()), variant).map_or(0, |thing| thing.take(network, limit, wanted))
    }
}

impl Thing {
    fn go_on(&mut self, hour: u64) {
        if self.hour == hour {
            return;
        }
        let [now, before] = &mut self.several;
        *before = if self.hour + 1 == hour { std::mem::take(now) } else { Vec::new() };
        now.clear();
        self.heavy.clear();
        (self.hour, self.total) = (hour, 0);
    }

    /// Networks that have reported it in this hour or the one before.
    fn recent(&self, hour: u64) -> impl Iterator<Item = u32> {
        let [now, before] = &self.several;
        let now = now.iter().filter(move |_| self.hour + 1 >= hour);
        let before = before.iter().filter(move |_| self.hour >= hour);
        now.chain(before).copied()
    }

    fn take(&mut self, network: u32, Limit { few, share }: Limit, wanted: u64) -> u64 {
        let index = match self.heavy.iter().position(|(own, _)| *own == network) {
            Some(index) => index,
            None if self.heavy.len() < HEAVY => {
                self.heavy.push((network, 0));
                self.heavy.len() - 1
            }
            None => self.heavy.iter().enumerate().min_by_key(|(_, (_, count))| *count).map_or(0, |(index, _)| index),
        };
        let Some((own, count)) = self.heavy.get_mut(index) else { return 0 };
        // What is added is part of the total of which it may be a share.
        let by_share = self.total.saturating_sub(share.saturating_mul(*count)) / (share - 1);
        let taken = wanted.min(by_share.max(few.saturating_sub(*count)));
        *own = network;
        *count = count.saturating_add(taken);
        self.total = self.total.saturating_add(taken);
        taken
    }
}

/// The network of an address as a text: a /24 of IPv4, a /64 of IPv6. What is no address is a network by itself.
pub fn network(address: &str) -> String {
    match address.trim().parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, _] = address.octets();
            Ipv4Addr::new(a, b, c, 0).to_string()
        }
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).to_string()
        }
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::condition::Vital;

    const MINUTE: Minute = Minute::new(29_000_040);

    fn report(network: u32, variant: Variant) -> Report {
        Report {
            is_counted: true,
            rollout: "shop".parse().unwrap(),
            revision: 7,
            minute: MINUTE,
            screen_minute: None,
            variant,
            endpoints: Vec::new(),
            nonce: "0".repeat(32),
            subject: 1,
            slice: Some(1),
            network: Some(network),
            is_view: true,
            js_errors: 0,
            scripts: Vec::new(),
            by: Vec::new(),
            is_mixed: false,
            measures: Vec::new(),
            values: Vec::new(),
            events: Vec::new(),
        }
    }

    fn failing(network: u32, variant: Variant) -> Report {
        Report { js_errors: 1, ..report(network, variant) }
    }

    /// How many of these count with an error.
    fn failures(networks: &mut Networks, minute: Minute, reports: impl Iterator<Item = Report>) -> usize {
        reports.filter_map(|report| networks.admit(report, minute)).filter(|report| report.js_errors > 0).count()
    }

    #[test]
    fn one_network_alone_fails_no_page_of_new() {
        let mut networks = Networks::default();
        assert_eq!(failures(&mut networks, MINUTE, (0..1_000).map(|_| failing(1, Variant::New))), 0);
        // Nor with others that are on legacy, however many.
        failures(&mut networks, MINUTE, (0..1_000).map(|n| failing(n, Variant::Legacy)));
        assert_eq!(failures(&mut networks, MINUTE, (0..1_000).map(|_| failing(1, Variant::New))), 0);
        assert_eq!(
            failures(&mut networks, MINUTE, (1..4).map(|n| failing(n, Variant::New))),
            0,
            "three are not several"
        );
        assert_eq!(
            failures(&mut networks, MINUTE, (4..104).map(|n| failing(n, Variant::New))),
            100,
            "the fourth and all others count"
        );
    }

    #[test]
    fn one_network_adds_a_quarter_at_most_whenever_it_comes() {
        for crowd in [20, 100, 10_000] {
            let mut networks = Networks::default();
            let mut honest = (0..crowd).map(|n| failing(10 + n, Variant::New));
            let (mut own, mut all) = (0, 0);
            loop {
                own += failures(&mut networks, MINUTE, (0..5).map(|_| failing(1, Variant::New)));
                let Some(next) = honest.next() else { break };
                all += failures(&mut networks, MINUTE, std::iter::once(next));
            }
            own += failures(&mut networks, MINUTE, (0..100_000).map(|_| failing(1, Variant::New)));
            // The first two come before there are several.
            assert_eq!(all, crowd as usize - 2);
            assert!(own * 4 <= own + all && own * 7 >= all, "{own} beside {all}");
        }
    }

    #[test]
    fn the_crowd_is_never_taken_for_one_network() {
        let mut networks = Networks::default();
        let all = (0..50_000_u32).map(|n| failing(n.wrapping_mul(2_654_435_761) % 5_000, Variant::New));
        assert_eq!(failures(&mut networks, MINUTE, all), 49_997);
        let mut networks = Networks::default();
        let values = (0..50_000_u32)
            .map(|n| Report { measures: vec![(Measure::Vital(Vital::Lcp), 190)], ..report(n % 40, Variant::Legacy) });
        let counted = values
            .filter_map(|report| networks.admit(report, MINUTE))
            .filter(|report| !report.measures.is_empty())
            .count();
        assert!(counted > 49_900, "{counted}");
    }

    #[test]
    fn page_views_of_one_network_hide_no_failures() {
        let mut networks = Networks::default();
        let views = |networks: &mut Networks, reports: &mut dyn Iterator<Item = Report>| {
            reports.filter_map(|report| networks.admit(report, MINUTE)).count()
        };
        assert_eq!(views(&mut networks, &mut (0..1_000).map(|_| report(1, Variant::New))), 20);
        assert_eq!(views(&mut networks, &mut (0..1_000).map(|n| report(100 + n, Variant::New))), 1_000);
        let later = views(&mut networks, &mut (0..1_000).map(|_| report(1, Variant::New)));
        assert!((20 + later) * 4 <= 1_020 + later && later > 200, "{later}");
    }

    #[test]
    fn a_page_with_many_errors_counts_as_a_few() {
        let mut networks = Networks::default();
        failures(&mut networks, MINUTE, (0..4).map(|n| failing(n, Variant::New)));
        let many = networks.admit(Report { js_errors: 1_000, ..failing(9, Variant::New) }, MINUTE).unwrap();
        assert_eq!(many.js_errors, 10);
    }

    #[test]
    fn events_and_timings_count_once_several_networks_report_them() {
        let mut networks = Networks::default();
        let name: Name = "failed".parse().unwrap();
        let telling = |network, variant| Report {
            events: vec![name.clone()],
            measures: vec![(Measure::Timing(name.clone()), 5)],
            ..report(network, variant)
        };
        for (network, variant, reported) in [
            (1, Variant::New, 0),
            (1, Variant::New, 0),
            (2, Variant::Legacy, 0),
            (3, Variant::New, 0),
            (4, Variant::Legacy, 1),
            (1, Variant::New, 1),
        ] {
            let counted = networks.admit(telling(network, variant), MINUTE).unwrap();
            assert_eq!(
                (counted.events.len(), counted.measures.len(), counted.is_view),
                (reported, reported, true),
                "{network} {variant}"
            );
        }
        let many =
            (0..1_000).filter_map(|_| networks.admit(Report { is_view: false, ..telling(1, Variant::New) }, MINUTE));
        let counted: Vec<(usize, usize)> = many.map(|report| (report.events.len(), report.measures.len())).collect();
        assert_eq!(counted, [(1, 1), (1, 1), (0, 1), (0, 1)], "what is left of three events and five values");
    }

    #[test]
    fn each_hour_begins_anew_and_remembers_the_networks_of_the_one_before() {
        let mut networks = Networks::default();
        failures(&mut networks, MINUTE, (0..10).map(|n| failing(n, Variant::New)));
        let alone =
            |networks: &mut Networks, minute| failures(networks, minute, (0..100).map(|_| failing(1, Variant::New)));
        assert_eq!(alone(&mut networks, MINUTE + 60), 3);
        assert_eq!(alone(&mut networks, MINUTE + 120), 0, "by then the others are silent for an hour");
        assert_eq!(alone(&mut networks, MINUTE + 10_000), 0);
    }

    #[test]
    fn names_that_pages_make_up_neither_fill_it_nor_drive_others_out() {
        let mut networks = Networks::default();
        let telling = |network, event: String| Report {
            is_view: false,
            events: vec![event.parse().unwrap()],
            ..report(network, Variant::New)
        };
        for network in 0..9 {
            networks.admit(telling(network, "used".into()), MINUTE);
        }
        for n in 0..10_000 {
            networks.admit(telling(1, format!("junk{n}")), MINUTE);
        }
        assert!(networks.rollouts.iter().all(|(_, things)| things.len() <= 2 * THINGS_MAX));
        assert!(networks.admit(telling(77, "used".into()), MINUTE).is_some());
        networks.forget(&"shop".parse().unwrap());
        assert!(networks.rollouts.is_empty());
    }

    #[test]
    fn where_networks_do_not_matter_all_counts_and_none_is_kept() {
        let mut networks = Networks::default();
        let all = (0..1_000).map(|_| Report { network: None, ..failing(1, Variant::New) });
        assert_eq!(failures(&mut networks, MINUTE, all), 1_000);
        assert_eq!(networks.admit(failing(1, Variant::New), MINUTE).unwrap().network, None);
    }

    #[test]
    fn a_network_is_what_one_customer_gets() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.0"),
            ("192.0.2.255", "192.0.2.0"),
            ("::ffff:192.0.2.7", "192.0.2.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:0db8:1:2::", "2001:db8:1:2::"),
            ("2001:db8::1", "2001:db8::"),
            ("", ""),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(network(address), expected, "{address}");
        }
    }
}
