//! ETags carry the side that they come from, so that a browser's copy of one side is never taken for the
//! other's.
//!
//! 1. On the way out `"x"` of new becomes `"x~tg-n"`, of legacy `"x~tg-l"`; weak ones likewise.
//! 2. On the way in a tag of the side that is asked is unwrapped and one of the other side dropped. A tag
//!    without a mark was handed out before there was a rollout, so it is legacy's.
//! 3. `If-Modified-Since` and `If-Unmodified-Since` do not say whose copy they speak of, so they go unless
//!    a tag of the side that is asked came with them. Two builds may bear one date (whitenoise#202).
//! 4. `If-Match` and `If-Range` of the other side stay as they are and so do not match. An `If-Range` that
//!    does not say whose it is goes with its `Range`: the whole file is right whatever the browser has.

use super::headers::HeaderEdits;
use super::message::RequestText;
use tidegate_decide::assign::Variant;

const MARK_NEW: &str = "~tg-n";
const MARK_LEGACY: &str = "~tg-l";

const fn mark(variant: Variant) -> &'static str {
    match variant {
        Variant::New => MARK_NEW,
        Variant::Legacy => MARK_LEGACY,
    }
}

/// An upstream's ETag with the mark of its side.
pub fn marked(etag: &str, variant: Variant) -> String {
    match etag.strip_suffix('"') {
        Some(opened) if opened.contains('"') => format!("{opened}{}\"", mark(variant)),
        // Not an ETag by the letter; browsers send it back all the same.
        _ => format!("{etag}{}", mark(variant)),
    }
}

/// Whose an ETag is, and how its side wrote it.
fn unmarked(tag: &str) -> (Option<Variant>, String) {
    let (opened, closing) = tag.strip_suffix('"').map_or((tag, ""), |opened| (opened, "\""));
    for variant in [Variant::New, Variant::Legacy] {
        if let Some(own) = opened.strip_suffix(mark(variant)) {
            return (Some(variant), format!("{own}{closing}"));
        }
    }
    (None, tag.to_owned())
}

/// Changes a request's conditions to those that the asked side may hear. `is_varying` is whether browsers may
/// hold either side's copies; where they hold one side's alone, only marks are taken off.
pub fn edit_conditions(edits: &mut HeaderEdits, request: &RequestText, asked: Variant, is_varying: bool) {
    let mut has_own = false;
    let mut has_foreign = false;
    if let Some(list) = request.header("if-none-match") {
        let mut kept: Vec<String> = Vec::new();
        for tag in tags(list) {
            let (owner, tag) = unmarked(tag);
            has_own |= owner == Some(asked);
            let is_foreign = tag != "*" && owner.unwrap_or(Variant::Legacy) != asked;
            has_foreign |= is_foreign;
            if !is_foreign {
                kept.push(tag);
            }
        }
        match kept.join(", ") {
            list if list.is_empty() => edits.remove("if-none-match"),
            kept if kept != list => edits.set("if-none-match", &kept),
            _ => {}
        }
    }
    if let Some(list) = request.header("if-match") {
        let all: Vec<&str> = tags(list).collect();
        let unwrapped: Vec<String> = all
            .iter()
            .map(|tag| unmarked(tag))
            .zip(&all)
            .map(|((owner, own), tag)| if owner == Some(asked) { own } else { (*tag).to_owned() })
            .collect();
        has_own |= all.iter().any(|tag| unmarked(tag).0 == Some(asked));
        if all.iter().zip(&unwrapped).any(|(tag, own)| tag != own) {
            edits.set("if-match", &unwrapped.join(", "));
        }
    }
    if let Some(tag) = request.header("if-range") {
        edit_range(edits, tag.trim(), asked, is_varying);
    }
    if (is_varying || has_foreign) && !has_own {
        for name in ["if-modified-since", "if-unmodified-since"] {
            if request.header(name).is_some() {
                edits.remove(name);
            }
        }
    }
}

fn edit_range(edits: &mut HeaderEdits, tag: &str, asked: Variant, is_varying: bool) {
    let is_date = !tag.ends_with('"');
    match unmarked(tag) {
        (Some(owner), own) if owner == asked => edits.set("if-range", &own),
        // No upstream has a tag with a mark, so this cannot match.
        (Some(_), _) => {}
        (None, _) if !is_varying || (asked == Variant::Legacy && !is_date) => {}
        _ => {
            edits.remove("if-range");
            edits.remove("range");
        }
    }
}

