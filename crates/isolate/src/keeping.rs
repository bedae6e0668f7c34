//! Which files an isolate has seen to lately, so that of a busy one a copy is not looked for with every request, nor
//! asked with every page of new whether it is there.

use std::collections::HashMap;

use tidegate_model::subject::fnv1a64;

/// So many files are remembered; then all are forgotten, which costs a look-up of each.
const FILES_MAX: usize = 4_096;
/// So long nothing is done for a file, in milliseconds.
const QUIET_MS: f64 = 3_600_000.0;

/// What was seen to, and when, in milliseconds since 1970.
#[derive(Default)]
pub struct Keeping(HashMap<u64, f64>);

impl Keeping {
    /// Whether a copy is to be looked for, and made where there is none. If so it is taken for done.
    pub fn is_due(&mut self, key: Option<&str>, now_ms: f64) -> bool {
        let Some(key) = key.map(|key| fnv1a64(key.as_bytes())) else { return false };
        if self.0.get(&key).is_some_and(|seen_ms| now_ms - seen_ms < QUIET_MS) {
            return false;
        }
        if self.0.len() >= FILES_MAX {
            self.0.clear();
        }
        self.0.insert(key, now_ms);
        true
    }

    /// Takes note that it is to be seen to again.
    pub fn forget(&mut self, key: &str) {
        self.0.remove(&fnv1a64(key.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_seen_to_once_an_hour_and_few_are_remembered() {
        let mut keeping = Keeping::default();
        let mut is_due = |key: &str, at_ms| keeping.is_due(Some(key), at_ms);
        assert!(is_due("a", 0.0) && !is_due("a", QUIET_MS - 1.0) && is_due("b", 1.0) && is_due("a", QUIET_MS));
        for n in 0..FILES_MAX {
            is_due(&n.to_string(), QUIET_MS);
        }
        assert!(keeping.0.len() <= FILES_MAX);
        assert!(!keeping.is_due(None, 0.0));
    }
}
