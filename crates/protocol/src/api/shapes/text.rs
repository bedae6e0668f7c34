//! Values as they stand in JSON: texts that stay readable when another release writes what this one
//! does not know, times, percentages.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tidegate_model::{Instant, Percentage};

/// A text that a `T` has printed. `T` says which texts there are, for the document and for the compiler; a
/// reader takes any text, since a newer deployment may have words that no `T` of this release has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text<T>(Cow<'static, str>, PhantomData<T>);

impl<T> Text<T> {
    /// A word that is known when this is built. That it is one of `T` is shown by the tests that hold answers
    /// against the document.
    pub const fn word(word: &'static str) -> Self {
        Self(Cow::Borrowed(word), PhantomData)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: fmt::Display> From<&T> for Text<T> {
    fn from(value: &T) -> Self {
        Self(Cow::Owned(value.to_string()), PhantomData)
    }
}

impl<T> From<&str> for Text<T> {
    fn from(text: &str) -> Self {
        Self(Cow::Owned(text.to_owned()), PhantomData)
    }
}

impl<T> Default for Text<T> {
    fn default() -> Self {
        Self(Cow::Borrowed(""), PhantomData)
    }
}

impl<T> Deref for Text<T> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<T> AsRef<str> for Text<T> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

/// For `join`.
impl<T> Borrow<str> for Text<T> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<T> PartialEq<str> for Text<T> {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl<T> PartialEq<&str> for Text<T> {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

impl<T> fmt::Display for Text<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<T> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de, T> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Cow::Owned(String::deserialize(deserializer)?), PhantomData))
    }
}

/// A time, in UTC. One that cannot be read is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(Option<Instant>);

impl Time {
    /// The time, where it is known.
    pub const fn get(self) -> Option<Instant> {
        self.0
    }

    /// Whether there is none. Such a field is left out.
    pub const fn is_unknown(&self) -> bool {
        self.0.is_none()
    }
}

impl From<Instant> for Time {
    fn from(at: Instant) -> Self {
        Self(Some(at))
    }
}

impl From<Option<Instant>> for Time {
    fn from(at: Option<Instant>) -> Self {
        Self(at)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Option::<String>::deserialize(deserializer)?.and_then(|text| text.parse().ok())))
    }
}

/// A share in percent, from 0 to 100: `10` is 10 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(pub f64);

impl From<Percentage> for Percent {
    fn from(share: Percentage) -> Self {
        // A division alone is the nearest number there is: 7, not 7.000000000000001.
        Self(f64::from(share.limit()) / (f64::from(Percentage::FULL.limit()) / 100.0))
    }
}

impl fmt::Display for Percent {
    /// `25 %`, `0.001 %`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = (self.0 * 1_000.0).round() / 1_000.0;
        // Minus zero is zero to everyone but a float.
        write!(f, "{} %", if rounded == 0.0 { 0.0 } else { rounded })
    }
}

impl Serialize for Percent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0.fract() == 0.0 && self.0.abs() < 1e9 {
            serializer.serialize_i64(self.0 as i64)
        } else {
            serializer.serialize_f64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        f64::deserialize(deserializer).map(Self)
    }
}

/// Those of a list that can be read: a newer deployment may have others.
pub fn readable<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let all = Vec::<serde_json::Value>::deserialize(deserializer)?;
    Ok(all.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect())
}

#[cfg(feature = "schema")]
mod schema {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator};

    use super::{Instant, Percent, Percentage, Text, Time};

    /// Says of a type what the document says of another.
    macro_rules! like {
        ($($type:ty, $other:ty $(, $kind:ident)?;)+) => {$(
            impl$(<$kind: JsonSchema>)? JsonSchema for $type {
                fn inline_schema() -> bool {
                    <$other>::inline_schema()
                }

                fn schema_name() -> Cow<'static, str> {
                    <$other>::schema_name()
                }

                fn schema_id() -> Cow<'static, str> {
                    <$other>::schema_id()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    <$other>::json_schema(generator)
                }
            }
        )+};
    }

    like! {
        Text<T>, T, T;
        Time, Instant;
        Percent, Percentage;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_sent_as_it_is_written() {
        for limit in 0..=Percentage::FULL.limit() {
            let share = Percentage::from_limit(limit).unwrap();
            assert_eq!(serde_json::to_string(&Percent::from(share)).unwrap(), share.to_string());
        }
    }
}
