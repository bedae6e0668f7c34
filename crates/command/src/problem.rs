//! What can go wrong between the command and the API, each told with its way out.

use serde::Deserialize;
use serde_json::Value;

use super::paint::{BAD, BOLD, note, paint, print_raw};
use super::view::{End, Rollout};
use super::words::sentence;

/// Why there is no answer to go on with.
#[derive(Debug)]
pub enum Error {
    /// Tidegate said no, and why.
    Problem(Box<Problem>),
    /// There was no answer.
    Contact { origin: String, kind: Contact },
    /// Somebody answered, but not Tidegate's API.
    Foreign { url: String, status: u16, content_type: String },
    /// The API is somewhere else.
    Moved { url: String, to: String },
    /// Tidegate answered what this build cannot read.
    Unreadable { url: String, why: String },
}

/// Why there was no answer.
#[derive(Debug)]
pub enum Contact {
    /// Nobody listens there.
    Refused,
    /// The host has no address.
    UnknownHost,
    /// No connection in time.
    Unreachable(String),
    /// No answer in time, though a connection.
    Slow,
    /// The connection broke.
    Broken(String),
    /// There is no trust, or no TLS.
    Tls(String),
    /// Anything else.
    Other(String),
}

/// A problem document (RFC 9457) of the API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub r#type: String,
    pub title: String,
    pub detail: String,
    pub help: Option<String>,
    pub faults: Vec<Told>,
    pub refusals: Vec<Told>,
    pub current: Option<Rollout>,
    /// The key that has to be named to do it all the same, and what would end then.
    pub confirm: Option<String>,
    pub ends: Vec<End>,
    /// The document as it came.
    #[serde(skip)]
    pub text: String,
}

/// One of several things that are wrong.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Told {
    rollout: String,
    path: String,
    message: String,
    detail: String,
    help: Option<String>,
}

impl Problem {
    /// The last part of its type, such as `stale-revision`.
    pub fn kind(&self) -> &str {
        self.r#type.rsplit(':').next().unwrap_or_default()
    }

    fn message(&self) -> String {
        if self.detail.is_empty() { self.title.clone() } else { self.detail.clone() }
    }

    fn help(&self) -> Option<String> {
        // What a program would have to do is not always what its user has to do.
        let own = match self.kind() {
            "unauthorized" => {
                "check TIDEGATE_TOKEN: it must be a token whose entry is in ADMIN_TOKENS of this deployment"
            }
            "forbidden" => "set TIDEGATE_TOKEN to an operator's token: `tidegate token NAME --role operator` makes one",
            "stale-revision" => "look again with `tidegate status`, then decide again",
            _ => return self.help.clone().filter(|help| !help.is_empty() && !self.message().contains(help.as_str())),
        };
        Some(own.to_owned())
    }

    /// What is wrong beside what the message says.
    fn further(&self) -> Vec<&Told> {
        let all: Vec<&Told> = self.faults.iter().chain(&self.refusals).collect();
        if all.iter().any(|told| self.message().contains(told.what())) && all.len() == 1 { Vec::new() } else { all }
    }
}

impl Told {
    fn what(&self) -> &str {
        if self.message.is_empty() { &self.detail } else { &self.message }
    }

    fn line(&self) -> String {
        let place = [&self.rollout, &self.path]
            .into_iter()
            .filter(|part| !part.is_empty())
            .map(String::as_str)
            .collect::<Vec<_>>()
            .join(": ");
        let message = self.what();
        let help = self.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        if place.is_empty() { format!("{message}{help}") } else { format!("{place}: {message}{help}") }
    }
}

impl Error {
    /// Whether what was sent may have had its effect all the same.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Contact { kind, .. } => matches!(kind, Contact::Slow | Contact::Broken(_)),
            Self::Problem(problem) => problem.kind() == "unavailable",
            _ => false,
        }
    }

    /// Whether asking again later may go better.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Problem(problem) => matches!(problem.kind(), "unavailable" | "no-controller"),
            Self::Contact { kind, .. } => !matches!(kind, Contact::Tls(_)),
            // A proxy on the way, or a deployment under way.
            Self::Foreign { status, .. } => *status >= 500,
            Self::Moved { .. } | Self::Unreadable { .. } => false,
        }
    }

    pub fn message(&self) -> String {
        match self {
            Self::Problem(problem) => problem.message(),
            Self::Contact { origin, kind } => match kind {
                Contact::Refused => format!("nothing answers at {origin}: the connection is refused"),
                Contact::UnknownHost => format!("{origin} cannot be reached: the host has no address"),
                Contact::Unreachable(why) => format!("{origin} cannot be reached: {why}"),
                Contact::Slow => format!("{origin} did not answer within {} s", super::connection::TIMEOUT.as_secs()),
                Contact::Broken(why) => format!("the connection to {origin} broke before the answer was there: {why}"),
                Contact::Tls(why) => format!("no secure connection to {origin}: {why}"),
                Contact::Other(why) => format!("{origin} cannot be asked: {why}"),
            },
            Self::Foreign { url, status, content_type } => {
                let what = if content_type.is_empty() { "nothing to read" } else { content_type };
                format!("{url} is not Tidegate's API: it answered {status} with {what}")
            }
            Self::Moved { url, to } => format!("{url} redirects to {to}"),
            Self::Unreadable { url, why } => format!("the answer of {url} cannot be read: {why}"),
        }
    }

    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::Problem(problem) => return problem.help(),
            Self::Contact { kind, .. } => match kind {
                Contact::Refused => {
                    "start it there (`make dev` on this machine), or name the address with --url or TIDEGATE_URL"
                }
                Contact::UnknownHost | Contact::Unreachable(_) | Contact::Other(_) => {
                    "check the address (--url, TIDEGATE_URL) and the network"
                }
                Contact::Slow | Contact::Broken(_) => {
                    "try again; if that stays so, check the address (--url, TIDEGATE_URL) and the network"
                }
                Contact::Tls(why) if why.contains("UnknownIssuer") => {
                    "if a private authority has signed its certificate, name it: SSL_CERT_FILE=ca.pem"
                }
                Contact::Tls(why) if why.contains("InvalidContentType") => {
                    "it seems to speak plain HTTP: write http:// if you trust the network in between"
                }
                Contact::Tls(_) => {
                    "check the address (--url, TIDEGATE_URL): the certificate must be valid and name this host"
                }
            },
            Self::Foreign { .. } => {
                "--url and TIDEGATE_URL take an address of a site behind a Tidegate that has the API, such as https://shop.example.com; where CONSOLE_HOST is set, the address of that host"
            }
            Self::Moved { .. } => {
                "give that address with --url or TIDEGATE_URL; the token is not sent along a redirect"
            }
            Self::Unreadable { .. } => "the deployment is probably newer than this command: update it, or use --json",
        };
        Some(help.to_owned())
    }
}

