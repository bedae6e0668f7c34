//! How judges of a release compare on the same made-up traffic (`make judge-bench`). Prints the tables
//! of `docs/judging.md`; the same seeds give the same tables.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark has no input")]

mod cost;
mod figures;
mod judges;
mod means;
mod own;
mod traffic;

use std::sync::atomic::{AtomicUsize, Ordering};

use fastrand::Rng;
use figures::{Found, delay, head, row, share};
use indicatif::{ProgressBar, ProgressStyle};
use judges::{Columns, Judge, columns, z_score};
use tidegate::decide::evidence::{Count, Evidence, Window};
use tidegate::decide::firsts::{AtRisk, Firsts};
use tidegate::model::Minute;
use tidegate::model::measured::{Quantity, Seen};
use tidegate::model::variant::Variant;
use traffic::{Kind, Minutes, Site, Traffic, poisson};

const THREADS: usize = 2;
/// Looks come every ten seconds, and in long healthy stretches every minute.
const LOOK: f64 = 1.0 / 6.0;
const HEALTHY_RUNS: usize = 100;
const HEALTHY_HOURS: f64 = 24.0;
/// After so long looks come every minute.
const CLOSE_HOURS: f64 = 2.0;
const BAD_RUNS: usize = 50;
/// So long a release that went bad is watched.
const WATCHED_MINUTES: f64 = 360.0;
const RATIOS: [f64; 5] = [1.2, 1.5, 2.0, 5.0, 20.0];
const SHARES: [f64; 3] = [0.01, 0.05, 0.25];
/// Six hours each.
const RAMP: [f64; 4] = [0.01, 0.05, 0.25, 0.5];
/// One large step after six hours.
const STEP: [f64; 4] = [0.01, 0.5, 0.5, 0.5];

/// How much is on new, and for how long.
#[derive(Clone, Copy)]
enum On {
    Share(f64),
    Steps([f64; 4]),
}

impl On {
    fn at(self, minute: f64) -> f64 {
        match self {
            Self::Share(share) => share,
            Self::Steps(shares) => shares[(minute / (HEALTHY_HOURS * 15.0)) as usize],
        }
    }

    fn label(self) -> String {
        match self {
            Self::Share(share) => format!("{} %", share * 100.0),
            Self::Steps(RAMP) => "1, 5, 25, 50 %".to_owned(),
            Self::Steps(_) => "1, then 50 %".to_owned(),
        }
    }
}

const fn site(kind: Kind, subjects: usize) -> Site {
    Site::of(kind, subjects)
}

const fn churned(churn: f64) -> Site {
    Site { churn, ..site(Kind::Persistent, 20_000) }
}

const SITES: [(&str, Site); 15] = [
    ("independent", site(Kind::Independent, 200_000)),
    ("bursts on both sides", site(Kind::Bursts, 200_000)),
    ("episodes of 10 events", site(Kind::Episodes(10), 200_000)),
    ("episodes of 60 events", site(Kind::Episodes(60), 200_000)),
    ("1 % cause 80 %, 200,000 subjects", site(Kind::Persistent, 200_000)),
    ("1 % cause 80 %, 20,000 subjects", site(Kind::Persistent, 20_000)),
    ("the same, 10 % of them others than before", churned(0.1)),
    ("the same, half of them others", churned(0.5)),
    ("the same, all of them others", churned(1.0)),
    ("seasons: by the time of day", site(Kind::Seasons, 200_000)),
    ("outage of both sides", site(Kind::Outage, 200_000)),
    ("robots on both sides", site(Kind::Robots, 200_000)),
    ("new is redeployed every other hour", site(Kind::Redeploys, 200_000)),
    ("half of the subjects fail more, and come more and more", site(Kind::Drift, 200_000)),
    ("1 % cause 80 %, legacy at 0.1 %", Site { rate: 0.001, ..site(Kind::Persistent, 200_000) }),
];

