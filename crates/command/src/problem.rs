//! What can go wrong between the command and the API, each with its way out.

use std::ops::Deref;

use serde_json::Value;
use tidegate_protocol::api::shapes;

use super::ladder::summary;
use super::paint::{BAD, BOLD, note, paint, print_raw};
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
#[derive(Clone, Debug, Default)]
pub struct Problem {
    pub document: shapes::Problem,
    /// The document as it came.
    pub text: String,
}

impl Deref for Problem {
    type Target = shapes::Problem;

    fn deref(&self) -> &shapes::Problem {
        &self.document
    }
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

    /// What is wrong beside what the message says, one line for each.
    fn further(&self) -> Vec<String> {
        let faults = self.faults.iter().map(|fault| {
            let place = fault.rollout.iter().chain(Some(&fault.path).filter(|path| !path.is_empty()));
            let place: Vec<&str> = place.map(String::as_str).collect();
            (place.join(": "), fault.message.as_str(), fault.help.as_deref())
        });
        let refusals =
            self.refusals.iter().map(|own| (own.rollout.to_string(), own.detail.as_str(), own.help.as_deref()));
        let all: Vec<(String, &str, Option<&str>)> = faults.chain(refusals).collect();
        match all.as_slice() {
            [(_, message, _)] if self.message().contains(message) => Vec::new(),
            _ => all.into_iter().map(line).collect(),
        }
    }
}

fn line((place, message, help): (String, &str, Option<&str>)) -> String {
    let help = help.map(|help| format!(" ({help})")).unwrap_or_default();
    if place.is_empty() { format!("{message}{help}") } else { format!("{place}: {message}{help}") }
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
        lines.extend(problem.further().iter().map(|line| format!("  - {line}")));
        if let Some(current) = &problem.current {
            let revision = current.state.revision;
            lines.push(format!("  now: {} is {}, revision {revision}", current.key, summary(current)));
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
    let document = serde_json::from_value(value.clone()).unwrap_or_else(|_| {
        // Extras of a newer Tidegate must not hide what it says.
        let field = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        shapes::Problem {
            r#type: kind.into(),
            title: field("title").unwrap_or_default(),
            detail: field("detail").unwrap_or_default(),
            help: field("help"),
            ..shapes::Problem::default()
        }
    });
    let title = sentence(&document.title);
    Some(Problem { document: shapes::Problem { title, ..document }, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let error = Error::Problem(Box::new(read(text).unwrap()));
        anstream::adapter::strip_str(&lines(&error, None).join("\n")).to_string()
    }

    #[test]
    fn a_problem_is_reported_with_its_faults_and_its_help() {
        let text = r#"{"type":"urn:tidegate:problem:invalid-plans","title":"Invalid plans","status":422,"detail":"the plans have errors","help":"mend them","faults":[{"rollout":"shop","path":"stage[1].hold","message":"`48x` is not a duration","help":"10s"}]}"#;
        assert_eq!(
            shown(text),
            "error: the plans have errors\n  - shop: stage[1].hold: `48x` is not a duration (10s)\n  help: mend them"
        );
    }

    #[test]
    fn nothing_is_reported_twice() {
        let text = r#"{"type":"urn:tidegate:problem:malformed","detail":"percentage: `150` is more than 100 % (0 to 100)","help":"0 to 100","faults":[{"path":"percentage","message":"`150` is more than 100 %","help":"0 to 100"}]}"#;
        assert_eq!(shown(text), "error: percentage: `150` is more than 100 % (0 to 100)");
    }

    #[test]
    fn a_stale_revision_says_what_is_now() {
        let text = r#"{"type":"urn:tidegate:problem:stale-revision","detail":"demo has changed since revision 12","current":{"key":"demo","summary":"paused in half at 50 %","state":{"revision":13}}}"#;
        assert_eq!(
            shown(text),
            "error: demo has changed since revision 12\n  now: demo is paused in half at 50 %, revision 13\n  help: look again with `tidegate status`, then decide again"
        );
    }

    #[test]
    fn extras_that_cannot_be_read_do_not_hide_the_problem() {
        assert_eq!(shown(r#"{"type":"urn:tidegate:problem:refused","detail":"no","faults":7}"#), "error: no");
        assert!(read("<html>").is_none() && read(r#"{"type":"about:blank"}"#).is_none() && read("{}").is_none());
    }
}
