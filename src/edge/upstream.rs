//! Asks an upstream, and reads what the rules need of its answer.

use wasm_bindgen::{JsCast as _, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Request, Response};

use super::glue;
use crate::protocol::headers::HeaderEdits;
use crate::protocol::respond::Outbound;

/// An upstream's answer.
pub struct Answer {
    /// The answer itself, its body not yet read.
    pub response: Response,
    text: String,
}

/// Sends the client's request to `url`. Without an answer within `timeout_ms` (0: no limit) it is
/// an error.
///
/// # Errors
/// When the upstream cannot be reached, or does not send headers in time.
pub async fn ask(request: &Request, url: &str, edits: &HeaderEdits, timeout_ms: f64) -> Result<Answer, JsValue> {
    let promise = glue::forward(request, url, edits.as_str(), timeout_ms)?;
    let response: Response = JsFuture::from(promise).await?.dyn_into()?;
    let text = glue::read_response(&response)?;
    Ok(Answer { response, text })
}

impl Answer {
    fn line(&self, index: usize) -> Option<&str> {
        self.text.split('\n').nth(index).filter(|line| !line.is_empty())
    }

    /// The status; a malformed one, which the runtime never gives, counts as a failure.
    pub fn status(&self) -> u16 {
        self.line(0).and_then(|line| line.parse().ok()).unwrap_or(599)
    }

    /// The `Content-Type`.
    pub fn content_type(&self) -> Option<&str> {
        self.line(1)
    }

    /// What the rules of the answer need.
    pub fn outbound(&self) -> Outbound<'_> {
        Outbound { status: self.status(), cache_control: self.line(2), has_expires: self.line(3).is_some(), connection: self.line(4), location: self.line(5) }
    }

    /// Lets go of an answer that nobody will read.
    pub fn discard(self) {
        // A body that cannot be cancelled is garbage all the same.
        let _ = glue::discard(&self.response);
    }
}
