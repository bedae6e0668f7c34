//! Made-up traffic of one site: a population of subjects that a hash deals out, their exposures and
//! their events, window by window.
//!
//! A subject adds at most one exposure and one event per minute, so exposures are subject-minutes.
//! How many there are is not random, which nothing depends on; events are.

use std::sync::Arc;

use fastrand::Rng;
use tidegate::decide::bins::{BINS, BinCounts, SideBins};
use tidegate::decide::overdispersion::{SLICES, SideSlices, Slices};
use tidegate::decide::past::Past;
use tidegate::model::Minute;
use tidegate::model::measured::sample::SAMPLE_MAX;
use tidegate::model::measured::{Quantity, Sample, Seen};
use tidegate::model::variant::Variant;

/// How events come about. On average they have the same rate everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Each exposure on its own.
    Independent,
    /// Every tenth minute has ten times the rate of the others, on both sides.
    Bursts,
    /// A subject gets into trouble and then has so many events on average, about one a minute.
    Episodes(u16),
    /// One subject in a hundred causes four events in five, for as long as the release lasts.
    Persistent,
    /// The rate follows the time of day, from a fifth to nine fifths, on both sides.
    Seasons,
    /// For half an hour in the third, every third exposure fails, on both sides.
    Outage,
    /// From the second hour to the fifth, 40 robots come each minute, and each time in vain.
    Robots,
    /// The rate follows the time of day, and beside that is in each hour about a fifth higher or lower.
    Unsteady,
    /// For two minutes of every other hour, a tenth of new's traffic arrives.
    Redeploys,
    /// A half of the subjects fails three times as often as the other, and makes more and more of the traffic, from a
    /// tenth of it to nine tenths within a day.
    Drift,
}

/// A site and what is released there.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    pub kind: Kind,
    pub subjects: usize,
    /// Subject-minutes per minute, of both sides.
    pub exposures_per_minute: f64,
    /// Legacy's rate of events.
    pub rate: f64,
    /// What part of the subjects that cause most errors were others before the release, from 0 to 1.
    pub churn: f64,
    /// Whether a regression multiplies each subject's own errors. Else what it adds befalls everybody alike.
    pub is_proportional: bool,
}

impl Site {
    /// One with 6,000 exposures a minute, of which legacy fails 1 %.
    pub const fn of(kind: Kind, subjects: usize) -> Self {
        Self { kind, subjects, exposures_per_minute: 6_000.0, rate: 0.01, churn: 0.0, is_proportional: false }
    }
}

const TROUBLED_SHARE: f64 = 0.01;
const TROUBLED_EVENTS_SHARE: f64 = 0.8;
const BURST_FACTOR: f64 = 10.0;
const ROBOTS: usize = 40;
/// What judges may know of the time before.
const PAST_HOURS: f64 = 24.0;

#[derive(Clone, Copy)]
struct Subject {
    hash: u64,
    bucket: f32,
    bin: u16,
    slice: u8,
    is_robot: bool,
}

impl Subject {
    /// Whether it is of the half that fails more often.
    const fn is_worse(&self) -> bool {
        self.hash.is_multiple_of(2)
    }
}

/// What the judges see of some minutes.
#[derive(Default)]
pub struct Minutes {
    /// Exposures and events by slice.
    pub slices: SideSlices,
    /// The same by bin.
    pub bins: SideBins,
    /// The subjects that failed.
    pub failed: Sample,
}

/// The counts of one side.
#[derive(Default)]
struct Counts {
    slices: Slices,
    bins: BinCounts,
}

/// The subjects of one side and what they are at.
#[derive(Clone, Default)]
struct Side {
    /// Its subjects, and those in trouble.
    subjects: Vec<Subject>,
    troubled: Vec<Subject>,
    robots: Vec<Subject>,
    /// How the exposures are shared out among the slices.
    weights: Vec<f64>,
    /// And among the bins.
    bins: BinCounts,
    /// The part of both that are of the half that fails more often.
    weights_worse: Vec<f64>,
    bins_worse: BinCounts,
    /// The subjects with an episode under way.
    episodes: Vec<Subject>,
}

