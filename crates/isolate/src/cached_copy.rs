//! The private copy of the configuration in the place's cache: the last rung before there is
//! none at all, for a cold isolate while KV cannot be read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Older than this, in milliseconds, the percentages in it are taken for 0: whoever lowered one in the meantime
/// must not see it rise again.
const TRUSTED_MS: f64 = 3_600_000.0;

/// The texts of KV at one time.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct CachedCopy {
    /// When it was saved, in milliseconds since 1970.
    pub saved_ms: f64,
    /// By KV key.
    pub texts: HashMap<String, String>,
}

impl CachedCopy {
    /// Reads what was saved, by this version or another; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// The copy as it is saved.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether the percentages in it still count.
    pub fn is_trusted(&self, now_ms: f64) -> bool {
        now_ms - self.saved_ms < TRUSTED_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_saved_and_what_earlier_and_later_versions_saved() {
        let texts = HashMap::from([("plans".to_owned(), "{\"v\":1}\n".to_owned())]);
        let copy = CachedCopy { saved_ms: 1_800_000_000_000.0, texts };
        assert_eq!(CachedCopy::parse(&copy.to_json()).as_ref(), Some(&copy));
        let earlier = r#"{"saved_ms":1800000000000,"texts":{"plans":"{\"v\":1}\n"}}"#;
        assert_eq!(CachedCopy::parse(earlier).as_ref(), Some(&copy));
        assert_eq!(CachedCopy::parse(&earlier.replace("\"texts\"", "\"later\":1,\"texts\"")), Some(copy));
        assert_eq!(CachedCopy::parse("{}"), None);
    }

    #[test]
    fn its_percentages_count_for_an_hour() {
        let copy = CachedCopy { saved_ms: 0.0, texts: HashMap::new() };
        assert!(copy.is_trusted(3_599_999.0));
        assert!(!copy.is_trusted(3_600_000.0));
    }
}
