//! New beside its own past, with nobody on legacy: false alarms in a month, and how soon a change is found.

use tidegate::decide::own_past::OwnPast;
use tidegate::model::Minute;

use crate::figures::{Found, delay, head, row};
use crate::in_parallel;
use crate::traffic::{Kind, Site, Traffic};

const DAYS: f64 = 30.0;
const RUNS: usize = 12;
const BAD_RUNS: usize = 20;
const WATCHED: f64 = 360.0;
const RATIOS: [f64; 3] = [1.5, 2.0, 5.0];
/// So many days are known before it goes bad.
const KNOWN: [f64; 2] = [1.1, 7.1];

fn sites() -> Vec<(&'static str, Site)> {
    vec![
        ("independent", Site::of(Kind::Independent, 200_000)),
        ("seasons: by the time of day", Site::of(Kind::Seasons, 200_000)),
        ("bursts", Site::of(Kind::Bursts, 200_000)),
        ("episodes of 10 events", Site::of(Kind::Episodes(10), 200_000)),
        ("1 % cause 80 %, 20,000 subjects", Site::of(Kind::Persistent, 20_000)),
        ("each hour a fifth higher or lower", Site::of(Kind::Unsteady, 200_000)),
        (
            "the same, by the time of day too, legacy at 0.1 %",
            Site { rate: 0.001, ..Site::of(Kind::Unsteady, 200_000) },
        ),
    ]
}

/// Takes a minute in; whether it has changed.
fn look(traffic: &mut Traffic, own: &mut OwnPast, minute: f64) -> bool {
    own.add(&traffic.window(1.0).slices.new, Minute::new(24 * 60 + minute as u64));
    own.has_changed(1)
}

/// How often it alarms in so many days.
fn alarms(site: Site, seed: u64) -> usize {
    let (mut traffic, mut own) = (Traffic::new(site, 1.0, seed), OwnPast::default());
    let (mut count, mut was) = (0, false);
    let mut minute = 0.0;
    while minute < DAYS * 1_440.0 {
        let is = look(&mut traffic, &mut own, minute);
        count += usize::from(is && !was);
        was = is;
        minute += 1.0;
    }
    count
}

fn found(site: Site, days: f64, seed: u64) -> Vec<Found> {
    let (mut traffic, mut own) = (Traffic::new(site, 1.0, seed), OwnPast::default());
    let begin = (days * 1_440.0).floor();
    let mut is_early = false;
    for minute in 0..begin as u64 {
        is_early = look(&mut traffic, &mut own, minute as f64);
    }
    let watch = |ratio: f64| {
        if is_early {
            return Found::Early;
        }
        let (mut traffic, mut own) = (traffic.clone(), own.clone());
        traffic.ratio = ratio;
        let minutes = (0..WATCHED as u64).map(|more| more as f64);
        let mut minutes = minutes.filter(|more| look(&mut traffic, &mut own, begin + more));
        minutes.next().map_or(Found::Never, |more| Found::After(more + 1.0))
    };
    RATIOS.into_iter().map(watch).collect()
}

pub fn tables() {
    println!("\n## New beside its own past, nobody on legacy: minutes until a change is found, median / p90");
    head(["errors".to_owned(), "days known".to_owned()].into_iter().chain(RATIOS.map(|ratio| format!("×{ratio}"))));
    for (name, site) in sites() {
        for days in KNOWN {
            let runs = in_parallel(name, BAD_RUNS, |seed| found(site, days, seed as u64));
            let cells = (0..RATIOS.len()).map(|ratio| delay(&runs.iter().map(|run| run[ratio]).collect::<Vec<_>>()));
            row([name.to_owned(), format!("{days:.0}")].into_iter().chain(cells));
        }
    }
    println!("\n## The same: alarms for nothing, of {RUNS} times {DAYS} days");
    head(["errors", "alarms", "once in days"].map(str::to_owned));
    for (name, site) in sites() {
        let alarms: usize = in_parallel(name, RUNS, |seed| alarms(site, seed as u64)).into_iter().sum();
        let days = RUNS as f64 * DAYS;
        let once = if alarms > 0 { format!("{:.0}", days / alarms as f64) } else { format!("over {days:.0}") };
        row([name.to_owned(), alarms.to_string(), once]);
    }
}
