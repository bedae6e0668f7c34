//! What is wrong with the configuration as it was read last, by KV key, until it is read without fault.

/// So many faults are told; who has more sees the rest once these are mended.
const TOLD_MAX: usize = 20;
/// A longer sentence is cut, in bytes.
const SENTENCE_BYTES_MAX: usize = 500;

/// Pairs of a KV key and a sentence.
#[derive(Default)]
pub struct Faults(Vec<(String, String)>);

impl Faults {
    /// What is wrong with the value of a key; nothing, where it is in order.
    pub fn set(&mut self, key: &str, sentences: Vec<String>) {
        self.0.retain(|(own, _)| own != key);
        self.0.extend(sentences.into_iter().map(|sentence| (key.to_owned(), cut(sentence))));
    }

    /// The faults of keys that matter.
    pub fn told(&self, matters: impl Fn(&str) -> bool) -> Vec<(String, String)> {
        self.0.iter().filter(|(key, _)| matters(key)).take(TOLD_MAX).cloned().collect()
    }
}

fn cut(mut sentence: String) -> String {
    sentence.truncate(sentence.floor_char_boundary(SENTENCE_BYTES_MAX));
    sentence
}
