//! In what two answers to the same request differ.
//!
//! What comes first says most, and where it differs the rest says nothing: a status of another class, then another
//! type, then what is in it. Values differ from one moment to the next, and so do pages that were built anew; so it is
//! the shape of JSON that is compared, and of a page its title, its parts and where it leads.

use super::{Body, Kind, Seen, json, page};
use tidegate_model::plan::shadow::Compare;
use tidegate_model::shadow::Difference;

/// What is neither a page nor JSON may be so many times as long.
const LENGTH_TIMES: u64 = 4;
/// And so much longer in any case, in bytes.
const LENGTH_MORE: u64 = 4_096;

/// One side's answer.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// What its headers say.
    pub seen: &'a Seen,
    /// What was read of its body.
    pub body: Body<'a>,
}

/// In what two answers differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// In what; empty where they agree.
    pub differences: Vec<Difference>,
    /// The place in JSON at which they do.
    pub place: Option<String>,
    /// What stands for the titles of both pages, legacy's first.
    pub titles: (Option<String>, Option<String>),
}

impl Comparison {
    fn of(difference: Difference) -> Self {
        Self { differences: vec![difference], ..Self::default() }
    }
}

/// A type without its parameters, in lower case; one name for each that has several.
pub fn essence(content_type: &str) -> String {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "text/javascript" | "application/x-javascript" => "application/javascript".to_owned(),
        "image/vnd.microsoft.icon" => "image/x-icon".to_owned(),
        _ => essence,
    }
}

/// Compares new's answer with legacy's.
pub fn compare(legacy: &Side<'_>, new: &Side<'_>, manner: &Compare) -> Comparison {
    let mut comparison = differing(legacy, new, manner);
    comparison.differences.retain(|own| !manner.ignore.contains(own));
    if !comparison.differences.contains(&Difference::Json) {
        comparison.place = None;
    }
    comparison
}

fn differing(legacy: &Side<'_>, new: &Side<'_>, manner: &Compare) -> Comparison {
    let class = |side: &Side<'_>| side.seen.status / 100;
    if class(legacy) != class(new) {
        return Comparison::of(Difference::Status);
    }
    if class(legacy) == 3 {
        let is_same = legacy.seen.target == new.seen.target;
        return if is_same { Comparison::default() } else { Comparison::of(Difference::Redirect) };
    }
    let types = [legacy, new].map(|side| essence(side.seen.content_type.as_deref().unwrap_or_default()));
    let [old_type, new_type] = &types;
    // Of an empty answer the type says nothing.
    let is_empty = |side: &Side<'_>| length(side) == Some(0) || matches!(side.seen.status, 204 | 205);
    if old_type != new_type && !(is_empty(legacy) && is_empty(new)) {
        return Comparison::of(Difference::Type);
    }
    if is_empty(legacy) != is_empty(new) && length(legacy).is_some() && length(new).is_some() {
        return Comparison::of(Difference::Size);
    }
    // An error's page is nobody's work of art.
    if class(legacy) != 2 {
        return Comparison::default();
    }
    match (Kind::of(Some(old_type)), legacy.body.bytes.zip(new.body.bytes)) {
        (Kind::Json, Some((old, bytes))) if legacy.body.is_whole && new.body.is_whole => {
            let place = json::difference(old, bytes, &manner.json_ignore);
            let differences = place.iter().map(|_| Difference::Json).collect();
            Comparison { differences, place, ..Comparison::default() }
        }
        (Kind::Page, Some((old, bytes))) => page::differing(old, bytes, legacy.body.is_whole && new.body.is_whole),
        (Kind::Other, _) if are_of_other_lengths(legacy, new) => Comparison::of(Difference::Size),
        _ => Comparison::default(),
    }
}

/// How long a body is, where that is known.
fn length(side: &Side<'_>) -> Option<u64> {
    let read = side.body.bytes.filter(|_| side.body.is_whole).and_then(|bytes| u64::try_from(bytes.len()).ok());
    read.or(side.seen.length)
}