/// The entity tags of a list, split at the commas outside of quotes (RFC 9110 §8.8.3).
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let parts = list.split(move |c| {
        is_quoted ^= c == '"';
        c == ',' && !is_quoted
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::Variant::{Legacy, New};
    use super::*;

    #[test]
    fn a_tag_carries_its_side_and_comes_back() {
        for (own, new) in [
            ("\"x\"", "\"x~tg-n\""),
            ("W/\"x\"", "W/\"x~tg-n\""),
            ("\"\"", "\"~tg-n\""),
            ("\"a,b\"", "\"a,b~tg-n\""),
            ("bare", "bare~tg-n"),
            ("\"", "\"~tg-n"),
        ] {
            assert_eq!(marked(own, New), new);
            assert_eq!(unmarked(new), (Some(New), own.to_owned()));
        }
        assert_eq!(unmarked("\"x~tg-l\""), (Some(Legacy), "\"x\"".into()));
        assert_eq!(unmarked("\"x\""), (None, "\"x\"".into()));
    }

    #[track_caller]
    fn conditions(headers: &str, asked: Variant, is_varying: bool, expected: &str) {
        let request = RequestText::new(format!("GET\nhttps://a/\n{headers}"));
        let mut edits = HeaderEdits::default();
        edit_conditions(&mut edits, &request, asked, is_varying);
        assert_eq!(edits.as_str(), expected, "{headers}");
    }

    #[test]
    fn the_asked_side_hears_only_of_its_own_copies() {
        conditions("if-none-match:\"x~tg-n\"", New, true, "=if-none-match:\"x\"");
        conditions("if-none-match:\"x~tg-n\"", Legacy, true, "-if-none-match");
        conditions("if-none-match:\"a~tg-n\", W/\"b~tg-l\", \"c\"", Legacy, true, "=if-none-match:W/\"b\", \"c\"");
        conditions("if-none-match:\"a~tg-n\", W/\"b~tg-l\", \"c\"", New, true, "=if-none-match:\"a\"");
        conditions("if-none-match:\"a\"", Legacy, true, "");
        conditions("if-none-match:\"a\"", New, true, "-if-none-match");
        conditions("if-none-match:*", New, true, "");
        conditions("if-none-match:\"a,b~tg-n\",\"c\"", New, true, "=if-none-match:\"a,b\"");
    }

    #[test]
    fn a_date_counts_only_beside_an_own_tag() {
        conditions("if-modified-since:d", Legacy, true, "-if-modified-since");
        conditions("if-unmodified-since:d", New, true, "-if-unmodified-since");
        conditions("if-none-match:\"x~tg-l\"\nif-modified-since:d", Legacy, true, "=if-none-match:\"x\"");
        conditions("if-none-match:\"x\"\nif-modified-since:d", Legacy, true, "-if-modified-since");
        conditions("if-none-match:\"x~tg-n\"\nif-modified-since:d", Legacy, true, "-if-none-match\n-if-modified-since");
    }

    #[test]
    fn a_draft_changes_nothing_but_marks() {
        conditions("if-none-match:\"x\"\nif-modified-since:d\nif-range:\"x\"\nrange:b", Legacy, false, "");
        conditions("if-none-match:\"x~tg-l\"\nif-modified-since:d", Legacy, false, "=if-none-match:\"x\"");
        conditions(
            "if-none-match:\"x~tg-n\"\nif-modified-since:d",
            Legacy,
            false,
            "-if-none-match\n-if-modified-since",
        );
    }

    #[test]
    fn a_range_and_a_change_of_the_other_side_do_not_match() {
        conditions("if-match:\"x~tg-l\"", New, true, "");
        conditions("if-match:\"x~tg-n\"", New, true, "=if-match:\"x\"");
        conditions("if-match:\"x~tg-n\", \"y~tg-l\"", New, true, "=if-match:\"x\", \"y~tg-l\"");
        conditions("if-range:\"x~tg-n\"\nrange:b", New, true, "=if-range:\"x\"");
        conditions("if-range:\"x~tg-l\"\nrange:b", New, true, "");
        conditions("if-range:\"x\"\nrange:b", Legacy, true, "");
        conditions("if-range:\"x\"\nrange:b", New, true, "-if-range\n-range");
        conditions("if-range:Wed, 21 Oct 2015 07:28:00 GMT\nrange:b", Legacy, true, "-if-range\n-range");
    }
}
