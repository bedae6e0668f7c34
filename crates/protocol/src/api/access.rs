//! Signing in with Cloudflare Access, beside tokens: the JWT that it sends along says who asks.
//!
//! 1. A JWT counts with the team's signature (RS256 or ES256), from the team, for one of this deployment's
//!    applications, with an end, and within its time.
//! 2. What somebody may do stands in `ACCESS_ROLES`. Whoever is in no entry may do nothing.
//! 3. The answer does not say what is wrong with a JWT; the log does, and names nobody.
//! 4. What cannot be read of the settings closes this way in, and no other.

use tidegate_model::node::{Node, Value};
use tidegate_model::plan::Token;
use tidegate_model::source::Source;

use super::auth::{Person, Role, Scope, role_of};
use super::problem::Problem;
use crate::jwt::{self, Unverified};

/// The header in which Access sends the JWT.
pub const HEADER: &str = "cf-access-jwt-assertion";
/// Where whoever has signed in by Access signs out.
pub const SIGN_OUT: &str = "/cdn-cgi/access/logout";
/// A longer JWT is none, in bytes: Cloudflare allows a request 128 KB of headers, and Access sends about 1 KB.
const BYTES_MAX: usize = 16_384;
/// A longer name is none, in bytes: an address has at most 254.
const NAME_BYTES_MAX: usize = 254;

/// What the environment says of Access.
#[derive(Debug)]
pub struct Access {
    /// How a JWT of the team is verified.
    pub token: Token,
    audiences: Vec<String>,
    entries: Vec<(Who, Role, Scope)>,
}

/// Whom an entry of `ACCESS_ROLES` is about.
#[derive(Debug, PartialEq, Eq)]
enum Who {
    /// `ana@example.com`.
    Email(String),
    /// `@example.com`: everybody with an address there.
    Domain(String),
    /// `group:release`.
    Group(String),
    /// `service:ID.access`, the client id of a service token.
    Service(String),
}

/// Somebody that Access has signed in.
#[derive(Clone, Debug)]
pub struct Visitor {
    /// Who, and what they may do.
    pub person: Person,
    /// When that ends, in seconds since 1970.
    pub ends_s: u64,
    /// Whether a browser sends the sign-in by itself, as it does for a person; a service sends its own.
    pub is_browser: bool,
}

/// Why a JWT does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It could not be verified.
    Unverified(Unverified),
    /// It is another team's.
    Issuer,
    /// It is for another application.
    Audience,
    /// It has no end.
    NoEnd,
    /// It has ended, or has not begun, or its times are no numbers.
    Time,
    /// It names neither a person nor a service.
    Nobody,
    /// No entry of `ACCESS_ROLES` is about whom it names.
    NoRole,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unverified(why) => return why.fmt(f),
            Self::Issuer => "its `iss` is not the team of ACCESS_TEAM",
            Self::Audience => "its `aud` has none of ACCESS_AUD",
            Self::NoEnd => "it has no `exp`",
            Self::Time => "it has expired, or its `nbf` has not come, or one of them is no number",
            Self::Nobody => "it has neither an `email` nor a `common_name` that can be a name",
            Self::NoRole => "no entry of ACCESS_ROLES is about whom it names, or about one of their groups",
        })
    }
}

impl From<Refused> for Problem {
    fn from(why: Refused) -> Self {
        match why {
            Refused::NoRole => Self::no_access_role(),
            _ => Self::access_refused(),
        }
    }
}

