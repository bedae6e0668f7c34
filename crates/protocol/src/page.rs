//! What a page's body says of it.

/// What a page is framed by, and shows nothing and loads nothing.
const FRAME: [&str; 3] = ["html", "head", "body"];

/// Whether a page is blank: no more than its frame, comments and white space.
pub fn is_blank(page: &str) -> bool {
    let mut rest = page.trim_start();
    while !rest.is_empty() {
        let Some(after) = after_frame(rest) else { return false };
        rest = after.trim_start();
    }
    true
}

/// What follows a comment, a doctype or a tag of the frame.
fn after_frame(text: &str) -> Option<&str> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.split_once("-->").map(|(_, after)| after);
    }
    let (tag, after) = text.strip_prefix('<')?.split_once('>')?;
    let tag = tag.to_ascii_lowercase();
    let name = tag.strip_prefix('/').unwrap_or(&tag).split(char::is_whitespace).next().unwrap_or_default();
    (FRAME.contains(&name) || tag.starts_with("!doctype")).then_some(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_nothing_but_its_frame_is_blank() {
        for page in [
            "",
            " \n\t",
            "<!doctype html>\n<html lang=\"en\"><head></head>\n<BODY class='a'></body></html>\n",
            "<!-- built today --><!DOCTYPE html PUBLIC \"x\"><html>",
        ] {
            assert!(is_blank(page), "{page}");
        }
    }

    #[test]
    fn a_page_that_shows_or_loads_anything_is_not() {
        for page in [
            "x",
            "<html><body><div id=app></div></body></html>",
            "<html><head><script src=a.js></script></head></html>",
            "<header></header>",
            "<bodyx>",
            "<html",
            "<!-- open",
            "<!-- a --> b",
            "ï»¿<html>",
        ] {
            assert!(!is_blank(page), "{page}");
        }
    }
}
