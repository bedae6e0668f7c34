//! The secrets that a channel sends with.
//!
//! Values come from people who paste: a line break at the end is dropped, and whatever cannot be right is
//! said so, by the secret's name and without its value.

use tidegate_model::plan::words::SecretName;

/// Looks up secrets.
pub struct Keys<'a>(pub &'a dyn Fn(&SecretName) -> Option<String>);

impl Keys<'_> {
    /// A secret's value.
    ///
    /// # Errors
    /// When it is not set, or holds more than one line.
    pub fn text(&self, secret: &SecretName) -> Result<String, String> {
        let name = &secret.0;
        let value = (self.0)(secret).unwrap_or_default();
        let value = value.trim();
        if value.is_empty() {
            return Err(format!("the secret {name} is not set: `wrangler secret put {name}`"));
        }
        if value.contains(char::is_control) {
            return Err(format!("the secret {name} holds more than one line: set it again with its value alone"));
        }
        Ok(value.to_owned())
    }

    /// A secret that is an address.
    ///
    /// # Errors
    /// When it is not set, or is no address that a key may be sent to.
    pub fn address(&self, secret: &SecretName) -> Result<String, String> {
        let value = self.text(secret)?;
        let name = &secret.0;
        let refuse = |why: &str| Err(format!("the secret {name} is no address to send to: {why}"));
        let Some((scheme, rest)) = value.split_once("://") else { return refuse("it does not start with https://") };
        let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if host.is_empty() || value.contains(char::is_whitespace) || host.contains('@') {
            return refuse("its host is malformed");
        }
        match scheme {
            "https" => Ok(value),
            "http" if is_local(host) => Ok(value),
            _ => refuse("it must start with https://, since what is sent carries a key"),
        }
    }

    /// The base of an API's paths: an address without a slash at its end. Where a vendor shows an address whole, people
    /// take it whole: `path` is what is asked for there, and may stand at its end.
    ///
    /// # Errors
    /// As [`Self::address`].
    pub fn base(&self, secret: &SecretName, path: &str) -> Result<String, String> {
        let address = self.address(secret)?;
        let base = address.trim_end_matches('/');
        Ok(base.strip_suffix(path).unwrap_or(base).trim_end_matches('/').to_owned())
    }
}

/// Whether a host, with its port, is this machine.
fn is_local(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}