fn are_of_other_lengths(legacy: &Side<'_>, new: &Side<'_>) -> bool {
    let Some((a, b)) = length(legacy).zip(length(new)) else { return false };
    let (less, more) = (a.min(b), a.max(b));
    more > less.saturating_mul(LENGTH_TIMES) && more - less > LENGTH_MORE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: u16, content_type: &str) -> Seen {
        Seen { status, content_type: Some(content_type.to_owned()), ..Seen::default() }
    }

    fn whole(text: &str) -> Body<'_> {
        Body { bytes: Some(text.as_bytes()), is_whole: true }
    }

    #[track_caller]
    fn differ(legacy: (u16, &str, &str), new: (u16, &str, &str), expected: &[Difference]) {
        let (old, fresh) = (seen(legacy.0, legacy.1), seen(new.0, new.1));
        let of = |seen, text| Side { seen, body: whole(text) };
        let comparison = compare(&of(&old, legacy.2), &of(&fresh, new.2), &Compare::default());
        assert_eq!(comparison.differences, expected, "{legacy:?} {new:?}");
        // An answer is never another than itself.
        for (seen, text) in [(&old, legacy.2), (&fresh, new.2)] {
            assert_eq!(compare(&of(seen, text), &of(seen, text), &Compare::default()).differences, []);
        }
    }

    #[test]
    fn what_differs_is_named_by_what_says_most() {
        use Difference::{Json, Landmarks, Size, Status, Title, Type};
        let (html, json) = ("text/html; charset=utf-8", "application/json");
        differ((200, html, "<title>A</title>"), (200, "text/html", "<title> A </title>"), &[]);
        differ((200, html, "<title>A</title>"), (500, html, "<title>A</title>"), &[Status]);
        differ((200, html, "<title>A</title>"), (404, json, "{}"), &[Status]);
        differ((404, html, "no"), (404, html, "<h1>not here"), &[]);
        differ((200, html, "<title>A</title>"), (200, json, "{}"), &[Type]);
        differ((200, html, "<title>A</title>"), (200, html, ""), &[Size]);
        differ((200, html, "<title>A</title>"), (200, html, "<title>B</title>"), &[Title]);
        differ((200, html, "<h1>A</h1>"), (200, html, "<p>A</p>"), &[Landmarks]);
        differ((200, json, "{\"a\":1}"), (200, json, "{\"a\":2}"), &[]);
        differ((200, json, "{\"a\":1}"), (200, json, "{\"a\":\"1\"}"), &[Json]);
        differ((200, "text/javascript", "x"), (200, "application/javascript", "y"), &[]);
        differ((200, "image/png", "x"), (200, "image/png", &"y".repeat(9_000)), &[Size]);
        differ((200, "image/png", "x"), (200, "image/png", &"y".repeat(900)), &[]);
        differ((204, "", ""), (204, "text/plain", ""), &[]);
    }

    #[test]
    fn redirects_lead_to_the_same_place_or_differ() {
        let to = |target: &str| Seen { status: 302, target: Some(target.to_owned()), ..Seen::default() };
        let differ = |legacy: &Seen, new: &Seen| {
            let side = |seen| Side { seen, body: Body::default() };
            compare(&side(legacy), &side(new), &Compare::default()).differences
        };
        assert_eq!(differ(&to("shop/a"), &Seen { status: 301, ..to("shop/a") }), []);
        assert_eq!(differ(&to("shop/a"), &to("shop/b")), [Difference::Redirect]);
        assert_eq!(differ(&to("shop/a"), &Seen { target: None, ..to("") }), [Difference::Redirect]);
    }

    #[test]
    fn what_the_plan_passes_over_is_no_difference() {
        let manner = Compare { ignore: vec![Difference::Title], json_ignore: vec!["/time".parse().unwrap()] };
        let (html, json) = (seen(200, "text/html"), seen(200, "application/json"));
        let differ = |seen, legacy, new| {
            let side = |body| Side { seen, body: whole(body) };
            compare(&side(legacy), &side(new), &manner).differences
        };
        assert_eq!(differ(&html, "<title>A", "<title>B"), []);
        assert_eq!(differ(&json, "{\"time\":1}", "{\"time\":\"now\"}"), []);
        assert_eq!(differ(&json, "{\"time\":1,\"a\":1}", "{}"), [Difference::Json]);
    }

    #[test]
    fn what_was_not_read_to_its_end_says_no_more_than_it_can() {
        let json = seen(200, "application/json");
        let part = Body { bytes: Some(b"{\"a\":[1,2"), is_whole: false };
        let side = |body| Side { seen: &json, body };
        assert_eq!(compare(&side(part), &side(whole("{}")), &Compare::default()).differences, []);
        assert_eq!(compare(&side(Body::default()), &side(whole("{}")), &Compare::default()).differences, []);
    }
}
