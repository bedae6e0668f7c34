//! Which of the two frontends.

use std::fmt;

/// Which frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The one that everybody had.
    Legacy,
    /// The one being released.
    New,
}

impl Variant {
    /// The other side.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Legacy => Self::New,
            Self::New => Self::Legacy,
        }
    }

    /// `legacy` or `new`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::New => "new",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Variant {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Legacy, Self::New].into_iter().find(|variant| variant.as_str() == text).ok_or(())
    }
}

super::serialize_as_text!(Variant);
super::deserialize_from_text!(Variant);