/// The traffic of one release.
#[derive(Clone)]
pub struct Traffic {
    pub site: Site,
    random: Rng,
    subjects: Arc<[Subject]>,
    /// The subjects that a sample of everybody keeps.
    sampled: Arc<[u32]>,
    share: f64,
    sides: [Side; 2],
    /// Everybody, as far as a sample goes: within minutes all of them have been seen.
    pub everybody: Sample,
    /// How new's rate compares with legacy's.
    pub ratio: f64,
    minute: f64,
    burst: f64,
    /// The first of the subjects that cause most errors.
    troubled: usize,
}

impl Traffic {
    pub fn new(site: Site, share: f64, seed: u64) -> Self {
        let mut random = Rng::with_seed(seed);
        let subjects: Arc<[Subject]> = (0..site.subjects)
            .map(|index| {
                let bucket = random.f32();
                Subject {
                    bucket,
                    slice: random.u8(..SLICES as u8),
                    hash: random.u64(..),
                    bin: (f64::from(bucket) * BINS as f64) as u16,
                    // They come under ids of their own, the last ones of all.
                    is_robot: index + ROBOTS >= site.subjects,
                }
            })
            .collect();
        let mut traffic = Self {
            site,
            random,
            sampled: sampled(&subjects),
            subjects,
            share: f64::NAN,
            sides: <[Side; 2]>::default(),
            everybody: Sample::EMPTY,
            ratio: 1.0,
            minute: 0.0,
            burst: 1.0,
            troubled: 0,
        };
        traffic.set_share(share);
        traffic
    }

    /// What the bins of a site did on legacy on the day before: the same subjects, other events.
    pub fn past(&self, seed: u64) -> Past {
        let site = self.site;
        let mut traffic = Self { random: Rng::with_seed(!seed), share: f64::NAN, ..self.clone() };
        traffic.troubled = (site.subjects as f64 * TROUBLED_SHARE * site.churn) as usize;
        traffic.set_share(0.0);
        let mut past = Past::new(Quantity::Errors, None);
        let minutes = if matches!(site.kind, Kind::Episodes(_) | Kind::Bursts) { 1.0 } else { 20.0 };
        let mut minute = 0.0;
        while minute < PAST_HOURS * 60.0 {
            past.take(&traffic.window(minutes).bins.legacy, Minute::new(minute as u64 + 60));
            minute += minutes;
        }
        past.take(&BinCounts::default(), Minute::new(minute as u64 + 120));
        past
    }

    /// Deals the subjects out again: who was on new stays there when the share grows.
    pub fn set_share(&mut self, share: f64) {
        if share == self.share {
            return;
        }
        self.share = share;
        let troubled = (self.subjects.len() as f64 * TROUBLED_SHARE) as usize;
        let episodes = std::mem::take(&mut self.sides).map(|side| side.episodes);
        let is_new = |subject: &Subject| f64::from(subject.bucket) < share;
        self.everybody = Sample::EMPTY;
        for subject in self.sampled.iter().map(|index| &self.subjects[*index as usize]) {
            self.everybody.add(seen(subject, usize::from(is_new(subject))));
        }
        for (index, subject) in self.subjects.iter().enumerate() {
            let side = &mut self.sides[usize::from(is_new(subject))];
            let is_troubled = (self.troubled..self.troubled + troubled).contains(&index);
            if is_troubled {
                side.troubled.push(*subject)
            } else {
                side.subjects.push(*subject)
            }
            if subject.is_robot && self.site.kind == Kind::Robots {
                side.robots.push(*subject);
            }
        }
        for (side, episodes) in self.sides.iter_mut().zip(episodes) {
            side.episodes = episodes;
            side.weights = vec![0.0; SLICES];
            side.weights_worse = vec![0.0; SLICES];
            (side.bins, side.bins_worse) = (BinCounts::default(), BinCounts::default());
            for subject in side.subjects.iter().chain(&side.troubled) {
                side.weights[usize::from(subject.slice)] += 1.0;
                side.bins.n.add(usize::from(subject.bin), 1.0);
                if self.site.kind == Kind::Drift && subject.is_worse() {
                    side.weights_worse[usize::from(subject.slice)] += 1.0;
                    side.bins_worse.n.add(usize::from(subject.bin), 1.0);
                }
            }
            if self.site.kind == Kind::Drift {
                side.subjects.sort_unstable_by_key(Subject::is_worse);
            }
        }
    }