fn main() {
    let is_asked =
        |name: &str| std::env::var("JUDGE_BENCH").map_or(true, |asked| asked.split(',').any(|own| own == name));
    if is_asked("figures") {
        match_figures();
    }
    if is_asked("bad") {
        gone_bad_at_five();
    }
    if is_asked("harmless") {
        harmless();
        harmless_where_hard();
    }
    if is_asked("cost") {
        cost::table();
    }
    if is_asked("own") {
        own::tables();
    }
    if is_asked("means") {
        means::tables();
    }
    // Half an hour more, for what stands in the folds of docs/judging.md.
    if std::env::var_os("JUDGE_BENCH_LONG").is_some() {
        for (name, site) in [SITES[0], SITES[4], SITES[5]] {
            gone_bad(name, site, &SHARES, &[0.0, 1.0, 48.0], Columns::All);
        }
        gone_bad(
            "independent, legacy at 0.1 %",
            Site { rate: 0.001, ..SITES[0].1 },
            &SHARES[1..2],
            &[0.0, 48.0],
            Columns::All,
        );
    }
}

/// Only rows whose names have this in them.
fn asked_rows() -> String {
    std::env::var("JUDGE_BENCH_ROWS").unwrap_or_default()
}

fn runs(of: usize) -> usize {
    std::env::var("JUDGE_BENCH_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(of)
}

/// The tables that docs/judging.md begins with.
fn gone_bad_at_five() {
    for (name, site) in [SITES[0], SITES[4]] {
        gone_bad(name, site, &SHARES[1..2], &[0.0, 48.0], Columns::Own);
    }
    let (name, clustered) = SITES[5];
    gone_bad(name, clustered, &SHARES[1..2], &[0.0, 12.0, 48.0], Columns::Own);
    gone_bad(name, clustered, &SHARES[..1], &[0.0], Columns::Own);
    let own = Site { is_proportional: true, ..clustered };
    gone_bad(&format!("{name}, each subject's own errors multiplied"), own, &SHARES[1..2], &[0.0, 12.0], Columns::Own);
    let churned = Site { churn: 0.5, ..own };
    gone_bad("the same, half of the 1 % others than before", churned, &SHARES[1..2], &[0.0], Columns::Own);
}

/// Runs `run` for 0..count on all threads; the results in their order.
fn in_parallel<T: Send>(title: &str, count: usize, run: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let style = ProgressStyle::with_template("{msg:40} {bar:30} {pos}/{len} {eta}").unwrap();
    let bar = ProgressBar::new(count as u64).with_style(style).with_message(title.to_owned());
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, run(index)));
            bar.inc(1);
        }
    };
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    bar.finish_and_clear();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// 200 looks at 200,000 requests, 5 % on new, legacy at 1 %: when the plain evidence fires at both
/// levels, and when the z-test does; in requests.
fn fixed_length(seed: u64, ratio: f64) -> [Found; 4] {
    let mut random = Rng::with_seed(seed);
    let (mut evidence, mut seen) = (Evidence::plain(1.0), Window::default());
    let mut found = [Found::Never; 4];
    for evaluation in 1..=200 {
        let window = Window {
            legacy: Count { n: 950.0, x: poisson(&mut random, 9.5) as f64 },
            new: Count { n: 50.0, x: poisson(&mut random, 0.5 * ratio) as f64 },
        };
        evidence.add(&window, 1.0, 0.0);
        seen.legacy = Count { n: seen.legacy.n + 950.0, x: seen.legacy.x + window.legacy.x };
        seen.new = Count { n: seen.new.n + 50.0, x: seen.new.x + window.new.x };
        let z = z_score(&seen);
        for (found, is_shown) in
            found.iter_mut().zip([evidence.is_shown(0.05), evidence.is_shown(0.01), z.abs() > 1.96, z > 1.645])
        {
            if is_shown && matches!(found, Found::Never) {
                *found = Found::After(f64::from(evaluation) * 1_000.0);
            }
        }
    }
    found
}

