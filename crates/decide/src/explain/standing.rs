//! What a comparison says so far, in words: between what the ratio lies, what follows of it, and how much longer it
//! needs.

use super::super::judge::words::short;
use super::rounded;
use tidegate_model::figure::{Figure, Needs, Ratio, Stands};

/// Longer than this is not worth a number.
const MINUTES_MAX: f64 = 60.0 * 24.0 * 14.0;

/// The sentence; empty where nothing was compared.
pub fn standing(figure: &Figure) -> String {
    let parts = [
        figure.stands.map(verdict).map(str::to_owned),
        figure.ratio.as_ref().filter(|ratio| !contradicts(figure, ratio)).map(between),
        figure.needs.as_ref().map(needs),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

/// Whether an interval would seem to deny the verdict: first failures may have shown what exposures, of which it is
/// made, have not shown yet.
fn contradicts(figure: &Figure, ratio: &Ratio) -> bool {
    figure.stands == Some(Stands::Worse) && ratio.from.is_none_or(|from| from < 1.0)
}

/// A verdict in words.
pub const fn verdict(stands: Stands) -> &'static str {
    match stands {
        Stands::Worse => "worse",
        Stands::NotWorse => "not worse",
        Stands::Unclear => "cannot tell yet",
    }
}

fn between(ratio: &Ratio) -> String {
    let times = |value: f64| short((value * 100.0).round() / 100.0);
    let what = match (ratio.from, ratio.to) {
        (Some(from), Some(to)) => format!("{} to {} times legacy's", times(from), times(to)),
        (Some(from), None) => format!("at least {} times legacy's", times(from)),
        (None, Some(to)) => format!("at most {} times legacy's", times(to)),
        (None, None) => return String::new(),
    };
    // What was counted within seconds arrives at once.
    let over = match (ratio.minutes * 60_000.0) as i64 {
        ..1_000 => "moments".to_owned(),
        ms => rounded(ms),
    };
    format!("{what} over the last {over} ({} % sure)", short(ratio.level * 100.0))
}

fn needs(needs: &Needs) -> String {
    if needs.minutes > MINUTES_MAX {
        return String::new();
    }
    let time = rounded((needs.minutes.ceil().max(1.0) * 60_000.0) as i64);
    match needs.ratio {
        Some(ratio) => format!("{} times legacy's would be shown in about {time} at this traffic", short(ratio)),
        None => format!("needs about {time} more at this traffic"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_is_known_and_how_long_the_rest_takes() {
        let mut figure = Figure {
            stands: Some(Stands::Unclear),
            ratio: Some(Ratio { from: Some(0.812), to: Some(2.4), level: 0.99, minutes: 42.0 }),
            needs: Some(Needs { minutes: 14.2, ratio: Some(2.0) }),
            ..Figure::default()
        };
        assert_eq!(
            standing(&figure),
            "cannot tell yet, 0.81 to 2.4 times legacy's over the last 42m (99 % sure), 2 times legacy's would be shown in about 15m at this traffic"
        );
        figure.needs = Some(Needs { minutes: 40.0, ratio: None });
        figure.ratio = Some(Ratio { from: Some(1.3), to: None, ..Ratio::default() });
        assert!(
            standing(&figure).contains("at least 1.3 times")
                && standing(&figure).ends_with("needs about 40m more at this traffic")
        );
        let ratio = Ratio { from: Some(2.45), to: None, level: 0.99, minutes: 0.01 };
        figure = Figure { stands: Some(Stands::Worse), ratio: Some(ratio), ..Figure::default() };
        assert_eq!(standing(&figure), "worse, at least 2.45 times legacy's over the last moments (99 % sure)");
        figure.ratio = Some(Ratio { from: Some(0.9), ..ratio });
        assert_eq!(standing(&figure), "worse", "an interval from 0.9 would deny it");
        assert_eq!(standing(&Figure::default()), "");
    }
}
