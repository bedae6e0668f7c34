//! The private copy of the configuration in the place's cache: the last rung before there is
//! none at all, for a cold isolate while KV cannot be read.

use std::collections::HashMap;

use super::{clock, glue, log};
use crate::model::node::{Node, Value};
use crate::model::number::Plain;
use crate::model::plan::fields::Reader;

/// Older than this, the percentages in it are taken for 0: whoever lowered one in the meantime
/// must not see it rise again.
const TRUSTED_MS: f64 = 3_600_000.0;

/// The texts of KV at one time.
pub struct Copy {
    saved_ms: f64,
    /// By KV key.
    pub texts: HashMap<String, String>,
}

impl Copy {
    fn read(text: &str) -> Option<Self> {
        let node: Node = serde_json::from_str(text).ok()?;
        let saved_ms = Reader::default().number(node.field("saved_ms")?)?;
        let Value::Table(entries) = &node.field("texts")?.value else { return None };
        let mut texts = HashMap::default();
        for entry in entries {
            let Value::Text(text) = &entry.node.value else { return None };
            texts.insert(entry.key.clone(), text.clone());
        }
        Some(Self { saved_ms, texts })
    }

    /// Whether the percentages in it still count.
    pub fn is_trusted(&self) -> bool {
        clock::now_ms() - self.saved_ms < TRUSTED_MS
    }
}

/// Loads the copy, if there is one that can be read.
pub async fn load() -> Option<Copy> {
    match glue::load_copy().await {
        Ok(text) => Copy::read(&text?),
        Err(error) => {
            log::warn("copy_unreadable", "configuration", &glue::message(&error));
            None
        }
    }
}

/// Saves the texts as the new copy.
pub async fn save(texts: HashMap<String, String>) {
    let fields: Vec<String> =
        texts.iter().map(|(key, text)| format!("{}:{}", log::quoted(key), log::quoted(text))).collect();
    let copy = format!("{{\"saved_ms\":{},\"texts\":{{{}}}}}", Plain(clock::now_ms()), fields.join(","));
    if let Err(error) = glue::save_copy(&copy).await {
        log::warn("copy_unwritable", "configuration", &glue::message(&error));
    }
}
