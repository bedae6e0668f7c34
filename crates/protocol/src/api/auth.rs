//! Who may use the API.
//!
//! 1. Without tokens in `ADMIN_TOKENS` the API is closed; it is never open.
//! 2. A token is known by its SHA-256 only. Every entry is compared, each in constant time.
//! 3. A viewer may look; a change needs an operator. A reporter may report the signals that its token names, and
//!    do nothing else, not even look: such a token stands in other systems.
//! 4. A change that a browser sends must come from a page of the same origin. One under a session or a sign-in by
//!    Cloudflare Access, which a browser sends by itself, must prove it.
//! 5. A token counts before a session, and a session before Access: what somebody did last to sign in.

use sha2::{Digest as _, Sha256};

use super::access::Visitor;
use super::problem::Problem;
use super::session::{self, SessionKey};
use crate::signing::is_equal;

/// The SHA-256 of a token.
pub type Digest = [u8; 32];

/// Actors of the history that are nobody.
const NAMES_OF_OUR_OWN: [&str; 3] = ["kv", "schedule", "guardrail"];

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// To report signals.
    Reporter,
    /// To read.
    Viewer,
    /// To read and to change.
    Operator,
}

impl Role {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reporter => "reporter",
            Self::Viewer => "viewer",
            Self::Operator => "operator",
        }
    }
}

/// Somebody with a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name, which the history tells.
    pub name: String,
    /// What the token allows.
    pub role: Role,
    /// Which signals a reporter may report.
    pub scope: Scope,
}

/// Which signals a token may report, where what is not named is not limited; and the roles that an operator has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scope {
    /// Those of this rollout.
    pub rollout: Option<String>,
    /// Those of this name.
    pub signal: Option<String>,
    /// The roles of plans that an operator has: these may tick items of checklists that ask for them.
    pub roles: Vec<String>,
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.signal, &self.rollout) {
            (Some(signal), Some(rollout)) => write!(f, "the signal {signal} of {rollout}"),
            (Some(signal), None) => write!(f, "the signal {signal}"),
            (None, Some(rollout)) => write!(f, "the signals of {rollout}"),
            (None, None) => f.write_str("signals"),
        }
    }
}

/// What a request says of who sends it.
pub struct Credentials<'a> {
    /// `Authorization`.
    pub authorization: Option<&'a str>,
    /// The sessions that its cookies bring, of which one counts where there is no `Authorization`.
    pub sessions: Vec<&'a str>,
    /// What a sign-in by Cloudflare Access came to, where the request brings one that is looked at.
    pub access: Option<Result<Visitor, Problem>>,
    /// `Origin`.
    pub origin: Option<&'a str>,
    /// `Sec-Fetch-Site`.
    pub fetch_site: Option<&'a str>,
    /// The origin that the request was sent to.
    pub own_origin: &'a str,
    /// Whether it only reads.
    pub is_read: bool,
    /// The rollout of which it reports a signal, where it does that.
    pub reports: Option<&'a str>,
    /// The time, in seconds since 1970.
    pub now_s: f64,
}

/// Stands between the entries of `ADMIN_TOKENS` and those of `REPORTER_TOKENS`; no entry has it.
const REPORTERS: char = '\u{1e}';

/// All entries, as the secrets hold them. Reporters have a secret of their own: a release that does not know their role
/// refuses every entry of `ADMIN_TOKENS` where one of them has it, and does not look at `REPORTER_TOKENS` at all.
pub fn all_tokens(secret: impl Fn(&str) -> Option<String>) -> Option<String> {
    let tokens = secret("ADMIN_TOKENS")?;
    Some(match secret("REPORTER_TOKENS") {
        Some(reporters) => format!("{tokens}{REPORTERS}{reporters}"),
        None => tokens,
    })
}

/// Somebody who has been admitted.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// Who.
    pub person: Person,
    /// When the sign-in ends, in seconds since 1970; a token has no such time.
    pub ends_s: Option<u64>,
    /// How they have signed in.
    pub by: By,
}

/// How somebody has signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// With a token.
    Token,
    /// With the console's session.
    Session,
    /// With Cloudflare Access, as a person in a browser.
    Access,
    /// With Cloudflare Access, as a service that sends its own secret.
    Service,
}

