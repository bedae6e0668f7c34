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

#[cfg(test)]
mod tests {
    use super::*;

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
