//! Steps as the platform's driver remembers them: what is alike for many requests has a number and crosses from wasm
//! once, and what differs from one request to the next is left out or crosses by itself.
//!
//! ```text
//! "ask"    "\n" TIMEOUT "\n" SERVICE "\n" BASE "\n" EDITS       sent to BASE and the request's own path and query
//! "answer" "\n" WATCH "\n" WHICH "\n" MORE "\n" EDITS           MORE: 1 where further edits of its own come after these
//! EDITS = { "-name" | "=name:value" | "+name:value" | "@name:other" | "~name:mark" }, a line each
//! ```
//! `@` takes the value of another header of the client's request. `~` puts a mark before the quote that ends the value.

use super::message::RequestText;
use super::step::{Step, Which};

/// A longer step has too much of its own to be worth a number.
const SHAPE_BYTES_MAX: usize = 2_048;

/// The header in which the platform says who asks.
const CLIENT: &str = "cf-connecting-ip";

/// The headers of answers whose new values are those of one answer alone.
const OF_ITS_OWN: [&str; 6] = ["content-location", "link", "location", "refresh", "server-timing", "set-cookie"];

/// A step in two parts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// What many have in common.
    pub common: String,
    /// The edits of this one alone; only answers have any.
    pub own: String,
}

/// What of a request its first step repeats.
pub struct Outline {
    path_and_query: String,
    client: String,
}

impl Outline {
    /// What a request says of itself.
    pub fn of(request: &RequestText) -> Self {
        Self {
            path_and_query: request.address().map_or("", |address| address.path_and_query).to_owned(),
            client: request.header(CLIENT).unwrap_or_default().to_owned(),
        }
    }

    /// The shape of the step that sends the request, if it has one.
    pub fn asking(&self, step: &Step) -> Option<Shape> {
        let Step::Ask { service, url, edits, timeout_ms } = step else { return None };
        if edits.as_str().len() > SHAPE_BYTES_MAX {
            return None;
        }
        let base = url.strip_suffix(self.path_and_query.as_str())?;
        let mut common = String::with_capacity(base.len() + edits.as_str().len() + 32);
        for part in ["ask\n", &timeout_ms.to_string(), "\n", service.as_deref().unwrap_or_default(), "\n", base] {
            common.push_str(part);
        }
        common.push('\n');
        for line in edits.as_str().split('\n') {
            match line.strip_prefix('=').and_then(|line| line.split_once(':')) {
                // What it says of where it comes from differs from page to page.
                Some(("referer", _)) => return None,
                Some((name, value)) if !value.is_empty() && value == self.client => {
                    add(&mut common, &["@", name, ":", CLIENT]);
                }
                _ => add(&mut common, &[line]),
            }
        }
        (common.len() <= SHAPE_BYTES_MAX).then_some(Shape { common, own: String::new() })
    }
}

/// The shape of the step that follows an answer with this `ETag`, if it passes an answer on and has a shape.
pub fn answering(step: &Step, etag: Option<&str>) -> Option<Shape> {
    let Step::Answer { which, edits: Some(edits), watch_ms } = step else { return None };
    let (mut common, mut own) = (String::with_capacity(256), String::new());
    for line in edits.as_str().split('\n') {
        let (mark, rest) = line.split_at_checked(1)?;
        let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
        if OF_ITS_OWN.contains(&name) {
            add(&mut own, &[line]);
        } else if name == "etag" && mark == "=" {
            match etag.filter(|_| *which == Which::Last).and_then(|etag| between(etag, value)) {
                Some(added) => add(&mut common, &["~etag:", added]),
                None => add(&mut own, &[line]),
            }
        } else {
            add(&mut common, &[line]);
        }
    }
    let more = if own.is_empty() { "0" } else { "1" };
    let common = ["answer\n", &watch_ms.to_string(), "\n", which.as_str(), "\n", more, "\n", &common].concat();
    (common.len() <= SHAPE_BYTES_MAX).then_some(Shape { common, own })
}

