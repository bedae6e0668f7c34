//! When the other side is asked.
//!
//! *Rescue*: new failed, legacy answers instead. *Skew*: a page was loaded before a change, and
//! its assets are now looked for on the side that does not have them. Both end with the rollout.

use crate::decide::assign::Variant;
use crate::decide::standing::Mode;

/// Whether a request can be asked twice: it changes nothing, and it has no body that the first
/// attempt would have consumed.
pub fn is_repeatable(method: &str, has_body: bool) -> bool {
    matches!(method, "GET" | "HEAD") && !has_body
}

/// Whether legacy answers where new fails.
pub fn may_rescue(is_wanted: bool, mode: Mode, variant: Variant, is_repeatable: bool) -> bool {
    is_wanted && is_repeatable && variant == Variant::New && mode != Mode::Completed
}

/// Whether an answer's status means that the upstream has failed.
pub const fn is_failure(status: u16) -> bool {
    status >= 500
}

/// Whether a `Content-Type` is that of a page.
pub fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| kind.trim_start().get(..9).is_some_and(|start| start.eq_ignore_ascii_case("text/html")))
}

/// The sub-resources that a page finds by names that only one side has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// A script, style or font: HTML in its place is a miss as well, since many frontends answer
    /// unknown paths with their start page.
    Strict,
    /// An image or worker.
    Lenient,
}

impl Asset {
    /// The asset that a `Sec-Fetch-Dest` asks for.
    pub fn of(destination: Option<&str>) -> Option<Self> {
        match destination? {
            "script" | "style" | "font" => Some(Self::Strict),
            "image" | "worker" | "sharedworker" | "serviceworker" => Some(Self::Lenient),
            _ => None,
        }
    }

    /// Whether an answer shows that this side does not have the asset.
    pub fn is_missed(self, status: u16, content_type: Option<&str>) -> bool {
        status == 404 || (self == Self::Strict && status == 200 && is_html(content_type))
    }

    /// Whether the other side's answer is better than a miss.
    pub fn is_found(self, status: u16, content_type: Option<&str>) -> bool {
        (status < 300 || status == 304) && !self.is_missed(status, content_type)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_is_rescued_and_only_what_can_be_asked_twice() {
        assert!(may_rescue(true, Mode::Active, Variant::New, is_repeatable("GET", false)));
        assert!(!may_rescue(true, Mode::Active, Variant::New, is_repeatable("POST", false)));
        assert!(!may_rescue(true, Mode::Active, Variant::New, is_repeatable("GET", true)));
        assert!(!may_rescue(true, Mode::Active, Variant::Legacy, true));
        assert!(!may_rescue(true, Mode::Completed, Variant::New, true));
        assert!(!may_rescue(false, Mode::Active, Variant::New, true));
    }

    #[test]
    fn a_missing_asset_is_a_404_or_html_in_its_place() {
        let script = Asset::of(Some("script")).map(|asset| (asset.is_missed(404, None), asset.is_missed(200, Some("Text/HTML; charset=utf-8")), asset.is_missed(200, Some("text/javascript")), asset.is_missed(500, Some("text/html"))));
        assert_eq!(script, Some((true, true, false, false)));
        let image = Asset::of(Some("image")).map(|asset| (asset.is_missed(404, None), asset.is_missed(200, Some("text/html"))));
        assert_eq!(image, Some((true, false)));
        assert_eq!(Asset::of(Some("document")), None);
        assert_eq!(Asset::of(None), None);
    }
}