impl By {
    /// Whether a browser sends it by itself, whatever page asks.
    const fn is_sent_by_itself(self) -> bool {
        matches!(self, Self::Session | Self::Access)
    }
}

/// Admits a request, or says why not. `tokens` is what [`all_tokens`] found; without `sessions` there
/// are none.
///
/// # Errors
/// With the problem to answer.
pub fn admit(
    tokens: Option<&str>,
    sessions: Option<&SessionKey>,
    credentials: &Credentials<'_>,
) -> Result<Admitted, Problem> {
    let admitted = signed_in(tokens, sessions, credentials)?;
    let (person, by) = (&admitted.person, admitted.by);
    if person.role == Role::Reporter {
        let is_its = |rollout: &str| person.scope.rollout.as_ref().is_none_or(|own| own == rollout);
        return match credentials.reports {
            Some(rollout) if is_its(rollout) && !is_cross_site(credentials) => Ok(admitted),
            _ => Err(Problem::only_reports(person)),
        };
    }
    // The cookie of Access may travel with whatever another site's page asks for; a session's never does.
    if credentials.is_read && !(by == By::Access && is_cross_site(credentials)) {
        return Ok(admitted);
    }
    if is_cross_site(credentials) || by.is_sent_by_itself() && !is_same_site(credentials) {
        return Err(Problem::cross_site());
    }
    if person.role == Role::Operator { Ok(admitted) } else { Err(Problem::forbidden(&person.name)) }
}

/// Who signs in, by the first way that the request brings.
fn signed_in(
    tokens: Option<&str>,
    sessions: Option<&SessionKey>,
    credentials: &Credentials<'_>,
) -> Result<Admitted, Problem> {
    if let Some(authorization) = credentials.authorization {
        return Ok(Admitted { person: by_authorization(tokens, authorization)?, ends_s: None, by: By::Token });
    }
    let session = by_session(tokens, sessions, credentials);
    match (session, &credentials.access) {
        (Ok(Some(admitted)), _) => Ok(admitted),
        (_, Some(visitor)) => {
            let Visitor { person, ends_s, is_browser } = visitor.clone()?;
            let by = if is_browser { By::Access } else { By::Service };
            Ok(Admitted { person, ends_s: Some(ends_s), by })
        }
        (Ok(None), None) => {
            entries(tokens)?;
            Err(Problem::unauthorized("the request carries no token"))
        }
        (Err(problem), None) => Err(problem),
    }
}

/// Whose session the request brings; `None` where it brings none.
fn by_session(
    tokens: Option<&str>,
    sessions: Option<&SessionKey>,
    credentials: &Credentials<'_>,
) -> Result<Option<Admitted>, Problem> {
    if credentials.sessions.is_empty() {
        return Ok(None);
    }
    let key = sessions.ok_or_else(Problem::no_signing_key)?;
    let found = session::find(key, &entries(tokens)?, &credentials.sessions, credentials.now_s);
    let (person, ends_s) = found.ok_or_else(|| Problem::unauthorized("the session has ended"))?;
    Ok(Some(Admitted { person, ends_s: Some(ends_s), by: By::Session }))
}

fn by_authorization(tokens: Option<&str>, authorization: &str) -> Result<Person, Problem> {
    match authorization.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            by_token(tokens, token).map(|(person, _)| person)
        }
        _ => entries(tokens).and(Err(Problem::unauthorized("the header `Authorization` is not `Bearer TOKEN`"))),
    }
}

/// Whose token it is, and its hash.
///
/// # Errors
/// When it is nobody's, or there are no tokens.
pub fn by_token(tokens: Option<&str>, token: &str) -> Result<(Person, Digest), Problem> {
    let digest: Digest = Sha256::digest(token.trim().as_bytes()).into();
    let mut found = None;
    for (person, own) in entries(tokens)? {
        if is_equal(&digest, &own) {
            found = found.or(Some(person));
        }
    }
    found.map(|person| (person, digest)).ok_or_else(|| Problem::unauthorized("unknown token"))
}

