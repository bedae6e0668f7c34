//! Who has used new stays there when the percentage goes down (`keep = "used"`).
//!
//! ```text
//! cookie  = __Host-tidegate-used-KEY = payload "." base64url(HMAC-SHA-256(key, payload))
//! payload = KEY "~" BUCKET "~" SINCE "~" HOST            SINCE in seconds since 1970
//! ```
//! 1. It is kept in the browser alone: set once, with the first document that new answers to a subject whom the
//!    percentage covers. What legacy answers in new's place is no use of new, and neither is a preview.
//! 2. It counts for the bucket that it was set for: another user of the same browser has not used new.
//! 3. It counts from when the percentage last left 0. A kill, a rollback to 0 % and what the user has chosen are above
//!    it, and so are `exclude`, `eligible` and the holdout.
//! 4. The whole share that a step down has left is compared on neither side.

use super::{cookie, signing};
use tidegate_decide::assign::{Assignment, Reason, Variant};
use tidegate_decide::compiled::CompiledRollout;

/// The start of the names of the cookies; the rollout's key follows.
pub const COOKIE: &str = "__Host-tidegate-used-";
/// As long as browsers keep a cookie at the most: 400 days.
const LIFE_S: u64 = 400 * 86_400;
const USE: &[u8] = b"tidegate used 1";

/// The key that marks of use are signed with, made from `SIGNING_KEY`.
pub struct UsedKey(signing::Key);

/// To whom a mark of use belongs.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// The rollout's key.
    pub rollout: &'a str,
    /// The host that the request was sent to.
    pub host: &'a str,
    /// The subject's bucket.
    pub bucket: u32,
}

impl UsedKey {
    /// Derives the key; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        signing::derive(signing_key, USE).map(Self)
    }

    /// Since when its owner has used new, by a browser's cookies, in seconds since 1970.
    pub fn since(&self, cookies: &str, owner: &Owner<'_>) -> Option<u64> {
        let name = format!("{COOKIE}{}", owner.rollout);
        cookie::values(cookies, &name).find_map(|token| self.verify(token, owner))
    }

    fn verify(&self, token: &str, owner: &Owner<'_>) -> Option<u64> {
        let mut parts = signing::open(&self.0, token)?.splitn(4, '~');
        let is_its = parts.next()? == owner.rollout && parts.next()?.parse() == Ok(owner.bucket);
        let since_s = parts.next()?.parse().ok()?;
        let is_here = parts.next()?.eq_ignore_ascii_case(owner.host);
        (is_its && is_here).then_some(since_s)
    }

    /// The `Set-Cookie` that marks the owner from now on.
    pub fn mark(&self, owner: &Owner<'_>, now_s: f64) -> String {
        let Owner { rollout, host, bucket } = *owner;
        let mark = signing::seal(&self.0, &format!("{rollout}~{bucket}~{}~{host}", now_s as u64));
        format!("{COOKIE}{rollout}={mark}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LIFE_S}")
    }
}

/// Since when use of new counts, where a document under this assignment is such a use; in seconds since 1970.
pub fn counts_from(standing: &CompiledRollout, assignment: &Assignment) -> Option<u64> {
    let kept = standing.kept.as_ref()?;
    let is_use = assignment.variant == Variant::New
        && matches!(assignment.reason, Reason::Bucketed | Reason::Group | Reason::Visit | Reason::Chosen)
        && assignment.bucket.is_some_and(|bucket| standing.covers(bucket));
    is_use.then_some(kept.from_s)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { rollout: "shop", host: "shop.example.com", bucket: 46_629 };

    fn key() -> UsedKey {
        UsedKey::derive("a key of thirty-two bytes, or so").unwrap_or_else(|| unreachable!())
    }

    #[test]
    fn a_mark_counts_for_its_bucket_rollout_and_host_alone() {
        let set = key().mark(&OWNER, 1_000_000.7);
        assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=34560000"), "{set}");
        let pair = set.split(';').next().unwrap_or_default();
        let since = |cookies: &str, owner: &Owner<'_>| key().since(cookies, owner);
        assert_eq!(since(pair, &OWNER), Some(1_000_000));
        assert_eq!(since(pair, &Owner { host: "SHOP.example.com", ..OWNER }), Some(1_000_000));
        assert_eq!(since(pair, &Owner { bucket: 46_630, ..OWNER }), None, "another user of this browser");
        assert_eq!(since(pair, &Owner { host: "evil.example", ..OWNER }), None);
        assert_eq!(since(&pair.replace("used-shop=", "used-cart="), &Owner { rollout: "cart", ..OWNER }), None);
        assert_eq!(since(&pair.replace("~1000000~", "~9000000~"), &OWNER), None, "forged");
        let other = UsedKey::derive("another key of thirty-two bytes.").unwrap_or_else(|| unreachable!());
        assert_eq!(other.since(pair, &OWNER), None);
    }
}