impl Access {
    /// Reads `ACCESS_TEAM`, `ACCESS_AUD` and `ACCESS_ROLES`; `None` where none of them is set.
    ///
    /// # Errors
    /// The name of the one that is unusable, and why.
    pub fn read(text: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, (&'static str, String)> {
        let set = |name: &str| text(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let names = ["ACCESS_TEAM", "ACCESS_AUD", "ACCESS_ROLES"];
        if names.iter().all(|name| set(name).is_none()) {
            return Ok(None);
        }
        let needed = |name: &'static str| {
            set(name).ok_or_else(|| (name, "is not set, and the other two are worth nothing without it".to_owned()))
        };
        let origin = origin(&needed("ACCESS_TEAM")?).map_err(|why| ("ACCESS_TEAM", why))?;
        let audiences: Vec<String> = split(&needed("ACCESS_AUD")?).map(str::to_owned).collect();
        let entries = split(&needed("ACCESS_ROLES")?)
            .enumerate()
            .map(|(index, entry)| entry_of(entry).map_err(|why| ("ACCESS_ROLES", format!("entry {} {why}", index + 1))))
            .collect::<Result<Vec<_>, _>>()?;
        let jwks = format!("{origin}/cdn-cgi/access/certs").parse();
        let jwks = jwks.map_err(|error: tidegate_model::upstream::UpstreamError| ("ACCESS_TEAM", error.to_string()))?;
        let token = Token {
            from: Source::Header(HEADER.into()),
            secret: None,
            jwks: Some(jwks),
            issuer: Some(origin),
            audience: None,
        };
        Ok(Some(Self { token, audiences, entries }))
    }

    /// Whether a text can be a JWT of Access at all.
    pub const fn is_short_enough(text: &str) -> bool {
        text.len() <= BYTES_MAX
    }

    /// Who the claims of a verified JWT are about, at `now_s` seconds since 1970.
    ///
    /// # Errors
    /// When they do not count.
    pub fn visitor(&self, claims: &Node, now_s: f64) -> Result<Visitor, Refused> {
        if jwt::text_of(claims, "iss") != self.token.issuer.as_deref() {
            return Err(Refused::Issuer);
        }
        if !self.audiences.iter().any(|own| texts(claims.field("aud")).contains(&own.as_str())) {
            return Err(Refused::Audience);
        }
        let ends_s = jwt::time_of(claims, "exp").ok_or(Refused::NoEnd)?;
        if !jwt::accepted(claims, &self.token, now_s, false) {
            return Err(Refused::Time);
        }
        let ends_s = ends_s.max(0.0) as u64;
        let name = |claim: &str| jwt::text_of(claims, claim).filter(|text| is_name(text)).map(str::to_ascii_lowercase);
        if let Some(email) = name("email") {
            let groups = texts(claims.field("groups"));
            let custom = texts(claims.field("custom").and_then(|custom| custom.field("groups")));
            let is_it = |who: &Who| match who {
                Who::Email(own) => *own == email,
                Who::Domain(own) => email.rsplit_once('@').is_some_and(|(_, domain)| domain == own),
                Who::Group(own) => groups.contains(&own.as_str()) || custom.contains(&own.as_str()),
                Who::Service(_) => false,
            };
            return Ok(Visitor { person: self.person(email.clone(), is_it)?, ends_s, is_browser: true });
        }
        let service = name("common_name").ok_or(Refused::Nobody)?;
        let is_it = |who: &Who| matches!(who, Who::Service(own) if *own == service);
        Ok(Visitor { person: self.person(service.clone(), is_it)?, ends_s, is_browser: false })
    }

    /// All that the entries allow whom they are about: the highest role, and every role of plans.
    fn person(&self, name: String, is_it: impl Fn(&Who) -> bool) -> Result<Person, Refused> {
        let own: Vec<_> = self.entries.iter().filter(|(who, ..)| is_it(who)).collect();
        let role = own.iter().map(|(_, role, _)| *role).max().ok_or(Refused::NoRole)?;
        let mut scope = Scope::default();
        for (_, _, more) in own.iter().filter(|(_, own, _)| *own == role) {
            scope.roles.extend(more.roles.iter().cloned());
            // Only a service reports, and it stands in one entry as a rule; of several the first says what it reports.
            scope.rollout = scope.rollout.or_else(|| more.rollout.clone());
            scope.signal = scope.signal.or_else(|| more.signal.clone());
        }
        Ok(Person { name, role, scope })
    }
}

/// The origin of a team: `example` is `https://example.cloudflareaccess.com`.
fn origin(team: &str) -> Result<String, String> {
    let is_word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if is_word(team) {
        return Ok(format!("https://{}.cloudflareaccess.com", team.to_ascii_lowercase()));
    }
    let upstream = team.parse::<tidegate_model::upstream::Upstream>();
    match upstream {
        Ok(upstream) if upstream.to_string() == team => Ok(team.to_owned()),
        _ => {
            Err(format!("`{team}` is no team; write `example`, or its address `https://example.cloudflareaccess.com`"))
        }
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split([',', '\n']).map(str::trim).filter(|entry| !entry.is_empty())
}

fn entry_of(entry: &str) -> Result<(Who, Role, Scope), &'static str> {
    let (who, role) = entry.rsplit_once(':').ok_or("is not WHO:ROLE")?;
    let (role, scope) = role_of(role)?;
    let who = match who.split_once(':') {
        Some(("group", group)) if !group.is_empty() => Who::Group(group.to_owned()),
        Some(("service", id)) if is_name(id) => Who::Service(id.to_ascii_lowercase()),
        None => match who.rsplit_once('@') {
            Some(("", domain)) if is_name(domain) => Who::Domain(domain.to_ascii_lowercase()),
            Some((local, domain)) if !local.is_empty() && is_name(who) && !domain.is_empty() => {
                Who::Email(who.to_ascii_lowercase())
            }
            _ => return Err(NO_WHO),
        },
        _ => return Err(NO_WHO),
    };
    if role == Role::Reporter && !matches!(who, Who::Service(_)) {
        return Err("has a reporter that is no service; a reporter is `service:ID.access:reporter/ROLLOUT/SIGNAL`");
    }
    Ok((who, role, scope))
}

const NO_WHO: &str = "is about nobody: `ana@example.com:operator`, `@example.com:viewer`, `group:release:operator` or `service:ID.access:operator`";

/// Whether a text can be an actor of the history: printable ASCII without spaces.
fn is_name(text: &str) -> bool {
    (1..=NAME_BYTES_MAX).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@' | '+' | '\''))
}

