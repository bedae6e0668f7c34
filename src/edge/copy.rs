//! The private copy of the configuration in the place's cache: the last rung before there is
//! none at all, for a cold isolate while KV cannot be read.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{clock, glue, log};

/// Older than this, the percentages in it are taken for 0: whoever lowered one in the meantime
/// must not see it rise again.
const TRUSTED_MS: f64 = 3_600_000.0;

/// The texts of KV at one time.
#[derive(Serialize, Deserialize)]
pub struct Copy {
    saved_ms: f64,
    /// By KV key.
    pub texts: HashMap<String, String>,
}

impl Copy {
    /// Whether the percentages in it still count.
    pub fn is_trusted(&self) -> bool {
        clock::now_ms() - self.saved_ms < TRUSTED_MS
    }
}

/// Loads the copy, if there is one that can be read.
pub async fn load() -> Option<Copy> {
    match glue::load_copy().await {
        Ok(text) => serde_json::from_str(&text?).ok(),
        Err(error) => {
            log::warn("copy_unreadable", "configuration", &glue::message(&error));
            None
        }
    }
}

/// Saves the texts as the new copy.
pub async fn save(texts: HashMap<String, String>) {
    let copy = Copy { saved_ms: clock::now_ms(), texts };
    let Ok(text) = serde_json::to_string(&copy) else { return };
    if let Err(error) = glue::save_copy(&text).await {
        log::warn("copy_unwritable", "configuration", &glue::message(&error));
    }
}
