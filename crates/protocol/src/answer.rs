//! Tidegate's own answers, as values.

use super::api::problem::Problem;
use super::api::prometheus;
use super::api::{Media, Reply};

const TEXT: &str = "text/plain; charset=utf-8";
const JSON: &str = "application/json";
/// What a page of ours may do: show itself, here or within the console, and open links.
const SANDBOX: &str = "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation";

/// An answer of Tidegate's own. No cache keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status; 204 goes without a body and its type.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// Further headers: a `name:value` on each line.
    pub headers: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A sentence, in plain text.
    pub fn text(status: u16, sentence: &str) -> Self {
        Self { status, content_type: TEXT, headers: String::new(), body: format!("{sentence}\n") }
    }

    /// JSON.
    pub fn json(body: String) -> Self {
        Self { status: 200, content_type: JSON, headers: String::new(), body }
    }

    /// One that says nothing but its headers.
    pub const fn empty() -> Self {
        Self { status: 204, content_type: TEXT, headers: String::new(), body: String::new() }
    }

    /// One that leads elsewhere.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self { status, body: String::new(), ..Self::text(status, "") }.with("location", location)
    }

    /// What Prometheus reads, where it is no problem.
    pub fn exposition(reply: Reply) -> Self {
        if reply.is_problem {
            return reply.into();
        }
        Self { content_type: prometheus::CONTENT_TYPE, ..Self::from(reply) }
    }

    /// The same with one more header.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if !self.headers.is_empty() {
            self.headers.push('\n');
        }
        self.headers.push_str(name);
        self.headers.push(':');
        self.headers.push_str(value);
        self
    }

    /// As it goes to a request with this method: HEAD gets no body.
    #[must_use]
    pub fn to(self, method: &str) -> Self {
        if method == "HEAD" { Self { body: String::new(), ..self } } else { self }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        let content_type = match reply.media {
            _ if reply.is_problem => "application/problem+json",
            None => JSON,
            Some(Media::Html) => "text/html; charset=utf-8",
            Some(Media::Markdown) => "text/markdown; charset=utf-8",
            Some(Media::Calendar) => tidegate_paper::ics::CONTENT_TYPE,
        };
        let mut answer = Self { status: reply.status, content_type, headers: String::new(), body: reply.body };
        if reply.media == Some(Media::Html) {
            // What people have written stands in it, and it comes from where sessions count.
            answer = answer.with("content-security-policy", &format!("{}; {SANDBOX}", tidegate_paper::html::POLICY));
        }
        if let Some(revision) = reply.revision {
            answer = answer.with("etag", &format!("\"{revision}\""));
        }
        if let Some(allow) = &reply.allow {
            answer = answer.with("allow", allow);
        }
        if let Some(seconds) = reply.retry_after_s {
            answer = answer.with("retry-after", &seconds.to_string());
        }
        if reply.status == 401 {
            answer = answer.with("www-authenticate", "Bearer realm=\"tidegate\"");
        }
        answer.with("x-content-type-options", "nosniff")
    }
}

impl From<Problem> for Answer {
    fn from(problem: Problem) -> Self {
        Reply::from(problem).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_its_revision_and_a_problem_its_way_out() {
        let answer = Answer::from(Reply::text("{}".into()).at(7));
        assert_eq!(
            (answer.content_type, answer.headers.as_str()),
            (JSON, "etag:\"7\"\nx-content-type-options:nosniff")
        );
        let answer = Answer::from(Problem::unauthorized("unknown token"));
        assert_eq!((answer.status, answer.content_type), (401, "application/problem+json"));
        assert!(answer.headers.starts_with("www-authenticate:Bearer realm=\"tidegate\"\n"), "{}", answer.headers);
        let answer = Answer::from(Problem::too_many_sign_ins(6));
        assert!(answer.headers.starts_with("retry-after:6\n"), "{}", answer.headers);
        let answer = Answer::from(Problem::method_not_allowed("PUT", "GET, HEAD"));
        assert!(answer.headers.starts_with("allow:GET, HEAD\n"), "{}", answer.headers);
    }

    #[test]
    fn head_gets_the_headers_alone() {
        let answer = Answer::text(404, "Not found.").to("HEAD");
        assert_eq!((answer.status, answer.body.as_str()), (404, ""));
        assert_eq!(Answer::text(404, "Not found.").to("GET").body, "Not found.\n");
        assert_eq!(Answer::redirect(308, "/_tidegate/").headers, "location:/_tidegate/");
    }
}