fn add(lines: &mut String, parts: &[&str]) {
    if !lines.is_empty() && !lines.ends_with('\n') {
        lines.push('\n');
    }
    parts.iter().for_each(|part| lines.push_str(part));
}

/// What stands in `marked` before the quote that ends `plain`, if that is all that differs.
fn between<'a>(plain: &str, marked: &'a str) -> Option<&'a str> {
    marked.strip_prefix(plain.strip_suffix('"')?)?.strip_suffix('"').filter(|added| !added.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::HeaderEdits;

    fn edits(lines: &[&str]) -> HeaderEdits {
        let mut edits = HeaderEdits::default();
        for line in lines {
            let (mark, rest) = line.split_at(1);
            let (name, value) = rest.split_once(':').unwrap_or((rest, ""));
            match mark {
                "-" => edits.remove(name),
                "=" => edits.set(name, value),
                _ => edits.append(name, value),
            }
        }
        edits
    }

    #[test]
    fn what_differs_from_one_request_to_the_next_stands_in_no_shape() {
        let of = |client: &str, path: &str| {
            let request =
                RequestText::new(format!("GET\nhttps://shop.example{path}\ncf-connecting-ip:{client}\naccept:*/*"));
            let own = format!("=x-forwarded-for:{client}");
            let step = Step::Ask {
                service: None,
                url: format!("https://n.example/base{path}"),
                edits: edits(&["-te", &own, "=tidegate-variant:new"]),
                timeout_ms: 300,
            };
            Outline::of(&request).asking(&step)
        };
        let common =
            "ask\n300\n\nhttps://n.example/base\n-te\n@x-forwarded-for:cf-connecting-ip\n=tidegate-variant:new";
        let expected = Some(Shape { common: common.to_owned(), own: String::new() });
        assert_eq!((of("192.0.2.1", "/a?b"), of("192.0.2.2", "/")), (expected, of("192.0.2.1", "/a?b")));
    }

    #[test]
    fn what_an_answer_has_of_its_own_comes_after_what_many_have() {
        let step = |lines: &[&str]| Step::Answer { which: Which::Last, edits: Some(edits(lines)), watch_ms: 5 };
        let of = |lines: &[&str]| answering(&step(lines), Some("W/\"1-a\"")).map(|shape| (shape.common, shape.own));
        assert_eq!(
            of(&["=etag:W/\"1-a~tg-n\"", "=tidegate-variant:new", "+server-timing:x", "+set-cookie:a=b:c"]),
            Some((
                "answer\n5\nlast\n1\n~etag:~tg-n\n=tidegate-variant:new".to_owned(),
                "+server-timing:x\n+set-cookie:a=b:c".to_owned()
            ))
        );
        assert_eq!(of(&["-alt-svc"]), Some(("answer\n5\nlast\n0\n-alt-svc".to_owned(), String::new())));
        let shape = answering(&step(&["=etag:abc~tg-n"]), Some("abc"));
        assert_eq!(shape.map(|shape| shape.own).as_deref(), Some("=etag:abc~tg-n"), "no ETag by the letter");
        let before = Step::Answer { which: Which::Before, edits: Some(edits(&["=etag:\"a~tg-n\""])), watch_ms: 0 };
        let shape = answering(&before, Some("\""));
        assert_eq!(shape.map(|shape| shape.own).as_deref(), Some("=etag:\"a~tg-n\""), "another answer's ETag");
    }

    #[test]
    fn what_is_long_or_of_another_kind_has_no_shape() {
        let request = RequestText::new("GET\nhttps://shop.example/a".to_owned());
        let ask = |edits| Step::Ask { service: None, url: "https://n.example/a".to_owned(), edits, timeout_ms: 0 };
        assert!(Outline::of(&request).asking(&ask(edits(&["=referer:https://n.example/x"]))).is_none());
        let long = format!("=tidegate-flags:{}", "x".repeat(SHAPE_BYTES_MAX));
        assert!(Outline::of(&request).asking(&ask(edits(&[&long]))).is_none());
        let sentence = Step::Sentence { status: 404, reason: "unrouted", text: "No." };
        assert!(Outline::of(&request).asking(&sentence).is_none());
    }
}
