//! Who may use the API.
//!
//! 1. Without tokens in `ADMIN_TOKENS` the API is closed; it is never open.
//! 2. A token is known by its SHA-256 only. Every entry is compared, each in constant time.
//! 3. A viewer may look; a change needs an operator.
//! 4. A change that a browser sends must come from a page of the same origin.

use sha2::{Digest as _, Sha256};

use super::problem::Problem;

/// Actors of the history that are nobody.
const NAMES_OF_OUR_OWN: [&str; 3] = ["kv", "schedule", "guardrail"];

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// To look.
    Viewer,
    /// To look and to change.
    Operator,
}

/// Somebody with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, which the history tells.
    pub name: String,
    /// What the token allows.
    pub role: Role,
}

/// What a request says of who sends it.
pub struct Credentials<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The origin that the request was sent to.
    pub own_origin: &'a str,
    /// Whether it only reads.
    pub is_read: bool,
}

/// Admits a request, or says why not. `tokens` is the value of `ADMIN_TOKENS`.
///
/// # Errors
/// With the problem to answer.
pub fn admit(tokens: Option<&str>, credentials: &Credentials<'_>) -> Result<Person, Problem> {
    let tokens = tokens.map(str::trim).filter(|tokens| !tokens.is_empty()).ok_or_else(Problem::no_tokens)?;
    let known = entries(tokens)?;
    let authorization = credentials.authorization.ok_or_else(|| Problem::unauthorized("the request carries no token"))?;
    let token = match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => token.trim(),
        _ => return Err(Problem::unauthorized("the header `Authorization` is not `Bearer TOKEN`")),
    };
    let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
    let mut found = None;
    for (person, own) in known {
        if is_equal(&digest, &own) {
            found = found.or(Some(person));
        }
    }
    let person = found.ok_or_else(|| Problem::unauthorized("nobody has this token"))?;
    if credentials.is_read {
        return Ok(person);
    }
    if is_cross_site(credentials) {
        return Err(Problem::cross_site());
    }
    if person.role == Role::Operator { Ok(person) } else { Err(Problem::forbidden(&person.name)) }
}

fn is_cross_site(credentials: &Credentials<'_>) -> bool {
    let is_foreign_origin = credentials.origin.is_some_and(|origin| !origin.eq_ignore_ascii_case(credentials.own_origin));
    let is_foreign_site = credentials.fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    is_foreign_origin || is_foreign_site
}

/// Equality whose time does not depend on where two digests differ.
fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let difference = one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b));
    std::hint::black_box(difference) == 0
}

fn entries(text: &str) -> Result<Vec<(Person, [u8; 32])>, Problem> {
    let texts = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
    texts.enumerate().map(|(index, entry)| read(entry).map_err(|why| Problem::bad_tokens(format!("entry {} of ADMIN_TOKENS {why}", index + 1)))).collect()
}

fn read(entry: &str) -> Result<(Person, [u8; 32]), &'static str> {
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(role), Some(digest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("is not NAME:ROLE:SHA256HEX");
    };
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_name_char) {
        return Err("has a name that is not 1 to 100 letters, digits, `-`, `_`, `.` or `@`");
    }
    if NAMES_OF_OUR_OWN.contains(&name) {
        return Err("has a name that the history uses for what nobody commands");
    }
    let role = match role {
        "viewer" => Role::Viewer,
        "operator" => Role::Operator,
        _ => return Err("has a role that is neither `viewer` nor `operator`"),
    };
    let digest = hex(digest).ok_or("does not end with 64 hexadecimal digits, the SHA-256 of the token")?;
    Ok((Person { name: name.to_owned(), role }, digest))
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text.chars().map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The SHA-256 of `secret` and of `other`.
    const TOKENS: &str = "ana:operator:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b,\n vic:viewer:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

    fn asked<'a>(authorization: Option<&'a str>, is_read: bool) -> Credentials<'a> {
        Credentials { authorization, origin: None, fetch_site: None, own_origin: "https://shop.example.com", is_read }
    }

    #[track_caller]
    fn answers(tokens: Option<&str>, credentials: &Credentials<'_>, expected: &str) {
        let outcome = admit(tokens, credentials).map_or_else(|problem| problem.kind.to_owned(), |person| person.name);
        assert_eq!(outcome, expected);
    }

    #[test]
    fn without_tokens_it_is_closed() {
        answers(None, &asked(Some("Bearer secret"), true), "no-tokens");
        answers(Some(" \n"), &asked(Some("Bearer secret"), true), "no-tokens");
        answers(Some("ana:operator:secret"), &asked(Some("Bearer secret"), true), "bad-tokens");
        answers(Some("kv:operator:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"), &asked(Some("Bearer secret"), true), "bad-tokens");
        answers(Some("ana:root:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"), &asked(Some("Bearer secret"), true), "bad-tokens");
    }

    #[test]
    fn a_token_tells_who_asks_and_a_viewer_changes_nothing() {
        answers(Some(TOKENS), &asked(Some("Bearer secret"), false), "ana");
        answers(Some(TOKENS), &asked(Some("bearer  other"), true), "vic");
        answers(Some(TOKENS), &asked(Some("Bearer other"), false), "forbidden");
        for wrong in [None, Some("Bearer wrong"), Some("Bearer "), Some("secret"), Some("Basic secret")] {
            answers(Some(TOKENS), &asked(wrong, true), "unauthorized");
        }
    }

    #[test]
    fn another_sites_page_changes_nothing() {
        let foreign = |origin, fetch_site| Credentials { origin, fetch_site, ..asked(Some("Bearer secret"), false) };
        answers(Some(TOKENS), &foreign(Some("https://shop.example.com"), Some("same-origin")), "ana");
        answers(Some(TOKENS), &foreign(Some("https://evil.example"), None), "cross-site");
        answers(Some(TOKENS), &foreign(Some("null"), None), "cross-site");
        answers(Some(TOKENS), &foreign(None, Some("cross-site")), "cross-site");
        answers(Some(TOKENS), &foreign(None, Some("same-site")), "cross-site");
    }
}
