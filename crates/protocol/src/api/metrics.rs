//! What was measured, as the API shows it: windows for plots, and the evidence of comparisons.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::problem::Problem;
use super::shapes::{self, Measured, MeasuredSide, Metrics, Quantiles, Subjects, Text};
use super::view::Present;
use tidegate_decide::evidence_history::Line;
use tidegate_decide::judge::adoption::{OPTED_OUT, opted_out};
use tidegate_decide::rollout::Rollout;
use tidegate_decide::series::Span;
use tidegate_decide::sessions::Ended;
use tidegate_model::measured::{Sample, Side, Sketch, Tally, Window};
use tidegate_model::plan::{ENDPOINTS_MAX, Plan};
use tidegate_model::variant::Variant;
use tidegate_model::{Duration, Instant, Minute, Name};

/// What is shown where nobody says since when.
const SINCE_MS_DEFAULT: i64 = 2 * 3_600_000;
const DAY_MS: i64 = 86_400_000;
/// The furthest back.
const SINCE_MS_MAX: i64 = 90 * DAY_MS;
/// Further back, there are hours.
const MINUTES_MS_MAX: i64 = 2 * DAY_MS;

/// Which windows are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Not before.
    pub since: Instant,
    /// How many minutes each spans: 1 or 60.
    pub minutes: u32,
    /// Of this endpoint; `None` is everywhere.
    pub endpoint: Option<Name>,
}

impl Asked {
    /// The first minute that is shown.
    pub fn minute(&self) -> Minute {
        self.since.minute().first_of(u64::from(self.minutes))
    }
}

/// Reads `since`, a moment or how long ago, and `endpoint`, one of the plan's.
///
/// # Errors
/// When `since` is neither, or too long ago, and when the plan has no such endpoint.
pub fn asked(since: Option<&str>, endpoint: Option<&str>, plan: &Plan, now: Instant) -> Result<Asked, Problem> {
    let (since, minutes) = reach(since, now)?;
    let endpoint = match endpoint {
        None => None,
        Some(name) => match plan.endpoints.0.iter().find(|(own, _)| own.as_str() == name) {
            Some((own, _)) => Some(own.clone()),
            None => {
                return Err(Problem::malformed(
                    format!("`endpoint={name}`: the plan has no endpoint of this name"),
                    "`endpoints` of the answer lists them; without it, everything is shown as one",
                ));
            }
        },
    };
    Ok(Asked { since, minutes, endpoint })
}

fn reach(since: Option<&str>, now: Instant) -> Result<(Instant, u32), Problem> {
    let now_ms = now.as_epoch_ms();
    let since_ms = match since {
        None => now_ms - SINCE_MS_DEFAULT,
        Some(text) => match (text.parse::<Duration>(), text.parse::<Instant>()) {
            (Ok(ago), _) => now_ms.saturating_sub(i64::try_from(ago.as_ms()).unwrap_or(i64::MAX)),
            (_, Ok(at)) => at.as_epoch_ms(),
            _ => {
                return Err(Problem::malformed(
                    format!("`since={text}` is neither a time nor a duration"),
                    "such as `2h`, or 2026-12-02T09:00:00Z",
                ));
            }
        },
    };
    let ago_ms = now_ms - since_ms;
    if ago_ms > SINCE_MS_MAX {
        return Err(Problem::malformed(
            format!("`since={}` is too long ago", since.unwrap_or_default()),
            "at most 90d: nothing older is kept",
        ));
    }
    Ok((Instant::from_epoch_ms(since_ms), if ago_ms > MINUTES_MS_MAX { 60 } else { 1 }))
}

/// Shows windows, and what comparisons rest on now.
pub fn metrics(present: &Present<'_>, rollout: &Rollout, asked: &Asked, windows: Vec<Box<RawValue>>) -> Metrics {
    let key = &rollout.plan.key;
    let lines = present.deployment.metrics.get(key).map_or(&[][..], |metrics| metrics.trail.lines());
    Metrics {
        rollout: key.into(),
        since: asked.since.into(),
        at: present.now.into(),
        minutes: asked.minutes,
        endpoint: asked.endpoint.as_ref().map(Text::from),
        endpoints: rollout.plan.endpoints.names().take(ENDPOINTS_MAX).map(Text::from).collect(),
        windows,
        evidence: lines.iter().map(evidence).collect(),
    }
}

