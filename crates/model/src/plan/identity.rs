//! Who a request is from: where its id stands, which texts are none, and who is no person at all.

use serde::Serialize;

use super::Table;
use super::words::{SecretName, words};
use crate::source::{Match, Source};
use crate::upstream::Upstream;

/// Who the subject of a request is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default, Serialize)]
pub struct Identity {
    /// The first of these that is present and not empty.
    pub from: Vec<Source>,
    /// Whether a visitor without any gets an id in a cookie.
    pub anonymous: bool,
    /// The domain of that cookie, where it is to be shared among hosts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Which id counts where a browser has an account's and a minted one.
    #[serde(skip_serializing_if = "Sticky::is_default")]
    pub sticky: Sticky,
    /// Whether browsers send the minted id with requests that come from other sites.
    #[serde(skip_serializing_if = "SameSite::is_default")]
    pub same_site: SameSite,
    /// Texts that are no ids, besides those that never are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_ids: Vec<String>,
    /// Texts that are ids, though they look like none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// The tokens that `jwt:` sources name.
    #[serde(skip_serializing_if = "Table::is_empty")]
    pub jwt: Table<Token>,
}

/// What crawlers, monitors, link previews and mail scanners get.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize)]
pub struct Robots {
    /// The side that answers them.
    pub side: RobotSide,
    /// Who counts as one, besides those whose `User-Agent` says so.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Match>,
}

impl Robots {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A JSON Web Token in requests and how it is verified. One that is not verified is ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Token {
    /// The header (after an optional `Bearer`) or cookie that carries it.
    pub from: Source,
    /// The Worker's secret with the HS256 key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// The address of the key set for RS256 and ES256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks: Option<Upstream>,
    /// The `iss` that it must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// The `aud` that it must have or contain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
}

words! {
    /// Which id counts where a browser has an account's and a minted one.
    #[derive(Default)]
    Sticky is "a way to stick" of {
        /// The account's: whoever logs in may change sides, and has the same side on every device.
        #[default]
        Account = "account",
        /// The browser's first: whoever was assigned before the log-in stays.
        Device = "device",
    } allows "`account` or `device`"
}

words! {
    /// Who stays on new when the percentage goes down, but not to 0.
    Keep is "whom to keep on new" of {
        /// Who has used new, in this browser.
        Used = "used",
    } allows "`used`"
}

impl Sticky {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::Account
    }
}

words! {
    /// With which requests browsers send the cookie of the minted id.
    #[derive(Default)]
    SameSite is "a SameSite policy" of {
        /// With those of this site, and with links from others.
        #[default]
        Lax = "lax",
        /// With every one, also with forms that other sites post.
        None = "none",
    } allows "`lax` or `none`"
}

impl SameSite {
    /// Whether this is what a plan that says nothing gets.
    pub fn is_default(&self) -> bool {
        *self == Self::Lax
    }
}

words! {
    /// Which side answers robots.
    #[derive(Default)]
    RobotSide is "a side for robots" of {
        /// Legacy, until the rollout has completed.
        #[default]
        Legacy = "legacy",
        /// New, once the rollout is under way.
        New = "new",
        /// As the percentage says, like anybody else.
        Assigned = "assigned",
    } allows "`legacy`, `new` or `assigned`"
}