    /// The next window, of so many minutes.
    pub fn window(&mut self, minutes: f64) -> Minutes {
        if self.site.kind == Kind::Bursts && self.minute.floor() != (self.minute - minutes).floor() {
            let normal = 1.0 / (1.0 + (BURST_FACTOR - 1.0) / 10.0);
            self.burst = if self.random.f64() < 0.1 { BURST_FACTOR * normal } else { normal };
        }
        let hour = self.minute / 60.0;
        match self.site.kind {
            Kind::Seasons => self.burst = 1.0 + 0.8 * (hour / 24.0 * std::f64::consts::TAU).sin(),
            Kind::Unsteady if (hour - minutes / 60.0).floor() != hour.floor() || self.minute == 0.0 => {
                let chance = (0..3).map(|_| self.random.f64() - 0.5).sum::<f64>() * 2.0;
                self.burst = (1.0 + 0.5 * (hour / 24.0 * std::f64::consts::TAU).sin()) * (0.2 * chance).exp();
            }
            Kind::Outage => self.burst = if (3.0..3.5).contains(&hour) { 33.0 } else { 1.0 },
            _ => {}
        }
        self.minute += minutes;
        let per_subject = self.site.exposures_per_minute * minutes / self.subjects.len() as f64;
        let mut failed = Sample::EMPTY;
        let (legacy, new) =
            (self.side(0, per_subject, minutes, &mut failed), self.side(1, per_subject, minutes, &mut failed));
        Minutes {
            slices: SideSlices { legacy: legacy.slices, new: new.slices },
            bins: SideBins { legacy: legacy.bins, new: new.bins },
            failed,
        }
    }