/// Tells what went wrong: to people on standard error, and to programs the document that came.
pub fn show(error: &Error, extra: Option<&str>, json: bool) {
    if json && let Error::Problem(problem) = error {
        let _ = print_raw(&problem.text);
    }
    for line in lines(error, extra) {
        note(&line);
    }
}

fn lines(error: &Error, extra: Option<&str>) -> Vec<String> {
    let mut lines = vec![format!("{} {}", paint(BAD.bold(), "error:"), paint(BOLD, error.message()))];
    if let Error::Problem(problem) = error {
        lines.extend(problem.further().into_iter().map(|told| format!("  - {}", told.line())));
        if let Some(current) = &problem.current {
            lines.push(format!(
                "  now: {} is {}, revision {}",
                current.key,
                current.state.told(),
                current.state.revision
            ));
        }
    }
    lines.extend(error.help().map(|help| format!("  help: {help}")));
    lines.extend(extra.map(|extra| format!("  {extra}")));
    lines
}

/// Reads a problem document, or says that it is none.
pub fn read(text: &str) -> Option<Problem> {
    let value: Value = serde_json::from_str(text).ok()?;
    let kind = value.get("type")?.as_str()?;
    if !kind.starts_with("urn:tidegate:") {
        return None;
    }
    let problem = serde_json::from_value(value.clone()).unwrap_or_else(|_| {
        // Extras of a newer Tidegate must not hide what it says.
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Problem {
            r#type: kind.to_owned(),
            title: field("title").unwrap_or_default(),
            detail: field("detail").unwrap_or_default(),
            help: field("help"),
            ..Problem::default()
        }
    });
    let title = sentence(&problem.title);
    Some(Problem { title, text: text.to_owned(), ..problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        let error = Error::Problem(Box::new(read(text).unwrap()));
        anstream::adapter::strip_str(&lines(&error, None).join("\n")).to_string()
    }

    #[test]
    fn a_problem_is_told_with_its_faults_and_its_help() {
        let text = r#"{"type":"urn:tidegate:problem:invalid-plans","title":"Invalid plans","status":422,"detail":"the plans have errors","help":"mend them","faults":[{"rollout":"shop","path":"stage[1].hold","message":"`48x` is not a duration","help":"10s"}]}"#;
        assert_eq!(
            told(text),
            "error: the plans have errors\n  - shop: stage[1].hold: `48x` is not a duration (10s)\n  help: mend them"
        );
    }

    #[test]
    fn nothing_is_told_twice() {
        let text = r#"{"type":"urn:tidegate:problem:malformed","detail":"percentage: `150` is more than 100 % (0 to 100)","help":"0 to 100","faults":[{"path":"percentage","message":"`150` is more than 100 %","help":"0 to 100"}]}"#;
        assert_eq!(told(text), "error: percentage: `150` is more than 100 % (0 to 100)");
    }

    #[test]
    fn a_stale_revision_says_what_is_now() {
        let text = r#"{"type":"urn:tidegate:problem:stale-revision","detail":"demo has changed since revision 12","current":{"key":"demo","state":{"revision":13,"phase":"paused","stage":"half","percentage":50}}}"#;
        assert_eq!(
            told(text),
            "error: demo has changed since revision 12\n  now: demo is paused in half at 50 %, revision 13\n  help: look again with `tidegate status`, then decide again"
        );
    }

    #[test]
    fn extras_that_cannot_be_read_do_not_hide_the_problem() {
        assert_eq!(told(r#"{"type":"urn:tidegate:problem:refused","detail":"no","faults":7}"#), "error: no");
        assert!(read("<html>").is_none() && read(r#"{"type":"about:blank"}"#).is_none() && read("{}").is_none());
    }
}