/// Whether a browser says that another site's page sends it.
pub fn is_cross_site(credentials: &Credentials<'_>) -> bool {
    let is_foreign_origin =
        credentials.origin.is_some_and(|origin| !origin.eq_ignore_ascii_case(credentials.own_origin));
    let is_foreign_site = credentials.fetch_site.is_some_and(|site| !matches!(site, "same-origin" | "none"));
    is_foreign_origin || is_foreign_site
}

/// Whether a browser says that a page of this origin sends it.
fn is_same_site(credentials: &Credentials<'_>) -> bool {
    credentials.origin.is_some() || credentials.fetch_site == Some("same-origin")
}

fn entries(tokens: Option<&str>) -> Result<Vec<(Person, Digest)>, Problem> {
    let (text, reporters) =
        tokens.and_then(|text| text.split_once(REPORTERS)).unwrap_or((tokens.unwrap_or_default(), ""));
    if text.trim().is_empty() {
        return Err(Problem::no_tokens());
    }
    let mut entries = split(text)
        .enumerate()
        .map(|(index, entry)| {
            read(entry).map_err(|why| Problem::bad_tokens(format!("entry {} of ADMIN_TOKENS {why}", index + 1)))
        })
        .collect::<Result<Vec<_>, _>>()?;
    // Nobody who operates is locked out by a slip in what other systems hold.
    entries.extend(split(reporters).filter_map(|entry| read(entry).ok()).filter(|(own, _)| own.role == Role::Reporter));
    Ok(entries)
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty())
}

fn read(entry: &str) -> Result<(Person, Digest), &'static str> {
    let mut parts = entry.splitn(3, ':');
    let (Some(name), Some(role), Some(digest)) = (parts.next(), parts.next(), parts.next()) else {
        return Err("is not NAME:ROLE:SHA256HEX");
    };
    let is_name_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || name.len() > 100 || !name.chars().all(is_name_char) {
        return Err("has a name that is not 1 to 100 letters, digits, `-`, `_`, `.` or `@`");
    }
    if NAMES_OF_OUR_OWN.contains(&name) {
        return Err("has a name that the history reserves for automatic changes");
    }
    let (role, scope) = role_of(role)?;
    let digest = base16ct::mixed::decode_vec(digest).ok().and_then(|digest| Digest::try_from(digest).ok());
    let digest = digest.ok_or("does not end with 64 hexadecimal digits, the SHA-256 of the token")?;
    Ok((Person { name: name.to_owned(), role, scope }, digest))
}

/// `viewer`, `operator`, `operator/ROLE+ROLE`, or a reporter with its scope.
pub(super) fn role_of(text: &str) -> Result<(Role, Scope), &'static str> {
    match text.split_once('/').unwrap_or((text, "")) {
        ("viewer", "") => Ok((Role::Viewer, Scope::default())),
        ("operator", "") => Ok((Role::Operator, Scope::default())),
        ("operator", roles) => Ok((Role::Operator, roles_of(roles)?)),
        ("reporter", scope) => Ok((Role::Reporter, scope_of(scope)?)),
        _ => Err("has a role that is neither `viewer`, `operator`, `operator/ROLE+ROLE` nor `reporter/ROLLOUT/SIGNAL`"),
    }
}

/// `ROLLOUT`, `ROLLOUT/SIGNAL`, or `*/SIGNAL` for any rollout's.
fn scope_of(text: &str) -> Result<Scope, &'static str> {
    let (rollout, signal) = text.split_once('/').map_or((text, None), |(rollout, signal)| (rollout, Some(signal)));
    let is_name = |text: &str| text.parse::<tidegate_model::Name>().is_ok();
    let is_any = rollout == "*";
    if !(is_name(rollout) || is_any && signal.is_some()) || !signal.is_none_or(is_name) {
        return Err("has a reporter that is not `reporter/ROLLOUT`, `reporter/ROLLOUT/SIGNAL` or `reporter/*/SIGNAL`");
    }
    Ok(Scope { rollout: (!is_any).then(|| rollout.to_owned()), signal: signal.map(str::to_owned), ..Scope::default() })
}

