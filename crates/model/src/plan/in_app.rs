//! Messages that the site's own pages show, through the page script: on whose pages, what about, for how long.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::words::{Url, WordError, words};
use crate::{Duration, Name, serialize_as_text};

words! {
    /// On whose pages a message in the app is shown.
    ShownTo is "a side of a message in the app" of {
        /// On every page.
        All = "all",
        /// On those that new has answered.
        New = "new",
        /// On those that legacy has answered.
        Legacy = "legacy",
    } allows "`all`, `new` or `legacy`"
}

words! {
    /// What a message in the app is about, so that the site can show each in its own way.
    InAppKind is "a kind of message in the app" of {
        /// An invitation to try what is new.
        Preview = "preview",
        /// Something new is there.
        Launch = "launch",
        /// Something went wrong.
        Incident = "incident",
    } allows "`preview`, `launch` or `incident`"
}

/// Where a message in the app leads: a page of the site, or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageLink(String);

impl FromStr for PageLink {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let is_plain = !text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '\\');
        let is_page = text.starts_with('/') && !text.starts_with("//") && is_plain;
        if is_page || text.parse::<Url>().is_ok() && is_plain {
            return Ok(Self(text.to_owned()));
        }
        Err(WordError::new(
            text,
            "a link of a message in the app",
            "a path such as `/new`, or `https://example.com/new`",
        ))
    }
}

impl fmt::Display for PageLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

serialize_as_text!(PageLink);

/// A message in the app is shown for so many days where it does not say how long.
const SHOWN_DAYS: u32 = 7;

/// A message that the site's own pages show, through the page script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InApp {
    /// On whose pages.
    pub to: ShownTo,
    /// And only to whoever is in one of these groups; to everybody if empty.
    #[serde(rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Name>,
    /// What it is about; where that is not said, its moment and its side say it: [`Notice::in_app_kind`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<InAppKind>,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<PageLink>,
    /// For how long, from its moment on.
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Duration>,
}

impl InApp {
    /// One that says no more than on whose pages it is shown.
    pub const fn to(to: ShownTo) -> Self {
        Self { to, groups: Vec::new(), kind: None, link: None, lasts: None }
    }

    /// For how long it is shown.
    pub fn lasts(&self) -> Duration {
        self.lasts.unwrap_or(Duration::minutes(SHOWN_DAYS * 24 * 60))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_a_page_of_the_site_or_to_an_address() {
        for right in ["/", "/new?from=banner#top", "https://example.com/new", "http://localhost:8787/x"] {
            assert_eq!(right.parse::<PageLink>().map(|link| link.to_string()).as_deref(), Ok(right));
        }
        for wrong in [
            "",
            "new",
            "//evil.example",
            "/\\evil.example",
            "javascript:alert(1)",
            "data:text/html,x",
            "/a b",
            "https://",
            "mailto:a@b.c",
        ] {
            assert!(wrong.parse::<PageLink>().is_err(), "{wrong}");
        }
    }
}
