//! Reads the `Cookie` header the way browsers write it (RFC 6265 §5.4), forgiving what others send.

/// The values of the cookie `name`, in the order of the header, trimmed, otherwise as received.
pub fn values<'a>(header: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    header.split(';').filter_map(move |pair| {
        let (own, value) = pair.split_once('=')?;
        (own.trim() == name).then(|| value.trim())
    })
}

/// The first value of the cookie `name` that is not empty.
pub fn first<'a>(header: &'a str, name: &'a str) -> Option<&'a str> {
    values(header, name).find(|value| !value.is_empty())
}

/// Whether a `Set-Cookie` takes a cookie away: it is empty, or has no time left.
pub fn ends(set_cookie: &str) -> bool {
    let mut parts = set_cookie.split(';').map(str::trim);
    let is_empty = parts
        .next()
        .and_then(|pair| pair.split_once('='))
        .is_some_and(|(_, value)| value.trim_matches('"').trim().is_empty());
    let is_over = |part: &str| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        name.trim().eq_ignore_ascii_case("max-age") && value.trim().parse::<i64>().is_ok_and(|seconds| seconds <= 0)
            || name.trim().eq_ignore_ascii_case("expires") && value.contains(" 1970 ")
    };
    is_empty || parts.any(is_over)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_taken_away_in_several_ways() {
        for text in
            ["a=", "a=\"\"; Path=/", "a=x; Max-Age=0", "a=x; max-age=-1", "a=x; Expires=Thu, 01 Jan 1970 00:00:00 GMT"]
        {
            assert!(ends(text), "{text}");
        }
        for text in ["a=1", "a=1; Max-Age=60", "a=1; Expires=Wed, 21 Oct 2026 07:28:00 GMT; Path=/"] {
            assert!(!ends(text), "{text}");
        }
    }

    #[test]
    fn values_are_trimmed_and_otherwise_as_received() {
        let header = "a=1; uid= Ana%20B ;b; uid=; uid=\"q\"; auid=x; =y";
        assert_eq!(values(header, "uid").collect::<Vec<_>>(), ["Ana%20B", "", "\"q\""]);
        assert_eq!(first(header, "uid"), Some("Ana%20B"));
        assert_eq!(first("uid=; uid=z", "uid"), Some("z"));
        assert_eq!(first(header, "c"), None);
        assert_eq!(first(header, "b"), None);
    }
}