    fn side(&mut self, which: usize, per_subject: f64, minutes: f64, failed: &mut Sample) -> Counts {
        let Self { site, random, sides, ratio, burst, minute, .. } = self;
        let side = &mut sides[which];
        let mut counts = Counts::default();
        let mut fail = |counts: &mut Counts, subject: &Subject, events: f64| {
            counts.slices.add(usize::from(subject.slice), 0.0, events);
            counts.bins.x.add(usize::from(subject.bin), events as f32);
            failed.add(seen(subject, which));
        };
        let is_redeployed = site.kind == Kind::Redeploys && which == 1 && (*minute + 60.0) % 120.0 < 2.0;
        let per_subject = if is_redeployed { per_subject / 10.0 } else { per_subject };
        let worse = 0.1 + 0.8 * (*minute / 1_440.0).clamp(0.0, 1.0);
        let (per_better, per_worse) = match site.kind {
            Kind::Drift => (2.0 * (1.0 - worse) * per_subject, 2.0 * worse * per_subject),
            _ => (per_subject, per_subject),
        };
        for (slice, (all, worse)) in side.weights.iter().zip(&side.weights_worse).enumerate() {
            counts.slices.add(slice, all * per_better + worse * (per_worse - per_better), 0.0);
        }
        counts.bins.n = side.bins.n.clone();
        counts.bins.n.scale(per_better as f32);
        if site.kind == Kind::Drift {
            let mut more = side.bins_worse.n.clone();
            more.scale((per_worse - per_better) as f32);
            counts.bins.n.merge(&more);
        }
        let all = side.subjects.len() as f64 + side.troubled.len() as f64;
        let expected = all * per_subject * site.rate * *burst;
        // What a regression adds befalls everybody alike.
        let added = if which == 1 { expected * (*ratio - 1.0) } else { 0.0 };
        match site.kind {
            Kind::Independent
            | Kind::Bursts
            | Kind::Seasons
            | Kind::Outage
            | Kind::Robots
            | Kind::Redeploys
            | Kind::Unsteady => {
                draw(random, &side.subjects, expected + added, |subject| fail(&mut counts, subject, 1.0));
                if site.kind == Kind::Robots && (120.0..300.0).contains(minute) {
                    for robot in &side.robots {
                        fail(&mut counts, robot, minutes);
                        counts.slices.add(usize::from(robot.slice), minutes, 0.0);
                        counts.bins.n.add(usize::from(robot.bin), minutes as f32);
                    }
                }
            }
            Kind::Drift => {
                let first = side.subjects.partition_point(|subject| !subject.is_worse());
                let (better, worse) = side.subjects.split_at(first);
                for (half, per_subject, times) in [(better, per_better, 0.5), (worse, per_worse, 1.5)] {
                    let mean = half.len() as f64 * per_subject * site.rate * times;
                    draw(random, half, mean + added / 2.0, |subject| fail(&mut counts, subject, 1.0));
                }
            }
            Kind::Episodes(events) => {
                let events = f64::from(events);
                (0..poisson(random, (expected + added) / events))
                    .for_each(|_| side.episodes.extend(pick(random, &side.subjects)));
                side.episodes.retain(|subject| {
                    if random.f64() >= minutes.min(1.0) {
                        return true;
                    }
                    fail(&mut counts, subject, minutes.max(1.0));
                    random.f64() * events >= minutes.max(1.0)
                });
            }
            Kind::Persistent => {
                let (times, added) = match (which, site.is_proportional) {
                    (1, true) => (*ratio, 0.0),
                    _ => (1.0, added),
                };
                let exposures = |subjects: &[Subject]| times * subjects.len() as f64 * per_subject * site.rate;
                draw(
                    random,
                    &side.subjects,
                    exposures(&side.subjects) * (1.0 - TROUBLED_EVENTS_SHARE) / (1.0 - TROUBLED_SHARE) + added,
                    |subject| fail(&mut counts, subject, 1.0),
                );
                draw(
                    random,
                    &side.troubled,
                    exposures(&side.troubled) * TROUBLED_EVENTS_SHARE / TROUBLED_SHARE,
                    |subject| fail(&mut counts, subject, 1.0),
                );
            }
        }
        counts
    }
}

/// Those with the smallest hashes, which are all that a sample keeps.
fn sampled(subjects: &[Subject]) -> Arc<[u32]> {
    let mut all: Vec<u32> = (0..subjects.len() as u32).collect();
    if all.len() > SAMPLE_MAX {
        all.select_nth_unstable_by_key(SAMPLE_MAX, |index| subjects[*index as usize].hash);
        all.truncate(SAMPLE_MAX);
    }
    all.into()
}

fn seen(subject: &Subject, side: usize) -> Seen {
    Seen::new(subject.hash, if side == 1 { Variant::New } else { Variant::Legacy }, true)
}

/// Tells of a Poisson number of events, each of any of the subjects.
fn draw(random: &mut Rng, subjects: &[Subject], mean: f64, mut tell: impl FnMut(&Subject)) {
    for _ in 0..poisson(random, mean) {
        if let Some(subject) = pick(random, subjects) {
            tell(subject);
        }
    }
}

fn pick<'s>(random: &mut Rng, subjects: &'s [Subject]) -> Option<&'s Subject> {
    if subjects.is_empty() { None } else { subjects.get(random.usize(..subjects.len())) }
}

/// A Poisson number, by the product method in parts that do not underflow.
pub fn poisson(random: &mut Rng, mean: f64) -> u64 {
    let (mut left, mut count) = (mean.max(0.0), 0);
    while left > 0.0 {
        let part = left.min(500.0);
        left -= part;
        let limit = (-part).exp();
        let mut product = random.f64();
        while product > limit {
            count += 1;
            product *= random.f64();
        }
    }
    count
}
