//! Keys made from `SIGNING_KEY`, one for each use, so that nothing signed for one counts for another.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// A key, ready to sign with.
pub type Key = Hmac<Sha256>;

/// A shorter `SIGNING_KEY` would be guessed.
const KEY_BYTES_MIN: usize = 16;

/// HMAC-SHA-256(`SIGNING_KEY`, the use) as a key; `None` where the signing key is too short to be one.
pub fn derive(signing_key: &str, used_for: &[u8]) -> Option<Key> {
    if signing_key.len() < KEY_BYTES_MIN {
        return None;
    }
    let mut mac = Key::new_from_slice(signing_key.as_bytes()).ok()?;
    mac.update(used_for);
    Key::new_from_slice(&mac.finalize().into_bytes()).ok()
}

/// The signature of a text.
pub fn sign(key: &Key, text: &str) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().into()
}

/// A text with its signature, as cookies and links have it: `text "." base64url(signature)`.
pub fn seal(key: &Key, text: &str) -> String {
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(sign(key, text)))
}

/// The text of what [`seal`] has made with this key; `None` for anything else.
pub fn open<'t>(key: &Key, sealed: &'t str) -> Option<&'t str> {
    let (text, signature) = sealed.rsplit_once('.')?;
    is_signed(key, text, &URL_SAFE_NO_PAD.decode(signature).ok()?).then_some(text)
}

/// Whether two secrets are the same. Their hashes are compared, so the time that it takes tells neither where they
/// differ nor how long the secret is.
pub fn is_equal(one: &[u8], other: &[u8]) -> bool {
    Sha256::digest(one).as_slice().ct_eq(Sha256::digest(other).as_slice()).into()
}

/// Whether this is the signature of a text, compared in constant time.
pub fn is_signed(key: &Key, text: &str, signature: &[u8]) -> bool {
    let mut mac = key.clone();
    mac.update(text.as_bytes());
    mac.verify_slice(signature).is_ok()
}
