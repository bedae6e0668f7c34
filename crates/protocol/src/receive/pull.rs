//! Sources that Tidegate asks: what the request is, and which number the answer holds.
//!
//! An answer without a number is not the same as no answer. Without an answer the last value counts until it is too
//! old; where the source itself says that it has none, nothing is known from then on.

use std::fmt::Write as _;

use serde_json::Value;

use super::number_of;
use crate::address::encoded;
use tidegate_model::plan::signal::{Asked, Pull};

/// The longest answer, in bytes.
pub const ANSWER_BYTES_MAX: u32 = 256 << 10;
/// An answer takes so long at the most, in milliseconds.
pub const ANSWER_MS_MAX: u32 = 10_000;
/// So much of a source's own words is passed on.
const SAID_CHARS_MAX: usize = 200;

/// What an answer comes to.
#[derive(Clone, Debug, PartialEq)]
pub enum Pulled {
    /// The number.
    Value(f64),
    /// The source has answered that there is none; why, in words.
    Blank(String),
    /// It has not answered, or not with what can be read; why, in words.
    Failed(String),
}

/// The URL that is asked, given the source's address.
///
/// # Errors
/// When that is none; in words that do not tell the address, which may be a secret.
pub fn url(pull: &Pull<'_>, address: &str) -> Result<String, String> {
    let address = address.trim();
    let has_scheme = address.starts_with("https://") || address.starts_with("http://");
    if !has_scheme || !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{} is not an address of http or https", pull.url));
    }
    let Asked::Prometheus(query) = pull.what else { return Ok(address.to_owned()) };
    const PATH: &str = "/api/v1/query";
    let (base, parameters) = address.split_once('?').map_or((address, None), |(base, rest)| (base, Some(rest)));
    let base = base.trim_end_matches('/');
    let base = base.strip_suffix(PATH).unwrap_or(base);
    let mut url = format!("{base}{PATH}?query={}&timeout=8s", encoded(query));
    if let Some(parameters) = parameters {
        let _ = write!(url, "&{parameters}");
    }
    Ok(url)
}

/// The header `Authorization` that a secret means: itself where it names its scheme, else a bearer token.
pub fn authorization(secret: &str) -> String {
    let secret = secret.trim();
    if secret.contains(' ') { secret.to_owned() } else { format!("Bearer {secret}") }
}

/// What the platform says of a question that failed, without the address, which may be a secret.
pub fn said(message: &str, url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let hidden = [url, rest, authority, host, name].into_iter().filter(|text| !text.is_empty());
    let message = hidden.fold(message.to_owned(), |message, text| message.replace(text, "…"));
    short(&message)
}

/// Reads an answer.
pub fn read(pull: &Pull<'_>, status: u16, body: &str) -> Pulled {
    let document: Option<Value> = serde_json::from_str(body).ok();
    if (300..400).contains(&status) {
        return Pulled::Failed(format!("it redirects ({status}), and redirects are not followed"));
    }
    let is_ok = (200..300).contains(&status);
    match pull.what {
        Asked::Prometheus(_) => match &document {
            Some(document) if document.get("status").and_then(Value::as_str) == Some("error") => {
                let said = document.get("error").and_then(Value::as_str).unwrap_or_default();
                Pulled::Failed(format!("it refuses the query ({status}): {}", short(said)))
            }
            _ if !is_ok => Pulled::Failed(format!("it answers {status}")),
            Some(document) => prometheus(document),
            None => Pulled::Failed("its answer is no JSON".to_owned()),
        },
        Asked::Json(at) => match document {
            _ if !is_ok => Pulled::Failed(format!("it answers {status}")),
            None => Pulled::Failed("its answer is no JSON".to_owned()),
            Some(document) => match document.pointer(at.as_str()).map(|found| (found, number_of(found))) {
                Some((_, Some(number))) => Pulled::Value(number),
                Some((found, None)) => Pulled::Blank(format!("`{at}` is {}, and no number", short(&found.to_string()))),
                None => Pulled::Blank(format!("its answer has nothing at `{at}`")),
            },
        },
    }
}

fn prometheus(document: &Value) -> Pulled {
    let kind = document.pointer("/data/resultType").and_then(Value::as_str).unwrap_or_default();
    let result = document.pointer("/data/result");
    let sample = match (kind, result) {
        ("scalar", Some(sample)) => sample.get(1),
        ("vector", Some(Value::Array(series))) => match series.as_slice() {
            [] => return Pulled::Blank("the query finds nothing".to_owned()),
            [one] => one.pointer("/value/1"),
            several => {
                return Pulled::Blank(format!(
                    "the query yields {} series, and a signal is one number: aggregate them, as in `avg(…)`",
                    several.len()
                ));
            }
        },
        ("matrix" | "string", _) => {
            return Pulled::Blank(format!("the query yields a {kind}, and a signal is one number"));
        }
        _ => return Pulled::Failed("its answer is none of Prometheus' API".to_owned()),
    };
    match sample.and_then(number_of) {
        Some(number) => Pulled::Value(number),
        None => match sample.and_then(Value::as_str) {
            Some(text) => Pulled::Blank(format!("the query yields {}", short(text))),
            None => Pulled::Failed("its answer is none of Prometheus' API".to_owned()),
        },
    }
}

fn short(text: &str) -> String {
    text.chars().take(SAID_CHARS_MAX).collect()
}