fn evidence(line: &Line) -> shapes::Evidence {
    shapes::Evidence {
        of: Text::word(line.of),
        condition: line.condition.clone(),
        metric: line.metric.clone(),
        e_value: line.e_value(),
        e_needed: Some(line.e_needed),
        text: line.text.clone(),
        ended: line.ended().into(),
        trail: line.points().map(|(at, e_value)| (at.into(), Some(e_value))).collect(),
        intervals: line.intervals().map(|(at, from, to)| (at.into(), from, to)).collect(),
    }
}

/// What was in force under a revision.
#[derive(Clone, Debug, PartialEq)]
pub struct InForce {
    /// The percentage in effect.
    pub percentage: f64,
    /// The version of new, where it was known.
    pub version: Option<String>,
}

/// Shows one window, at one endpoint or everywhere.
pub fn window(window: &Window, endpoint: Option<&Name>, under: Option<&InForce>) -> Box<RawValue> {
    raw(&view(window, endpoint, under))
}

fn raw(view: &Measured) -> Box<RawValue> {
    serde_json::value::to_raw_value(view).unwrap_or_default()
}

fn view(window: &Window, endpoint: Option<&Name>, under: Option<&InForce>) -> Measured {
    let sample = Some(&window.subjects).filter(|sample| !sample.is_empty());
    Measured {
        at: window.minute.start().into(),
        minutes: window.minutes,
        revision: window.revision,
        percentage: under.map(|under| shapes::Percent(under.percentage)),
        version: under.and_then(|under| under.version.clone()),
        sides: window.sides.iter().filter(|(side, _)| side.endpoint.as_ref() == endpoint).map(measured_side).collect(),
        opt_out_rate: opt_outs(window).and_then(|out| opted_out(&window.subjects, out).0),
        subjects: sample
            .map(|sample| Subjects { legacy: distinct(sample, Variant::Legacy), new: distinct(sample, Variant::New) }),
    }
}

/// A window that does not change any more, as it will be shown: nobody can be recognised in it, and it
/// need not be worked out again. A JSON object by endpoint, with `""` for everywhere.
pub fn last_views(window: &Window) -> String {
    let endpoints = window.sides.iter().filter_map(|(side, _)| side.endpoint.as_ref());
    let mut views = BTreeMap::from([("", view(window, None, None))]);
    views.extend(endpoints.map(|endpoint| (endpoint.as_str(), view(window, Some(endpoint), None))));
    serde_json::to_string(&views).unwrap_or_default()
}

/// Shows one of [`last_views`] with the percentage and the version, which it was stored without.
pub fn with_state(view: &str, under: Option<&InForce>) -> Option<Box<RawValue>> {
    let text = match under {
        Some(InForce { percentage, version }) => {
            let version = version.as_ref().map(|version| format!("\"version\":{},", Value::from(version.as_str())));
            let version = version.unwrap_or_default();
            format!("{{\"percentage\":{percentage},{version}{}", view.strip_prefix('{')?)
        }
        None => view.to_owned(),
    };
    RawValue::from_string(text).ok()
}

/// How many subjects of a side there are.
pub fn distinct(sample: &Sample, variant: Variant) -> f64 {
    sample.distinct(|seen| seen.is_new == (variant == Variant::New)).round()
}

/// Who was seen within the last day; `None` for nobody.
pub fn subjects_of_day(present: &Present<'_>, key: &Name) -> Option<Sample> {
    let metrics = present.deployment.metrics.get(key)?;
    let mut all = Sample::default();
    metrics.series.over(last_day(present)).for_each(|window| all.merge(&window.subjects));
    Some(all).filter(|all| !all.is_empty())
}

/// The share of the last day's users who chose legacy though the percentage has them on new; `None` for nobody.
pub fn opt_out_rate_of_day(present: &Present<'_>, key: &Name) -> Option<f64> {
    let (metrics, mut all) = (present.deployment.metrics.get(key)?, Sample::default());
    metrics.series.over(last_day(present)).filter_map(opt_outs).for_each(|out| all.merge(out));
    opted_out(&subjects_of_day(present, key)?, &all).0
}

fn opt_outs(window: &Window) -> Option<&Sample> {
    window.events.iter().find(|(name, _)| name.as_str() == OPTED_OUT).map(|(_, sample)| sample)
}

/// The sessions of the last day.
pub fn sessions_of_day(present: &Present<'_>, key: &Name) -> Ended {
    let metrics = present.deployment.metrics.get(key);
    metrics.map_or_else(Ended::default, |metrics| metrics.series.sessions(last_day(present)))
}