/// The texts of a claim that is one or a list of them.
fn texts(claim: Option<&Node>) -> Vec<&str> {
    match claim.map(|claim| &claim.value) {
        Some(Value::Text(one)) => vec![one],
        Some(Value::List(list)) => list.iter().filter_map(jwt::as_text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(team: &str, audiences: &str, roles: &str) -> Result<Option<Access>, (&'static str, String)> {
        Access::read(|name| match name {
            "ACCESS_TEAM" => Some(team.to_owned()),
            "ACCESS_AUD" => Some(audiences.to_owned()),
            "ACCESS_ROLES" => Some(roles.to_owned()),
            _ => None,
        })
    }

    const ROLES: &str = "Ana@example.com:operator/qa-lead,\n@example.com:viewer, group:Release Team:operator/dba, \
                         service:abc.access:reporter/shop/p1";

    fn visitor(claims: &str) -> Result<Visitor, Refused> {
        let access = read("example", "aud-1, aud-2", ROLES).ok().flatten().unwrap_or_else(|| unreachable!());
        access.visitor(&serde_json::from_str(claims).unwrap(), 1_000.0)
    }

    /// Claims that count, with others in their place or beside them.
    fn claims(other: &str) -> String {
        let mut all: serde_json::Value = serde_json::from_str(
            r#"{"iss":"https://example.cloudflareaccess.com","aud":["aud-1"],"exp":2000,"nbf":900,"email":"ana@example.com"}"#,
        )
        .unwrap();
        let other: serde_json::Map<String, serde_json::Value> = serde_json::from_str(other).unwrap();
        for (name, value) in other {
            if value.is_null() {
                all.as_object_mut().unwrap().remove(&name);
            } else {
                all[name] = value;
            }
        }
        all.to_string()
    }

    #[test]
    fn an_entry_gives_a_person_a_role_and_several_give_the_highest() {
        let is = |other: &str| visitor(&claims(other)).map(|visitor| (visitor.person, visitor.is_browser)).unwrap();
        let (ana, is_browser) = is("{}");
        assert_eq!((ana.name.as_str(), ana.role, is_browser), ("ana@example.com", Role::Operator, true));
        assert_eq!(ana.scope.roles, ["qa-lead"]);
        let (ben, _) = is(r#"{"email":"Ben@Example.com"}"#);
        assert_eq!((ben.name.as_str(), ben.role), ("ben@example.com", Role::Viewer));
        for groups in [r#"{"groups":["Release Team"]}"#, r#"{"custom":{"groups":["a","Release Team"]}}"#] {
            let (ana, _) = is(groups);
            assert_eq!(ana.scope.roles, ["qa-lead", "dba"], "{groups}");
        }
        let (eve, _) = is(r#"{"email":"eve@other.example","custom":{"groups":"Release Team"}}"#);
        assert_eq!((eve.name.as_str(), eve.role), ("eve@other.example", Role::Operator));
        let (service, is_browser) = is(r#"{"email":null,"common_name":"abc.access"}"#);
        assert_eq!((service.name.as_str(), service.role, is_browser), ("abc.access", Role::Reporter, false));
        assert_eq!((service.scope.rollout.as_deref(), service.scope.signal.as_deref()), (Some("shop"), Some("p1")));
    }

    #[test]
    fn claims_that_do_not_count_each_say_why() {
        for (other, why) in [
            (r#"{"iss":"https://evil.cloudflareaccess.com"}"#, Refused::Issuer),
            (r#"{"iss":null}"#, Refused::Issuer),
            (r#"{"aud":["aud-3"]}"#, Refused::Audience),
            (r#"{"aud":null}"#, Refused::Audience),
            (r#"{"exp":null}"#, Refused::NoEnd),
            (r#"{"exp":"2000"}"#, Refused::NoEnd),
            (r#"{"exp":900}"#, Refused::Time),
            (r#"{"nbf":1100}"#, Refused::Time),
            (r#"{"nbf":"soon"}"#, Refused::Time),
            (r#"{"email":null}"#, Refused::Nobody),
            (r#"{"email":"ana b@example.com"}"#, Refused::Nobody),
            (r#"{"email":"eve@other.example"}"#, Refused::NoRole),
            (r#"{"email":"eve@notexample.com"}"#, Refused::NoRole),
            (r#"{"email":"eve@other.example","groups":["release team"]}"#, Refused::NoRole),
            (r#"{"email":null,"common_name":"other.access"}"#, Refused::NoRole),
            (r#"{"email":"abc.access"}"#, Refused::NoRole),
        ] {
            assert_eq!(visitor(&claims(other)).map(|visitor| visitor.person.name), Err(why), "{other}");
        }
    }

    #[test]
    fn settings_that_cannot_be_read_name_the_variable_and_the_fault() {
        assert!(matches!(Access::read(|_| None), Ok(None)));
        assert!(matches!(read("", " ", ""), Ok(None)));
        let refused = |team, aud, roles| read(team, aud, roles).map(|_| ()).unwrap_err();
        assert_eq!(
            refused("example", "", ROLES),
            ("ACCESS_AUD", "is not set, and the other two are worth nothing without it".to_owned())
        );
        for (team, is_good) in [
            ("https://example.cloudflareaccess.com", true),
            ("http://127.0.0.1:8080", true),
            ("Example", true),
            ("example.cloudflareaccess.com", false),
            ("https://example.cloudflareaccess.com/", false),
            ("https://", false),
        ] {
            assert_eq!(read(team, "a", ROLES).is_ok(), is_good, "{team}");
        }
        for (entry, why) in [
            ("ana@example.com", "entry 1 is not WHO:ROLE"),
            ("ana@example.com:root", "entry 1 has a role that is neither"),
            ("ana:operator", "entry 1 is about nobody"),
            ("@:viewer", "entry 1 is about nobody"),
            ("team:x:viewer", "entry 1 is about nobody"),
            ("group::viewer", "entry 1 is about nobody"),
            ("a@b.example:viewer,ana@example.com:reporter/shop", "entry 2 has a reporter that is no service"),
        ] {
            let (name, text) = refused("example", "a", entry);
            assert!(name == "ACCESS_ROLES" && text.starts_with(why), "{entry}: {text}");
        }
    }
}