/// `ROLE`, or several of them: `qa-lead+dba`.
fn roles_of(text: &str) -> Result<Scope, &'static str> {
    let is_name = |role: &str| role.parse::<tidegate_model::Name>().is_ok();
    let roles: Vec<String> = text.split('+').map(str::to_owned).collect();
    if roles.iter().all(|role| is_name(role)) {
        Ok(Scope { roles, ..Scope::default() })
    } else {
        Err("has an operator whose roles are not names such as `operator/qa-lead+dba`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // The SHA-256 of `secret` and of `other`.
    const TOKENS: &str = "ana:operator:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b,\n vic:viewer:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";

    #[test]
    fn reporters_have_a_secret_of_their_own_in_which_nobody_else_counts() {
        let digest = "9d5ed678fe57bcca610140957afab571b1f7c5f7d0b0c4a5d8a6c5b3f1a7f0c1";
        let hash =
            |token: &str| Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let reporters = format!(
            "desk:reporter/shop/p1:{}, eve:operator:{}, broken:reporter/shop:{}x",
            hash("desk"),
            hash("eve"),
            digest
        );
        let tokens = all_tokens(|name| match name {
            "ADMIN_TOKENS" => Some(TOKENS.to_owned()),
            "REPORTER_TOKENS" => Some(reporters.clone()),
            _ => None,
        });
        let role = |token: &str| by_token(tokens.as_deref(), token).map(|(person, _)| person.role).ok();
        assert_eq!(
            [role("secret"), role("desk"), role("eve"), role("broken")],
            [Some(Role::Operator), Some(Role::Reporter), None, None]
        );
        assert_eq!(all_tokens(|name| (name == "REPORTER_TOKENS").then(|| reporters.clone())), None, "it opens nothing");
    }

    fn asked<'a>(authorization: Option<&'a str>, is_read: bool) -> Credentials<'a> {
        Credentials {
            authorization,
            sessions: Vec::new(),
            access: None,
            origin: None,
            fetch_site: None,
            own_origin: "https://shop.example.com",
            is_read,
            reports: None,
            now_s: 0.0,
        }
    }

    #[track_caller]
    fn answers(tokens: Option<&str>, credentials: &Credentials<'_>, expected: &str) {
        let key = SessionKey::derive("a key of thirty-two bytes, or so");
        let outcome = admit(tokens, key.as_ref(), credentials)
            .map_or_else(|problem| problem.kind.to_owned(), |admitted| admitted.person.name);
        assert_eq!(outcome, expected);
    }

    #[test]
    fn without_tokens_it_is_closed() {
        answers(None, &asked(Some("Bearer secret"), true), "no-tokens");
        answers(Some(" \n"), &asked(Some("Bearer secret"), true), "no-tokens");
        answers(Some("ana:operator:secret"), &asked(Some("Bearer secret"), true), "bad-tokens");
        answers(
            Some("kv:operator:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
            &asked(Some("Bearer secret"), true),
            "bad-tokens",
        );
        answers(
            Some("ana:root:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"),
            &asked(Some("Bearer secret"), true),
            "bad-tokens",
        );
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
    fn a_reporter_reports_its_signals_and_does_nothing_else() {
        const REPORTERS: &str = "ci:reporter/shop/p1:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b,desk:reporter/*/p1:d9298a10d1b0735837dc4bd85dac641b0f3cef27a47e5d53a54f2f3f5b2fcffa";
        let reports = |token, rollout| Credentials { reports: Some(rollout), ..asked(Some(token), false) };
        answers(Some(REPORTERS), &reports("Bearer secret", "shop"), "ci");
        answers(Some(REPORTERS), &reports("Bearer secret", "other"), "forbidden");
        answers(Some(REPORTERS), &reports("Bearer other", "shop"), "desk");
        for is_read in [true, false] {
            answers(Some(REPORTERS), &asked(Some("Bearer secret"), is_read), "forbidden");
        }
        let foreign = Credentials { origin: Some("https://evil.example"), ..reports("Bearer secret", "shop") };
        answers(Some(REPORTERS), &foreign, "forbidden");
        for role in ["reporter", "reporter/", "reporter/*", "reporter/a b", "reporter/a/", "reporter/a/b/c", "viewer/a"]
        {
            let entry = format!("ci:{role}:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b");
            answers(Some(&entry), &asked(Some("Bearer secret"), true), "bad-tokens");
        }
        let entry = "ci:reporter/shop/p1:2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
        let scope = by_token(Some(entry), "secret").map(|(person, _)| person.scope.to_string());
        assert_eq!(scope.ok().as_deref(), Some("the signal p1 of shop"));
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

    #[test]
    fn a_change_under_a_session_proves_that_it_comes_from_a_page_of_the_same_origin() {
        let key = SessionKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!());
        let cookie = |token| {
            by_token(Some(TOKENS), token)
                .map(|(person, digest)| session::begin(&key, &person, &digest, 60))
                .unwrap_or_default()
        };
        let (ana, vic) = (cookie("secret"), cookie("other"));
        let change = |sessions, origin, fetch_site| Credentials { sessions, origin, fetch_site, ..asked(None, false) };
        answers(Some(TOKENS), &change(session::brought(&ana), Some("https://shop.example.com"), None), "ana");
        answers(Some(TOKENS), &change(session::brought(&ana), None, Some("same-origin")), "ana");
        answers(Some(TOKENS), &change(session::brought(&ana), None, None), "cross-site");
        answers(Some(TOKENS), &change(session::brought(&ana), None, Some("none")), "cross-site");
        answers(
            Some(TOKENS),
            &change(session::brought(&ana), Some("https://evil.example"), Some("same-origin")),
            "cross-site",
        );
        answers(Some(TOKENS), &change(session::brought(&vic), None, Some("same-origin")), "forbidden");
        answers(Some(TOKENS), &Credentials { sessions: session::brought(&vic), ..asked(None, true) }, "vic");
        answers(
            Some(TOKENS),
            &Credentials { sessions: session::brought(&vic), ..asked(Some("Bearer wrong"), true) },
            "unauthorized",
        );
        answers(
            Some(TOKENS),
            &Credentials { sessions: session::brought(&vic), now_s: 60.0, ..asked(None, true) },
            "unauthorized",
        );
        answers(None, &Credentials { sessions: session::brought(&vic), ..asked(None, true) }, "no-tokens");
    }

    fn by_access(role: Role, is_browser: bool, is_read: bool) -> Credentials<'static> {
        let person = Person { name: "ana@example.com".into(), role, scope: Scope::default() };
        let visitor = Visitor { person, ends_s: 60, is_browser };
        Credentials { access: Some(Ok(visitor)), ..asked(None, is_read) }
    }

    #[test]
    fn a_person_that_access_has_signed_in_must_come_from_a_page_of_the_same_origin() {
        let from = |origin, fetch_site, is_read| Credentials {
            origin,
            fetch_site,
            ..by_access(Role::Operator, true, is_read)
        };
        answers(None, &from(None, None, true), "ana@example.com");
        answers(None, &from(None, Some("cross-site"), true), "cross-site");
        answers(None, &from(None, None, false), "cross-site");
        answers(None, &from(None, Some("none"), false), "cross-site");
        answers(None, &from(Some("https://evil.example"), Some("cross-site"), false), "cross-site");
        answers(None, &from(Some("https://shop.example.com"), None, false), "ana@example.com");
        answers(None, &from(None, Some("same-origin"), false), "ana@example.com");
        answers(None, &by_access(Role::Operator, false, false), "ana@example.com");
        let viewer = Credentials { fetch_site: Some("same-origin"), ..by_access(Role::Viewer, true, false) };
        answers(None, &viewer, "forbidden");
    }

    #[test]
    fn a_token_counts_before_access_and_access_where_a_session_has_ended() {
        let token = Credentials { authorization: Some("Bearer secret"), ..by_access(Role::Viewer, true, false) };
        answers(Some(TOKENS), &token, "ana");
        let wrong = Credentials { authorization: Some("Bearer wrong"), ..by_access(Role::Viewer, true, true) };
        answers(Some(TOKENS), &wrong, "unauthorized");
        let ended = Credentials { sessions: vec!["ana~1.AAAA"], ..by_access(Role::Viewer, true, true) };
        answers(Some(TOKENS), &ended, "ana@example.com");
        let refused = Credentials { access: Some(Err(Problem::access_refused())), ..asked(None, true) };
        answers(Some(TOKENS), &refused, "access-refused");
    }
}
