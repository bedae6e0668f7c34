//! What is Tidegate's own: the paths under `/_tidegate/`, and everything on the console's host.
//!
//! 1. What people operate with answers where the console does; elsewhere it is not found, and nothing there tells
//!    where it is.
//! 2. Nothing of it reaches an upstream.

use super::address::Address;
use super::answer::Answer;
use super::api::problem::Problem;
use super::api::{EXPOSITION, PREFIX, session};
use super::beacon::path::REPORTS;
use super::console::{Console, is_for_everybody};
use super::{choice, feed, preview, receive, www};

/// Whether the isolate is well.
pub const HEALTH: &str = "/_tidegate/health";

/// What a request that is Tidegate's own asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum OwnPath<'a> {
    /// Who is signed in.
    SessionShown,
    /// To sign in.
    SignIn,
    /// To sign out.
    SignOut,
    /// The API, at this path below its prefix.
    Api(&'a str),
    /// What Prometheus reads.
    Exposition,
    /// Whether the isolate is well.
    Health,
    /// A preview's link.
    Preview,
    /// To choose a side.
    Choose,
    /// What pages report.
    Reports,
    /// The calendar of this name.
    Feed(&'a str),
    /// A delivery for the receiver of this name.
    Receiver(&'a str),
    /// A file of the console's, or the beacon's script.
    File,
    /// Nothing that there is: the answer.
    Nothing(Answer),
}

impl<'a> OwnPath<'a> {
    /// Finds what a request asks for.
    pub fn find(method: &str, address: &Address<'a>, console: &Console) -> Self {
        let path = address.path;
        if !is_for_everybody(path) && !console.serves(address) {
            return Self::Nothing(Answer::text(404, "Not found."));
        }
        let is_read = matches!(method, "GET" | "HEAD");
        match path {
            session::PATH => match method {
                "GET" | "HEAD" => Self::SessionShown,
                "POST" => Self::SignIn,
                "DELETE" => Self::SignOut,
                _ => Self::Nothing(Problem::method_not_allowed(method, "GET, HEAD, POST, DELETE").into()),
            },
            EXPOSITION => Self::Exposition,
            REPORTS => Self::Reports,
            HEALTH if is_read => Self::Health,
            preview::PATH if is_read => Self::Preview,
            choice::PATH if is_read || method == "POST" => Self::Choose,
            choice::PATH => Self::Nothing(Problem::method_not_allowed(method, "GET, HEAD, POST").into()),
            HEALTH | preview::PATH => Self::Nothing(Problem::method_not_allowed(method, "GET, HEAD").into()),
            // The page names its files beside itself. Nothing else is on a host that is the console's own.
            path if is_read && feed::name(path).is_some() => Self::Feed(feed::name(path).unwrap_or_default()),
            "/_tidegate" | "/" if is_read => Self::Nothing(Answer::redirect(308, "/_tidegate/")),
            path => match (path.strip_prefix(PREFIX), path.strip_prefix(receive::PREFIX)) {
                (Some(path), _) => Self::Api(path),
                // Grafana can be made to PUT.
                (None, Some(name)) if matches!(method, "POST" | "PUT") => Self::Receiver(name),
                (None, Some(_)) => Self::Nothing(Problem::method_not_allowed(method, "POST, PUT").into()),
                (None, None) if is_read && www::is_file(path) => Self::File,
                (None, None) => Self::Nothing(Problem::not_found(path).into()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'a>(method: &str, url: &'a str, console: &str) -> OwnPath<'a> {
        OwnPath::find(method, &Address::parse(url).unwrap(), &Console::read(Some(console)))
    }

    #[track_caller]
    fn is_nothing(method: &str, url: &str, console: &str, status: u16, header: &str) {
        let OwnPath::Nothing(answer) = find(method, url, console) else { unreachable!("{method} {url}") };
        assert_eq!(answer.status, status, "{method} {url}");
        assert!(answer.headers.contains(header), "{method} {url}: {}", answer.headers);
    }

    #[test]
    fn each_path_is_one_thing() {
        let at = |path: &str| format!("https://shop.example{path}");
        for (method, path, expected) in [
            ("GET", "/_tidegate/health?x", OwnPath::Health),
            ("HEAD", "/_tidegate/preview?token=a", OwnPath::Preview),
            ("POST", "/_tidegate/choose", OwnPath::Choose),
            ("POST", "/_tidegate/beacon", OwnPath::Reports),
            ("PUT", "/_tidegate/beacon", OwnPath::Reports),
            ("GET", "/_tidegate/metrics", OwnPath::Exposition),
            ("GET", "/_tidegate/api/session", OwnPath::SessionShown),
            ("POST", "/_tidegate/api/session", OwnPath::SignIn),
            ("DELETE", "/_tidegate/api/session", OwnPath::SignOut),
            ("POST", "/_tidegate/in/alerts", OwnPath::Receiver("alerts")),
            ("PUT", "/_tidegate/in/alerts", OwnPath::Receiver("alerts")),
            ("GET", "/_tidegate/timeline/shop.ics?token=x", OwnPath::Feed("shop")),
            ("GET", "/_tidegate/", OwnPath::File),
            ("GET", "/_tidegate/beacon.js", OwnPath::File),
        ] {
            assert_eq!(find(method, &at(path), ""), expected, "{method} {path}");
        }
        assert_eq!(find("PUT", &at("/_tidegate/api/plans?dry_run"), ""), OwnPath::Api("plans"));
    }

    #[test]
    fn what_is_not_there_is_said_to_be_so() {
        is_nothing("GET", "https://shop.example/_tidegate/nope", "", 404, "nosniff");
        is_nothing("POST", "https://shop.example/_tidegate/", "", 404, "nosniff");
        is_nothing("POST", "https://shop.example/_tidegate/health", "", 405, "allow:GET, HEAD");
        is_nothing("PUT", "https://shop.example/_tidegate/api/session", "", 405, "allow:GET, HEAD, POST, DELETE");
        is_nothing("GET", "https://shop.example/_tidegate/in/alerts", "", 405, "allow:POST, PUT");
        is_nothing("GET", "https://shop.example/_tidegate", "", 308, "location:/_tidegate/");
        is_nothing("GET", "https://ops.example/", "ops.example", 308, "location:/_tidegate/");
    }

    #[test]
    fn what_people_operate_with_is_on_the_consoles_host_alone() {
        for path in ["/_tidegate/", "/_tidegate/api/rollouts", "/_tidegate/metrics", "/_tidegate/api/session"] {
            is_nothing("GET", &format!("https://shop.example{path}"), "ops.example", 404, "");
            assert!(!matches!(find("GET", &format!("https://ops.example{path}"), "ops.example"), OwnPath::Nothing(_)));
        }
        for path in [
            "/_tidegate/health",
            "/_tidegate/preview",
            "/_tidegate/choose",
            "/_tidegate/beacon",
            "/_tidegate/beacon.js",
        ] {
            assert!(!matches!(find("GET", &format!("https://shop.example{path}"), "ops.example"), OwnPath::Nothing(_)));
        }
    }
}
