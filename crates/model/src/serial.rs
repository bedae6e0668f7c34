//! How Tidegate's own parts write values for each other as JSON, and how they read them.
//!
//! Isolates, the controller and its storage are of different releases while a deployment spreads, and
//! after a rollback of Tidegate itself. So a reader passes over fields that it does not know, takes the
//! default for those that a later release added, and passes over entries of a kind that it does not
//! know. What it knows must be right: a value out of its range makes the whole text unreadable.
//! (People's plans are read strictly, by [`super::plan::fields`].)

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// Serialises a type as the text that its `Display` prints and its `FromStr` reads.
#[macro_export]
macro_rules! serialize_as_text {
    ($($type:ty),+ $(,)?) => {$(
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )+};
}

/// Reads a type from the text that its `FromStr` reads.
#[macro_export]
macro_rules! deserialize_from_text {
    ($($type:ty),+ $(,)?) => {$(
        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                $crate::serial::text(deserializer, |text| text.parse().ok())
            }
        }
    )+};
}

/// Reads a text by `parse`, without a copy of it.
///
/// # Errors
/// When it is no text, or `parse` returns `None`.
pub fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    struct Parse<F, T>(F, PhantomData<T>);

    impl<F: FnOnce(&str) -> Option<T>, T> Visitor<'_> for Parse<F, T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text of its format")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
            (self.0)(text).ok_or_else(|| E::custom(format_args!("`{text:.100}` is not of its format")))
        }
    }

    deserializer.deserialize_str(Parse(parse, PhantomData))
}

/// A word of which a later release may know more than this one.
pub trait Word: FromStr {
    /// What stands before a name or number in words of several parts. Such a word is of a known kind, so
    /// it must be right.
    const KINDS: &'static [&'static str];

    /// Reads one; `None` for a word of a kind that is not known here.
    ///
    /// # Errors
    /// When it is of a known kind and malformed.
    fn read(text: &str) -> Result<Option<Self>, String> {
        match text.parse() {
            Ok(word) => Ok(Some(word)),
            Err(_) if Self::KINDS.iter().any(|kind| text.starts_with(kind)) => Err(format!("`{text:.100}` is no word")),
            Err(_) => Ok(None),
        }
    }
}

/// Reads a list of objects, each about what its field `of` names. Those about what is not known here are passed over.
///
/// # Errors
/// When an entry is malformed.
pub fn known_entries<'de, W: Word, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    struct About {
        of: String,
    }

    let entries = Vec::<&'de RawValue>::deserialize(deserializer)?;
    let known = |entry: &'de RawValue| {
        let About { of } = serde_json::from_str(entry.get()).map_err(D::Error::custom)?;
        let is_known = W::read(&of).map_err(D::Error::custom)?.is_some();
        if is_known { serde_json::from_str(entry.get()).map(Some).map_err(D::Error::custom) } else { Ok(None) }
    };
    entries.into_iter().filter_map(|entry| known(entry).transpose()).collect()
}

/// Pairs as an object, for `#[serde(with = "pairs")]`.
pub mod pairs {
    use super::{Deserialize, Deserializer, Word};
    use serde::{Serialize, Serializer};

    /// Prints pairs as an object.
    ///
    /// # Errors
    /// When the serializer refuses.
    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(
        pairs: &[(K, V)],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
    }

    /// Reads an object as pairs, in its order. A word of a kind that is not known is passed over.
    ///
    /// # Errors
    /// When a word or a value is malformed.
    pub fn deserialize<'de, K: Word, V: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<(K, V)>, D::Error> {
        super::pairs_of(deserializer)
    }
}

fn pairs_of<'de, K: Word, V: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(K, V)>, D::Error> {
    struct Pairs<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Word, V: Deserialize<'de>> Visitor<'de> for Pairs<K, V> {
        type Value = Vec<(K, V)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut pairs = Vec::new();
            while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
                match K::read(&key).map_err(A::Error::custom)? {
                    Some(key) => pairs.push((key, map.next_value()?)),
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
            }
            Ok(pairs)
        }
    }

    deserializer.deserialize_map(Pairs(PhantomData))
}

/// Whether a number is left out because it is 0, where 0 is the default.
pub const fn is_zero(number: &u64) -> bool {
    *number == 0
}