fn match_figures() {
    println!("## 200 looks at 200,000 requests, 5 % on new, legacy at 1 %");
    let runs: Vec<Vec<[Found; 4]>> = [1.0, 2.0, 5.0]
        .map(|ratio| in_parallel("figures to match", 1_000, |run| fixed_length(run as u64, ratio)))
        .into();
    head(
        [
            "judge",
            "harmless releases rolled back, % (95 %)",
            "doublings found, %",
            "after requests, median / p90",
            "×5 after requests",
        ]
        .map(str::to_owned),
    );
    for (index, name) in
        ["plain evidence, α 0.05", "plain evidence, α 0.01", "z-test, two-sided, 0.05", "z-test, one-sided, 0.05"]
            .into_iter()
            .enumerate()
    {
        let of = |ratio: usize| runs[ratio].iter().map(|run| run[index]).collect::<Vec<_>>();
        let count = |ratio: usize| of(ratio).iter().filter(|found| matches!(found, Found::After(_))).count();
        row([
            name.to_owned(),
            share(count(0), 1_000),
            format!("{}", count(1) as f64 / 10.0),
            delay(&of(1)),
            delay(&of(2)),
        ]);
    }
}

/// Whether each judge rolls a harmless release back within a day. `disturb` adds to the windows.
fn harmless_run(site: Site, on: On, seed: u64, disturb: impl Fn(&mut Minutes, f64, f64)) -> Vec<bool> {
    let mut judges: Vec<Judge> = columns(Columns::Few).into_iter().map(|(_, judge)| judge).collect();
    let mut fired = vec![false; judges.len()];
    let mut traffic = Traffic::new(site, on.at(0.0), seed);
    let mut past = traffic.past(seed);
    let mut before = f64::NAN;
    let mut firsts = Firsts::new(Quantity::Errors, None);
    let mut minute: f64 = 0.0;
    while minute < HEALTHY_HOURS * 60.0 - 1e-6 {
        let minutes = if minute < CLOSE_HOURS * 60.0 { LOOK } else { 1.0 };
        let now = on.at(minute);
        if now != before {
            traffic.set_share(now);
            before = now;
            let weights = past.weights();
            judges.iter_mut().for_each(|judge| judge.weigh(&weights));
        }
        let mut window = traffic.window(minutes);
        disturb(&mut window, minute, minutes);
        // The day before ended with the minute 1,440.
        past.take(&window.bins.legacy, Minute::new(minute as u64 + 1_500 + 60));
        let found = firsts.take(&window.failed, Some(AtRisk { seen: &traffic.everybody, share: now }));
        for (judge, fired) in judges.iter_mut().zip(&mut fired) {
            *fired = *fired || judge.evaluate(&window, &found, minute, minutes, now);
        }
        minute += minutes;
    }
    fired
}

fn print_harmless(name: &str, shares: &[On], run: impl Fn(On, u64) -> Vec<bool> + Sync) {
    for now in shares {
        let runs = in_parallel(name, runs(HEALTHY_RUNS), |seed| run(*now, seed as u64));
        let cells = (0..columns(Columns::Few).len())
            .map(|judge| share(runs.iter().filter(|fired| fired[judge]).count(), runs.len()));
        row([name.to_owned(), now.label()].into_iter().chain(cells));
    }
}

fn harmless() {
    println!("\n## Harmless releases rolled back within 24 hours, % (95 %)");
    let names = columns(Columns::Few).into_iter().map(|(name, _)| name);
    head(["errors", "on new"].into_iter().chain(names).map(str::to_owned));
    let asked = asked_rows();
    for (index, (name, site)) in SITES.into_iter().enumerate().filter(|(_, (name, _))| name.contains(&asked)) {
        // The traffic that this page began with at all shares; what was added, at those that say most.
        let (all, few) = ([0.01, 0.05, 0.25].map(On::Share), [0.01, 0.05].map(On::Share));
        let shares: &[On] = if index < 6 { &all } else { &few };
        let steps: &[On] = if index == 5 { &[On::Steps(RAMP), On::Steps(STEP)] } else { &[On::Steps(RAMP)] };
        print_harmless(name, &[shares, steps].concat(), |on, seed| harmless_run(site, on, seed, |_, _, _| {}));
    }
}