fn last_day(present: &Present<'_>) -> Span {
    Span { revision: 0, minute: Some(present.now.minus_ms(DAY_MS).minute()) }
}

/// The counts of a side, by name.
pub const fn counts(tally: &Tally) -> [(&'static str, u64); 13] {
    [
        ("requests", tally.requests),
        ("errors", tally.errors),
        ("client_errors", tally.client_errors),
        ("timeouts", tally.timeouts),
        ("abandoned", tally.abandoned),
        ("broken", tally.broken),
        ("rescued", tally.rescued),
        ("pages", tally.pages),
        ("failed_pages", tally.failed_pages),
        ("js_errors", tally.js_errors),
        ("shadowed", tally.shadowed),
        ("shadow_errors", tally.shadow_errors),
        ("shadow_mismatches", tally.shadow_mismatches),
    ]
}

fn measured_side((side, tally): &(Side, Tally)) -> MeasuredSide {
    MeasuredSide {
        variant: (&side.variant).into(),
        endpoint: side.endpoint.as_ref().map(Text::from),
        requests: tally.requests,
        errors: tally.errors,
        client_errors: Some(tally.client_errors),
        timeouts: Some(tally.timeouts),
        abandoned: Some(tally.abandoned),
        broken: Some(tally.broken),
        rescued: tally.rescued,
        pages: tally.pages,
        failed_pages: tally.failed_pages,
        js_errors: tally.js_errors,
        shadowed: some(tally.shadowed),
        shadow_errors: some(tally.shadow_errors),
        shadow_mismatches: some(tally.shadow_mismatches),
        statuses: by_name(&tally.statuses),
        repeats: by_name(&tally.repeats),
        measures: tally.sketches.iter().map(|(measure, sketch)| (measure.to_string(), quantiles(sketch))).collect(),
    }
}

const fn some(count: u64) -> Option<u64> {
    if count > 0 { Some(count) } else { None }
}

fn by_name<T: std::fmt::Display>(counts: &[(T, u64)]) -> BTreeMap<String, u64> {
    counts.iter().map(|(name, count)| (name.to_string(), *count)).collect()
}

fn quantiles(sketch: &Sketch) -> Quantiles {
    // Three digits are more than the sketch knows.
    let at = |per_mille: u16| sketch.quantile(per_mille).map(|value| (value * 1e4).round() / 1e4);
    Quantiles { count: sketch.count(), p50: at(500), p75: at(750), p95: at(950), p99: at(990) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_tells_what_came_of_its_requests() {
        let mut window = Window::at(Minute::new(29_000_000), 7);
        let shown = |window: &Window| serde_json::to_string(&view(window, None, None).sides).unwrap();
        window.tally_mut(Variant::New, None).unwrap().requests = 70;
        let counts = r#"{"variant":"new","requests":70,"errors":0,"client_errors":0,"timeouts":0,"abandoned":0,"broken":0,"rescued":0,"pages":0,"failed_pages":0,"js_errors":0"#;
        assert_eq!(shown(&window), format!("[{counts},\"measures\":{{}}}}]"));
        let tally = window.tally_mut(Variant::New, None).unwrap();
        tally.add_status(404, 64);
        tally.add_repeats(&tidegate_model::measured::Quantity::Status(404), 63);
        assert_eq!(
            shown(&window),
            format!(r#"[{counts},"statuses":{{"404":64}},"repeats":{{"status.404":63}},"measures":{{}}}}]"#)
        );
    }

    #[test]
    fn since_is_a_moment_or_how_long_ago() {
        let now = Instant::from_epoch_ms(1_800_000_000_000);
        let minutes =
            |since: Option<&str>| reach(since, now).map(|(since, minutes)| (now.ms_since(since), minutes)).ok();
        assert_eq!(minutes(None), Some((7_200_000, 1)));
        assert_eq!(minutes(Some("2d")), Some((172_800_000, 1)));
        assert_eq!(minutes(Some("49h")), Some((176_400_000, 60)));
        assert_eq!(minutes(Some("2027-01-15T07:00:00Z")), Some((3_600_000, 1)));
        for wrong in ["91d", "", "-2h", "soon", "1970-01-01T00:00:00Z"] {
            assert_eq!(minutes(Some(wrong)), None, "{wrong}");
        }
    }
}
