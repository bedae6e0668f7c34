//! Keys in order, each once: there are few, and a tree for them would be 7 KB of wasm gzipped.

/// A set of keys.
#[derive(Clone, Default)]
pub struct Keys(Vec<String>);

impl Keys {
    /// Whether it is one of them.
    pub fn contains(&self, key: &str) -> bool {
        self.0.binary_search_by(|own| own.as_str().cmp(key)).is_ok()
    }

    /// Adds a key, unless it is one of them.
    pub fn add(&mut self, key: &str) {
        if let Err(at) = self.0.binary_search_by(|own| own.as_str().cmp(key)) {
            self.0.insert(at, key.to_owned());
        }
    }

    /// The keys in order.
    pub fn iter(&self) -> std::slice::Iter<'_, String> {
        self.0.iter()
    }
}
