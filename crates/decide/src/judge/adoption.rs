//! Adoption: how many of those who report have used what is new.
//!
//! Who has no beacon (an API client, a page without the script, a browser that blocks it) can neither
//! use nor refuse anything that one could know of. So the share is one of those who reported a page view,
//! and a subject that has used what is new counts only as one of them. What was stored before page views
//! were noted tells of uses alone, and so of nobody's share.
//!
//! Both samples keep the smallest hashes of their subjects. Up to the smaller of their two ends both are
//! complete, and there the share is counted; with 1,024 subjects its standard error is at most 1.6 %.

use tidegate_model::measured::Sample;

/// The event under which everybody stands who reports anything. Pages cannot report it themselves.
pub const VIEW: &str = "view";

/// The event under which those stand who chose to go back to legacy, though the hash has them on new. Pages cannot
/// report it themselves.
pub const OPTED_OUT: &str = "opted_out";

/// The share of those who chose to go back to legacy, among them and those on new; and how many that is a share of.
pub fn opted_out(subjects: &Sample, opted_out: &Sample) -> (Option<f64>, f64) {
    let end = end(subjects).min(end(opted_out));
    let out: Vec<u64> = hashes(opted_out, end).collect();
    let is_out = |hash: u64| out.binary_search(&hash).is_ok();
    let stayed = subjects.iter().filter(|seen| seen.is_new && seen.hash <= end && !is_out(seen.hash)).count();
    let all = out.len() + stayed;
    let share = (all > 0).then(|| out.len() as f64 / all as f64);
    let on_new = subjects.distinct(|seen| seen.is_new);
    (share, on_new + opted_out.distinct(|_| true))
}

/// The share of the reporters who are among the users too; `None` where nobody reports.
pub fn share(reporters: &Sample, users: &Sample) -> Option<f64> {
    let end = end(reporters).min(end(users));
    let (mut reporters, mut users) = (hashes(reporters, end), hashes(users, end).peekable());
    let (mut all, mut both) = (0_u64, 0_u64);
    // Both ascend.
    reporters.by_ref().for_each(|reporter| {
        while users.next_if(|user| *user < reporter).is_some() {}
        all += 1;
        both += u64::from(users.peek() == Some(&reporter));
    });
    (all > 0).then(|| both as f64 / all as f64)
}

/// The hashes of a sample up to this one, ascending; who was seen on both sides stands there once.
fn hashes(sample: &Sample, end: u64) -> impl Iterator<Item = u64> {
    let mut last = None;
    let hashes = sample.iter().map(|seen| seen.hash).take_while(move |hash| *hash <= end);
    hashes.filter(move |hash| last.replace(*hash) != Some(*hash))
}

/// The hash up to which a sample has everybody.
fn end(sample: &Sample) -> u64 {
    sample.end().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::measured::Seen;
    use tidegate_model::variant::Variant;

    /// Every `nth` of so many subjects.
    fn sample(count: u64, nth: usize, variant: Variant) -> Sample {
        let mut sample = Sample::default();
        // A multiplicative hash is uniform enough for consecutive numbers.
        (0..count)
            .step_by(nth)
            .for_each(|n| sample.add(Seen::new(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), variant, true)));
        sample
    }

    #[test]
    fn few_are_counted_and_of_many_the_share_is_estimated() {
        assert_eq!(share(&sample(100, 1, Variant::New), &sample(100, 4, Variant::New)), Some(0.25));
        for nth in [2, 4, 10] {
            let found =
                share(&sample(200_000, 1, Variant::New), &sample(200_000, nth, Variant::New)).unwrap_or_default();
            assert!((found - 1.0 / nth as f64).abs() < 0.05, "one in {nth}: {found}");
        }
    }

    #[test]
    fn who_has_been_on_new_and_chosen_to_leave_it_has_left() {
        let mut subjects = sample(100, 1, Variant::New);
        let mut out = Sample::default();
        assert_eq!(opted_out(&subjects, &out).0, Some(0.0));
        for seen in subjects.clone().iter().take(4) {
            let seen = Seen { is_new: false, is_compared: false, ..seen };
            subjects.add(seen);
            out.add(seen);
        }
        assert_eq!(opted_out(&subjects, &out).0, Some(0.04));
        assert_eq!(opted_out(&sample(100, 1, Variant::Legacy), &Sample::EMPTY).0, None, "nobody could");
        assert_eq!(opted_out(&Sample::EMPTY, &out).0, Some(1.0));
        let many = opted_out(&sample(200_000, 1, Variant::New), &sample(200_000, 20, Variant::Legacy)).0;
        assert!((many.unwrap_or_default() - 0.05).abs() < 0.02, "{many:?}");
    }

    #[test]
    fn a_subject_counts_once_whatever_side_it_was_on() {
        let mut reporters = sample(100, 1, Variant::New);
        reporters.merge(&sample(100, 1, Variant::Legacy));
        assert_eq!(share(&reporters, &sample(100, 2, Variant::New)), Some(0.5));
    }

    #[test]
    fn who_used_it_without_reporting_a_view_is_nobody_s_share() {
        assert_eq!(share(&Sample::EMPTY, &sample(100, 1, Variant::New)), None);
        assert_eq!(share(&sample(10, 1, Variant::New), &sample(5_000, 1, Variant::New)), Some(1.0));
        assert_eq!(share(&sample(10, 1, Variant::New), &Sample::EMPTY), Some(0.0));
    }
}