/// One subject on new whose page reloads itself for three hours, an error each minute.
fn harmless_where_hard() {
    let loops = |window: &mut Minutes, minute: f64, minutes: f64| {
        if (60.0..240.0).contains(&minute) {
            window.slices.new.add(7, 0.0, minutes);
            window.bins.new.x.add(0, minutes as f32);
            window.failed.add(Seen::new(7 << 40, Variant::New, true));
        }
    };
    let site = Site { rate: 0.001, ..site(Kind::Independent, 20_000) };
    let name = "legacy at 0.1 %, one subject in a loop";
    if !name.contains(&asked_rows()) {
        return;
    }
    print_harmless(name, &[0.01, 0.05].map(On::Share), |on, seed| harmless_run(site, on, seed, loops));
}

/// After how many minutes each judge finds each regression, after so many healthy hours.
fn gone_bad(name: &str, site: Site, shares: &[f64], healthy_hours: &[f64], asked: Columns) {
    println!("\n## Minutes until a regression is found, median / p90: {name}");
    let names: Vec<&str> = columns(asked).into_iter().map(|(name, _)| name).collect();
    head(["on new", "healthy h", "×"].into_iter().chain(names.iter().copied()).map(str::to_owned));
    for share in shares {
        for hours in healthy_hours {
            let runs = in_parallel(name, runs(BAD_RUNS), |seed| gone_bad_run(site, *share, *hours, seed as u64, asked));
            for (index, ratio) in RATIOS.into_iter().enumerate() {
                let cells =
                    (0..names.len()).map(|judge| delay(&runs.iter().map(|run| run[index][judge]).collect::<Vec<_>>()));
                row([format!("{} %", share * 100.0), format!("{hours}"), format!("{ratio}")].into_iter().chain(cells));
            }
        }
    }
}

/// By ratio and judge.
fn gone_bad_run(site: Site, share: f64, healthy_hours: f64, seed: u64, asked: Columns) -> Vec<Vec<Found>> {
    let mut judges: Vec<(Judge, bool)> = columns(asked).into_iter().map(|(_, judge)| (judge, false)).collect();
    let mut traffic = Traffic::new(site, share, seed);
    let mut firsts = Firsts::new(Quantity::Errors, None);
    let weights = traffic.past(seed).weights();
    judges.iter_mut().for_each(|(judge, _)| judge.weigh(&weights));
    let mut start: f64 = 0.0;
    while start < healthy_hours * 60.0 {
        let window = traffic.window(1.0);
        let found = firsts.take(&window.failed, Some(AtRisk { seen: &traffic.everybody, share }));
        for (judge, is_early) in &mut judges {
            *is_early = *is_early || judge.evaluate(&window, &found, start, 1.0, share);
        }
        start += 1.0;
    }
    RATIOS
        .into_iter()
        .map(|ratio| watch(traffic.clone(), judges.clone(), firsts.clone(), ratio, start, share))
        .collect()
}

fn watch(
    mut traffic: Traffic,
    mut judges: Vec<(Judge, bool)>,
    mut firsts: Firsts,
    ratio: f64,
    start: f64,
    share: f64,
) -> Vec<Found> {
    traffic.ratio = ratio;
    let mut found: Vec<Found> =
        judges.iter().map(|(_, is_early)| if *is_early { Found::Early } else { Found::Never }).collect();
    let mut evaluation = 0.0;
    while evaluation * LOOK < WATCHED_MINUTES && found.iter().any(|found| matches!(found, Found::Never)) {
        let minute = start + evaluation * LOOK;
        let window = traffic.window(LOOK);
        let seen = firsts.take(&window.failed, Some(AtRisk { seen: &traffic.everybody, share }));
        for ((judge, _), found) in judges.iter_mut().zip(&mut found) {
            if matches!(found, Found::Never) && judge.evaluate(&window, &seen, minute, LOOK, share) {
                *found = Found::After(minute + LOOK - start);
            }
        }
        evaluation += 1.0;
    }
    found
}
