//! A plot as SVG: two sides over time, a bound, and what happened meanwhile.
//!
//! Drawn here and not by a library: a few lines on one axis, in a page without scripts, which a library that brings
//! fonts and canvases would not draw any better. The sides differ by their dash too, since paper may have no colours.

use std::fmt::Write as _;

use super::document::{Line, Plot, Side, Tone};
use super::html::escaped;
use tidegate_decide::explain;
use tidegate_model::figure::Unit;
use tidegate_model::{Instant, zone::Zone};

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 216.0;
const LEFT: f64 = 62.0;
const RIGHT: f64 = 708.0;
const TOP: f64 = 30.0;
const BOTTOM: f64 = 180.0;
/// So many steps the axis has.
const STEPS: f64 = 4.0;
/// So many hours stand under it.
const HOURS: u8 = 6;

/// Draws a plot. `number` tells it from others on the same page.
pub fn svg(plot: &Plot, number: usize) -> String {
    let axes = Axes::of(plot);
    let mut out = String::new();
    let _ = write!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-labelledby=\"plot{number}\" font-size=\"11\" font-family=\"system-ui, sans-serif\">\n<title id=\"plot{number}\">{}</title>\n<desc>{}</desc>\n",
        escaped(&plot.title),
        escaped(&described(plot))
    );
    grid(&mut out, plot, &axes);
    if let Some((bound, words)) = &plot.bound {
        let y = axes.y(*bound);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#a3160f\" stroke-width=\"1\" stroke-dasharray=\"2 3\"/>\n<text x=\"{RIGHT}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#a3160f\">{}</text>",
            y - 4.0,
            escaped(words)
        );
    }
    marks(&mut out, plot, &axes);
    plot.lines.iter().for_each(|line| draw(&mut out, line, &axes));
    legend(&mut out, plot);
    out.push_str("</svg>\n");
    out
}

/// From moments and figures to places.
struct Axes {
    from_ms: f64,
    span_ms: f64,
    most: f64,
}

impl Axes {
    fn of(plot: &Plot) -> Self {
        let (from, to) = plot.span;
        let figures = plot.lines.iter().flat_map(|line| line.points.iter().filter_map(|(_, value)| *value));
        let bound = plot.bound.iter().map(|(bound, _)| *bound);
        let most = figures.chain(bound).filter(|value| value.is_finite()).fold(0.0, f64::max);
        Self {
            from_ms: from.as_epoch_ms() as f64,
            span_ms: ((to.ms_since(from)) as f64).max(60_000.0),
            most: rounded_up(most),
        }
    }

    fn x(&self, at: Instant) -> f64 {
        let part = (at.as_epoch_ms() as f64 - self.from_ms) / self.span_ms;
        LEFT + part.clamp(0.0, 1.0) * (RIGHT - LEFT)
    }

    fn y(&self, value: f64) -> f64 {
        BOTTOM - (value / self.most).clamp(0.0, 1.0) * (BOTTOM - TOP)
    }
}

/// A round number that is not less: 1, 2, 2.5, 4, 5 or 8 times a power of ten.
fn rounded_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 1.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let steps = [1.0, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|own| *own >= value * 0.999_999).unwrap_or(value)
}

fn grid(out: &mut String, plot: &Plot, axes: &Axes) {
    for step in 0..=(STEPS as u8) {
        let value = axes.most * f64::from(step) / STEPS;
        let y = axes.y(value);
        let _ = writeln!(
            out,
            "<line x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#d5d8dc\" stroke-width=\"{}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#5a5f66\">{}</text>",
            if step == 0 { 1.2 } else { 0.6 },
            LEFT - 6.0,
            y + 3.6,
            escaped(&label(plot.unit, value))
        );
    }
    let (from, to) = plot.span;
    let span = to.ms_since(from).max(60_000);
    for hour in 0..=HOURS {
        let at = from.plus_ms(span * i64::from(hour) / i64::from(HOURS));
        let anchor = match hour {
            0 => "start",
            HOURS => "end",
            _ => "middle",
        };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\" fill=\"#5a5f66\">{}</text>",
            axes.x(at),
            BOTTOM + 16.0,
            escaped(&clock(at, span, &plot.zone))
        );
    }
}

/// A figure at the axis, short.
fn label(unit: Unit, value: f64) -> String {
    explain::amount(unit, value)
}

/// What a clock shows; over days, the day too, and over minutes the seconds.
fn clock(at: Instant, span_ms: i64, zone: &Zone) -> String {
    let shown = at.shown_by(zone);
    let mut words = shown.split(' ');
    let (Some(_), Some(day), Some(month), Some(_), Some(hour)) =
        (words.next(), words.next(), words.next(), words.next(), words.next())
    else {
        return shown;
    };
    if span_ms > 4 * 86_400_000 {
        format!("{day} {month}")
    } else if span_ms > 86_400_000 {
        format!("{day} {month} {hour}")
    } else if span_ms < 6 * 60_000 {
        format!("{hour}:{:02}", at.as_epoch_ms().rem_euclid(60_000) / 1_000)
    } else {
        hour.to_owned()
    }
}

