//! Waits until a kill has come to every isolate, and says so; or says honestly how far it has come.
//!
//! The kill itself is done by then: whatever comes out of the waiting, the command has succeeded.

use std::thread::sleep;
use std::time::Duration;

use super::client::Client;
use super::paint::{GOOD, WARN, note, paint};
use tidegate_protocol::api::shapes::{Reach, Rollout, Rollouts};

use super::words::listed;

/// So often it is asked how far the kill has come: for ten seconds.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(500);
/// No request to new for so long is quiet enough.
const QUIET_MS: u64 = 3_000;

/// One rollout's key, and how far its kill has come where the deployment tells.
type Shown = (String, Option<Reach>);

/// Waits for the kills of these rollouts, as the answer to the command showed them.
pub fn follow(client: &Client, killed: &[Rollout]) {
    let shown: Vec<Shown> = killed.iter().map(|rollout| (rollout.key.to_string(), rollout.reach.clone())).collect();
    // An older deployment does not tell.
    if shown.is_empty() || shown.iter().any(|(_, reach)| reach.is_none()) {
        return;
    }
    if shown.iter().any(|(_, reach)| !is_over(reach.as_ref())) {
        note("Waiting until no isolate serves new, for 10 s at most. The kill is done; Ctrl-C ends only the waiting.");
    }
    let look = || -> Option<Vec<Shown>> {
        let rollouts = match killed {
            [one] => vec![client.get(&format!("rollouts/{}", one.key), &[]).ok()?.read::<Rollout>().ok()?],
            _ => client.get("rollouts", &[]).ok()?.read::<Rollouts>().ok()?.rollouts,
        };
        let is_meant = |rollout: &Rollout| killed.iter().any(|own| own.key == rollout.key);
        Some(rollouts.into_iter().filter(is_meant).map(|rollout| (rollout.key.to_string(), rollout.reach)).collect())
    };
    note(&said(&wait(shown, look, || sleep(PAUSE))));
}

/// Looks again until all is quiet, or nobody has the patience any more.
fn wait(
    mut shown: Vec<Shown>,
    mut look: impl FnMut() -> Option<Vec<Shown>>,
    mut pause: impl FnMut(),
) -> Option<Vec<Shown>> {
    let mut is_known = true;
    for _ in 0..TRIES {
        if is_known && shown.iter().all(|(_, reach)| is_over(reach.as_ref())) {
            break;
        }
        pause();
        let next = look();
        is_known = next.is_some();
        shown = next.unwrap_or(shown);
    }
    is_known.then_some(shown)
}

/// Whether there is nothing more to wait for. A rollout that tells nothing any more has been revived meanwhile.
fn is_over(reach: Option<&Reach>) -> bool {
    reach.is_none_or(|reach| {
        reach.behind == 0 && (reach.isolates == 0 || reach.quiet_ms.is_some_and(|ms| ms >= QUIET_MS))
    })
}

fn said(shown: &Option<Vec<Shown>>) -> String {
    let Some(shown) = shown else {
        return format!(
            "{} the deployment stopped answering, so it is unknown how far the kill has come: see `tidegate status`",
            paint(WARN, "!")
        );
    };
    let open: Vec<&str> =
        shown.iter().filter(|(_, reach)| !is_over(reach.as_ref())).map(|(key, _)| key.as_str()).collect();
    let known: Vec<&Reach> = shown.iter().filter_map(|(_, reach)| reach.as_ref()).collect();
    match known.iter().max_by_key(|reach| (reach.behind, std::cmp::Reverse(reach.quiet_ms.unwrap_or_default()))) {
        None => format!("{} revived meanwhile", paint(WARN, "!")),
        Some(worst) if open.is_empty() => format!("{} {}", paint(GOOD, "✓"), worst.text),
        Some(worst) => format!("{} {}: {}", paint(WARN, "!"), listed(&open), worst.text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(isolates: usize, behind: usize, quiet_ms: Option<u64>) -> Option<Reach> {
        Some(Reach { isolates, behind, quiet_ms, text: format!("{behind} of {isolates} behind"), ..Reach::default() })
    }

    fn after(looks: &[Option<Option<Reach>>]) -> (usize, String) {
        let mut asked = 0;
        let look = || {
            let shown = looks.get(asked.min(looks.len() - 1)).cloned().flatten();
            asked += 1;
            shown.map(|reach| vec![("demo".to_owned(), reach)])
        };
        let shown = wait(vec![("demo".to_owned(), reach(2, 2, None))], look, || {});
        (asked, anstream::adapter::strip_str(&said(&shown)).to_string())
    }

    #[test]
    fn it_waits_until_all_know_and_it_has_been_quiet() {
        let looks = [Some(reach(2, 1, None)), Some(reach(2, 0, Some(400))), None, Some(reach(2, 0, Some(3_100)))];
        assert_eq!(after(&looks), (4, "✓ 0 of 2 behind".into()));
        assert_eq!(after(&[Some(reach(0, 0, Some(0)))]), (1, "✓ 0 of 0 behind".into()));
    }

    #[test]
    fn it_does_not_wait_for_ever_and_says_what_is_not_known() {
        let (asked, shown) = after(&[Some(reach(4, 1, None))]);
        assert_eq!(asked, TRIES);
        assert_eq!(shown, "! demo: 1 of 4 behind");
        assert!(after(&[None]).1.contains("the deployment stopped answering"));
        assert_eq!(after(&[Some(None)]), (1, "! revived meanwhile".into()));
    }
}
