//! What is known of legacy before a release, and what that is worth to it.

use super::super::judge::words::short;
use super::super::past::{Outlook, Past, Pasts};
use super::rounded;
use tidegate_model::live::Phase;
use tidegate_model::measured::Quantity;
use tidegate_model::percentage::{BUCKETS, Percentage};
use tidegate_model::plan::{ALPHA_DEFAULT, Plan};
use tidegate_model::record::Record;

/// A cohort with so many times its part of legacy's errors, or one of so many, is worth saying.
const UNLUCKY: f64 = 1.5;

/// The sentence, while nobody is on new; `None` where nothing is known, or nothing compares failures.
pub fn known_before(plan: &Plan, record: &Record, pasts: &Pasts) -> Option<String> {
    let live = &record.live;
    if live.phase == Phase::Completed || live.percentage > Percentage::ZERO {
        return None;
    }
    let stage = plan.stages.iter().find(|stage| stage.percentage > Percentage::ZERO)?;
    let share = f64::from(stage.percentage.limit()) / f64::from(BUCKETS);
    let past = pasts.get(&Quantity::Errors, None)?;
    let outlook = past.outlook(share, plan.alpha.unwrap_or(ALPHA_DEFAULT))?;
    Some(sentence(stage.name.as_str(), share, &outlook, past))
}

fn sentence(stage: &str, share: f64, outlook: &Outlook, past: &Past) -> String {
    let hours = rounded((outlook.hours.round().max(1.0) * 3_600_000.0) as i64);
    let found = match outlook.minutes {
        Some(minutes) => {
            let time = rounded((minutes.ceil().max(1.0) * 60_000.0) as i64);
            format!("a doubling of error_rate in {stage} at {} % would be found in about {time}", short(share * 100.0))
        }
        None => format!("a doubling of error_rate in {stage} could not be distinguished from chance"),
    };
    let predicts = if past.worth() > 0.0 { "" } else { ", which does not show yet that some users always fail more" };
    let cohort = if (1.0 / UNLUCKY..=UNLUCKY).contains(&outlook.cohort) {
        String::new()
    } else {
        let times = short((outlook.cohort * 10.0).round() / 10.0);
        format!(
            "; with this salt its users had {times} times their part of legacy's errors, which comparisons allow for and another `salt` may avoid"
        )
    };
    format!("{hours} of legacy's traffic are known{predicts}: {found}{cohort}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_how_soon_a_doubling_would_be_found_and_whether_the_cohort_is_unlucky() {
        let past = Past::new(Quantity::Errors, None);
        let outlook = Outlook { hours: 23.6, cohort: 1.2, minutes: Some(14.2) };
        let text = sentence("canary", 0.05, &outlook, &past);
        assert_eq!(
            text,
            "24h of legacy's traffic are known, which does not show yet that some users always fail more: a doubling of error_rate in canary at 5 % would be found in about 15m"
        );
        let unlucky = sentence("canary", 0.05, &Outlook { cohort: 1.84, ..outlook }, &past);
        assert!(unlucky.contains("1.8 times their part of legacy's errors"), "{unlucky}");
        let never = sentence("canary", 0.01, &Outlook { minutes: None, ..outlook }, &past);
        assert!(never.ends_with("could not be distinguished from chance"), "{never}");
    }
}