fn marks(out: &mut String, plot: &Plot, axes: &Axes) {
    let mut last_x = f64::NEG_INFINITY;
    let mut row = 0;
    for mark in plot.marks.iter().filter(|mark| mark.at >= plot.span.0 && mark.at <= plot.span.1) {
        let x = axes.x(mark.at);
        // Labels that would touch stand below each other.
        row = if x - last_x < 16.0 { (row + 1) % 3 } else { 0 };
        last_x = x;
        let colour = match mark.tone {
            Tone::Bad => "#a3160f",
            Tone::Good => "#14642f",
            Tone::Plain => "#5a5f66",
        };
        let top = TOP - 12.0 + f64::from(row) * 12.0;
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{top:.1}\" y2=\"{BOTTOM}\" stroke=\"{colour}\" stroke-width=\"{}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{colour}\" font-weight=\"600\">{}</text>",
            if mark.tone == Tone::Bad { 1.6 } else { 0.8 },
            x + 3.0,
            top + 8.0,
            escaped(&mark.label)
        );
    }
}

const fn colour(side: Side) -> &'static str {
    match side {
        Side::New => "#0b5fa5",
        Side::Legacy => "#8a5a00",
    }
}

const fn dash(side: Side) -> &'static str {
    match side {
        Side::New => "none",
        Side::Legacy => "6 3",
    }
}

fn draw(out: &mut String, line: &Line, axes: &Axes) {
    let (colour, dash) = (colour(line.side), dash(line.side));
    let mut path = String::new();
    let mut last: Option<(f64, f64)> = None;
    for (at, value) in &line.points {
        let Some(value) = value.filter(|value| value.is_finite()) else {
            last = None;
            continue;
        };
        let (x, y) = (axes.x(*at), axes.y(value));
        let _ = match last {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some((_, before)) if line.is_stepped => write!(path, "L{x:.1} {before:.1}L{x:.1} {y:.1}"),
            Some(_) => write!(path, "L{x:.1} {y:.1}"),
        };
        last = Some((x, y));
        // A point between two gaps would not be seen.
        if !line.is_stepped && line.points.len() < 60 {
            let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.8\" fill=\"{colour}\"/>");
        }
    }
    if !path.is_empty() {
        let _ = writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dash}\" stroke-linejoin=\"round\"/>"
        );
    }
}

fn legend(out: &mut String, plot: &Plot) {
    let mut x = LEFT;
    for line in &plot.lines {
        let _ = writeln!(
            out,
            "<line x1=\"{x:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"{}\" stroke-width=\"2.4\" stroke-dasharray=\"{}\"/>\n<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#1a1a1a\">{}</text>",
            x + 22.0,
            colour(line.side),
            dash(line.side),
            x + 28.0,
            HEIGHT - 5.0,
            escaped(line.name),
            y = HEIGHT - 9.0,
        );
        x += 60.0 + 7.0 * line.name.chars().count() as f64;
    }
}

/// The plot in words, for those who do not see it.
fn described(plot: &Plot) -> String {
    let line = |line: &Line| {
        let values: Vec<f64> = line.points.iter().filter_map(|(_, value)| *value).collect();
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        match values.last() {
            Some(last) => format!(
                "{}: at most {}, at the end {}",
                line.name,
                explain::amount(plot.unit, most),
                explain::amount(plot.unit, *last)
            ),
            None => format!("{}: nothing measured", line.name),
        }
    };
    plot.lines.iter().map(line).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::document::Mark;

    #[test]
    fn the_axis_ends_at_a_round_number() {
        for (value, end) in [(0.0, 1.0), (0.021, 0.025), (0.3, 0.4), (1.0, 1.0), (730.0, 800.0), (9.4, 10.0)] {
            assert!((rounded_up(value) - end).abs() < 1e-9, "{value}: {}", rounded_up(value));
        }
        assert!((rounded_up(f64::NAN) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_gap_is_a_gap_and_nothing_leaves_the_frame() {
        let at = |minute: i64| Instant::from_epoch_ms(1_780_000_000_000 + minute * 60_000);
        let points = vec![(at(0), Some(1.0)), (at(1), None), (at(2), Some(4.0)), (at(99), Some(2.0))];
        let plot = Plot {
            title: "Errors".into(),
            unit: Unit::Number,
            lines: vec![Line { name: "new", side: Side::New, is_stepped: false, points }],
            marks: vec![Mark { at: at(5), label: "1".into(), tone: Tone::Bad }],
            bound: None,
            span: (at(0), at(10)),
            zone: Zone::UTC,
        };
        let drawn = svg(&plot, 1);
        assert_eq!(drawn.matches('M').count(), 2, "two stretches: {drawn}");
        assert!(drawn.contains("<desc>new: at most 4, at the end 2</desc>"));
        assert!(drawn.contains(&format!("L{RIGHT:.1} ")), "what lies behind the span stands at its end");
    }
}
