//! Exposure tokens: what a page was given, signed, so that its browser cannot choose what it reports on.
//!
//! ```text
//! Server-Timing: tidegate;desc="TOKEN"
//! TOKEN    = body "." base64url(HMAC-SHA-256(key, body "\n" HOST))
//! body     = "1~" MINUTE "~" NONCE { "~" exposure }
//! exposure = ROLLOUT ":" VARIANT ":" STAGE ":" REVISION ":" SUBJECT ":" [ENDPOINT {"," ENDPOINT}] [":-"]
//! key      = HMAC-SHA-256(SIGNING_KEY, "tidegate exposure 2")
//! ```
//! `HOST` is the page's, with its port: the token counts there alone, and does not name it.
//! `MINUTE` is counted since 1970. `NONCE` is the page view, 32 hexadecimal digits: the isolate and its
//! count. The exposure at place i counts under `NONCE + i`, which no other view has, and the page's n-th
//! further screen under `NONCE + i + n · 2^48`, which no isolate counts up to. The first exposure is the
//! rollout's that routed the page, flags follow. None of these characters stands in a name, so a page reads what it was given with two
//! `split`s, after cutting at the last `.`. `:-` marks what is not counted: the rollout has given the page nothing, and
//! has a message for it.
//!
//! `SUBJECT` is sealed: the subject's hash for samples and its slice, XORed with a mask that only
//! Tidegate can make of the nonce. In the open it would be a name of the user that every script of
//! every site behind Tidegate could read.
//!
//! A token counts for 12 hours. No page has one that a shared cache might hand to somebody else: plans
//! with `cache = "upstream"` measure requests, and browsers not at all.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::beacon::Report;
use super::beacon::networks::network;
use super::signing::{self, Key};
use tidegate_decide::assign::Variant;
use tidegate_model::measured::sample::HASH_BITS;
use tidegate_model::measured::sliced::SLICES;
use tidegate_model::{Minute, Name};

/// So many flags stand in a token beside the rollout that routed the page.
pub const FLAGS_MAX: usize = 8;
/// So many of an exposure's endpoints do.
pub const ENDPOINTS_MAX: usize = 8;
/// A longer body takes no further exposure; proxies refuse long headers.
const BODY_BYTES_MAX: usize = 2_048;
const LIFE_MINUTES: u64 = 12 * 60;
/// Clocks of Tidegate's own machines differ by less.
const AHEAD_MINUTES: u64 = 5;
const USE_SIGN: &[u8] = b"tidegate exposure 2";
const USE_SEAL: &[u8] = b"tidegate exposure subject 1";
const USE_NETWORK: &[u8] = b"tidegate beacon network 1";
const USE_MESSAGE: &[u8] = b"tidegate message 1";
/// In a subject's place: it has no slice, since the hash did not deal it out.
const NO_SLICE: u8 = 127;

/// What a page was given in one rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure<'a> {
    /// The rollout.
    pub rollout: &'a str,
    /// The side.
    pub variant: Variant,
    /// The stage's name.
    pub stage: &'a str,
    /// The revision of the assignment.
    pub revision: u64,
    /// The subject's hash for samples, 50 bits.
    pub subject: u64,
    /// The subject's slice, where the hash dealt it out.
    pub slice: Option<u8>,
    /// The endpoints of the plan that the page is at.
    pub endpoints: Vec<&'a str>,
    /// Whether what the page reports counts.
    pub is_counted: bool,
}

/// The keys of tokens, made from `SIGNING_KEY`.
pub struct ExposureKey {
    sign: Key,
    seal: Key,
    network: Key,
    message: Key,
}

/// Makes an isolate's tokens.
pub struct Issuer {
    key: ExposureKey,
    random: u64,
    count: u64,
}

impl ExposureKey {
    /// Derives the keys; `None` where the signing key is too short to be one.
    pub fn derive(signing_key: &str) -> Option<Self> {
        Some(Self {
            sign: signing::derive(signing_key, USE_SIGN)?,
            seal: signing::derive(signing_key, USE_SEAL)?,
            network: signing::derive(signing_key, USE_NETWORK)?,
            message: signing::derive(signing_key, USE_MESSAGE)?,
        })
    }

    /// A number for the network of an address, which nobody makes an address of again: it takes the key, and is
    /// another one on the next day.
    pub fn network(&self, address: &str, minute: Minute) -> u32 {
        let [a, b, c, d, ..] = signing::sign(&self.network, &format!("{}~{}", minute.day(), network(address)));
        u32::from_le_bytes([a, b, c, d])
    }

    /// A message's id for one subject: what a browser remembers names nobody, and is another one for whoever signs in
    /// there next.
    pub fn message(&self, rollout: &Name, id: &str, subject: u64) -> String {
        let [a, b, c, d, e, f, g, h, i, ..] = signing::sign(&self.message, &format!("{rollout}~{id}~{subject:x}"));
        URL_SAFE_NO_PAD.encode([a, b, c, d, e, f, g, h, i])
    }

    /// The exposures of a token of a page on `host` that counts at `minute`, each as a report that tells nothing
    /// yet.
    pub fn verify(&self, token: &str, host: &str, minute: Minute) -> Option<Vec<Report>> {
        let (body, signature) = token.rsplit_once('.')?;
        if !signing::is_signed(&self.sign, &signed(body, host), &URL_SAFE_NO_PAD.decode(signature).ok()?) {
            return None;
        }
        let mut parts = body.strip_prefix("1~")?.split('~');
        let at = Minute::new(parts.next()?.parse().ok()?);
        if minute > at + LIFE_MINUTES || at > minute + AHEAD_MINUTES {
            return None;
        }
        let text = parts.next()?;
        let (isolate, count) = text.split_at_checked(16)?;
        let count = u64::from_str_radix(count, 16).ok()?;
        let mask = self.mask(text);
        parts
            .zip(0..)
            .map(|(part, place)| read(part, at, format!("{isolate}{:016x}", count.wrapping_add(place)), mask))
            .collect()
    }

    fn mask(&self, nonce: &str) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = signing::sign(&self.seal, nonce);
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

fn signed(body: &str, host: &str) -> String {
    [body, "\n", host].concat()
}

fn read(part: &str, minute: Minute, nonce: String, mask: u64) -> Option<Report> {
    let mut fields = part.split(':');
    let mut next = || fields.next();
    let (rollout, variant, _stage, revision) =
        (next()?.parse().ok()?, next()?.parse().ok()?, next()?, next()?.parse().ok()?);
    let subject = u64::from_str_radix(next()?, 16).ok()? ^ mask;
    let endpoints =
        next()?.split(',').filter(|name| !name.is_empty()).map(str::parse).collect::<Result<Vec<Name>, _>>().ok()?;
    let is_counted = next() != Some("-");
    let slice = (subject >> HASH_BITS) as u8;
    Some(Report {
        is_counted,
        rollout,
        revision,
        minute,
        screen_minute: None,
        variant,
        endpoints,
        nonce,
        subject: subject & ((1 << HASH_BITS) - 1),
        slice: Some(slice).filter(|slice| *slice < SLICES),
        network: None,
        is_view: true,
        js_errors: 0,
        scripts: Vec::new(),
        by: Vec::new(),
        is_mixed: false,
        measures: Vec::new(),
        values: Vec::new(),
        events: Vec::new(),
    })
}

impl Issuer {
    /// Issues under a key; `random` sets this isolate's nonces apart from all others.
    pub const fn new(key: ExposureKey, random: u64) -> Self {
        Self { key, random, count: 0 }
    }

    /// The key.
    pub const fn key(&self) -> &ExposureKey {
        &self.key
    }

    /// The token of a page view on a host; `None` where it was given nothing.
    pub fn issue<'e>(
        &mut self,
        host: &str,
        minute: Minute,
        exposures: impl Iterator<Item = Exposure<'e>>,
    ) -> Option<String> {
        let nonce = format!("{:016x}{:016x}", self.random, self.count);
        let mask = self.key.mask(&nonce);
        let mut body = format!("1~{}~{nonce}", minute.get());
        let empty = body.len();
        for exposure in exposures.take(FLAGS_MAX + 1) {
            if body.len() > BODY_BYTES_MAX {
                break;
            }
            let slice = u64::from(exposure.slice.unwrap_or(NO_SLICE));
            let subject = (exposure.subject | slice << HASH_BITS) ^ mask;
            let Exposure { rollout, variant, stage, revision, endpoints, is_counted, .. } = exposure;
            let _ = write!(body, "~{rollout}:{variant}:{stage}:{revision}:{subject:016x}:");
            for (index, endpoint) in endpoints.iter().take(ENDPOINTS_MAX).enumerate() {
                let comma = if index > 0 { "," } else { "" };
                let _ = write!(body, "{comma}{endpoint}");
            }
            body.push_str(if is_counted { "" } else { ":-" });
            self.count = self.count.wrapping_add(1);
        }
        if body.len() == empty {
            return None;
        }
        let signature = URL_SAFE_NO_PAD.encode(signing::sign(&self.key.sign, &signed(&body, host)));
        Some([body.as_str(), ".", &signature].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "a key of thirty-two bytes, or so";
    const HOST: &str = "shop.example.com";
    const MINUTE: Minute = Minute::new(29_000_000);

    fn key(text: &str) -> ExposureKey {
        ExposureKey::derive(text).unwrap_or_else(|| unreachable!())
    }

    fn routed() -> Exposure<'static> {
        Exposure {
            rollout: "shop",
            variant: Variant::New,
            stage: "canary-1.a",
            revision: 7,
            subject: (1 << HASH_BITS) - 5,
            slice: Some(99),
            endpoints: vec!["cart", "api.v2"],
            is_counted: true,
        }
    }

    fn flag() -> Exposure<'static> {
        Exposure {
            rollout: "banner",
            variant: Variant::Legacy,
            stage: "on",
            revision: 2,
            subject: 12,
            slice: None,
            endpoints: Vec::new(),
            is_counted: true,
        }
    }

    fn token() -> String {
        Issuer::new(key(KEY), 0xfeed).issue(HOST, MINUTE, [routed(), flag()].into_iter()).unwrap_or_default()
    }

    #[test]
    fn what_a_page_was_given_comes_back() {
        let reports = key(KEY).verify(&token(), HOST, MINUTE).unwrap_or_default();
        let reported: Vec<_> = reports
            .iter()
            .map(|r| (r.rollout.as_str(), r.variant, r.revision, r.minute, r.subject, r.slice, r.endpoints.len()))
            .collect();
        assert_eq!(
            reported,
            [
                ("shop", Variant::New, 7, MINUTE, (1 << HASH_BITS) - 5, Some(99), 2),
                ("banner", Variant::Legacy, 2, MINUTE, 12, None, 0)
            ]
        );
        let nonces: Vec<&str> = reports.iter().map(|report| report.nonce.as_str()).collect();
        assert_eq!(nonces, ["000000000000feed0000000000000000", "000000000000feed0000000000000001"]);
    }

    #[test]
    fn a_page_reads_what_it_was_given_but_not_who_it_is() {
        let token = token();
        let (body, _) = token.rsplit_once('.').unwrap_or_default();
        let exposures: Vec<Vec<&str>> = body.split('~').skip(3).map(|part| part.split(':').collect()).collect();
        assert_eq!(
            exposures.iter().map(|fields| fields.iter().take(3).copied().collect::<Vec<_>>()).collect::<Vec<_>>(),
            [["shop", "new", "canary-1.a"], ["banner", "legacy", "on"]]
        );
        assert!(!token.contains("\"") && !token.contains("\\"), "it stands in a quoted string");
        let sealed = |subject: u64, random: u64| {
            Issuer::new(key(KEY), random)
                .issue(HOST, MINUTE, std::iter::once(Exposure { subject, ..flag() }))
                .unwrap_or_default()
        };
        let subject = |token: &str| token.split(':').nth(4).map(str::to_owned);
        assert_ne!(subject(&sealed(12, 1)), subject(&sealed(12, 2)), "two views of one user have nothing in common");
    }

    #[test]
    fn what_is_not_counted_says_so() {
        let uncounted = Exposure { is_counted: false, ..routed() };
        let token = Issuer::new(key(KEY), 1).issue(HOST, MINUTE, [uncounted, flag()].into_iter()).unwrap_or_default();
        let reports = key(KEY).verify(&token, HOST, MINUTE).unwrap_or_default();
        let reported: Vec<_> = reports.iter().map(|r| (r.rollout.as_str(), r.is_counted, r.endpoints.len())).collect();
        assert_eq!(reported, [("shop", false, 2), ("banner", true, 0)]);
        let counted = key(KEY).verify(&token.replacen(":-", "", 1), HOST, MINUTE);
        assert!(counted.is_none(), "no page makes itself count");
    }

    #[test]
    fn a_messages_id_is_the_same_for_one_subject_alone_and_names_nobody() {
        let shop: Name = "shop".parse().unwrap_or_else(|_| unreachable!());
        let id = |text: &str, message, subject| key(text).message(&shop, message, subject);
        assert_eq!(id(KEY, "1-0-5", 7), id(KEY, "1-0-5", 7));
        assert_eq!(id(KEY, "1-0-5", 7).len(), 12);
        for other in [id(KEY, "1-0-5", 8), id(KEY, "2-0-5", 7), id("another key, of thirty-two bytes", "1-0-5", 7)] {
            assert_ne!(id(KEY, "1-0-5", 7), other);
        }
    }

    #[test]
    fn nobody_else_signs_and_nothing_changes() {
        assert!(key("another key, of thirty-two bytes").verify(&token(), HOST, MINUTE).is_none());
        for (right, wrong) in [
            (":new:", ":legacy:"),
            ("shop", "shoq"),
            (":7:", ":8:"),
            ("29000000", "29000001"),
            ("1~", "2~"),
            ("feed", "fee0"),
            ("~banner", ":banner"),
            (".", ""),
        ] {
            let forged = token().replacen(right, wrong, 1);
            assert_ne!(forged, token(), "{right}");
            assert!(key(KEY).verify(&forged, HOST, MINUTE).is_none(), "{forged}");
        }
        for token in ["", ".", "1~29000000~00.", "1~29000000~00", &"~".repeat(9_000), "é.é"] {
            assert!(key(KEY).verify(token, HOST, MINUTE).is_none(), "{token}");
        }
        // A preview under the same signing key.
        let preview = super::super::preview::PreviewKey::derive(KEY)
            .map(|key| key.sign("shop", Variant::New, "h", u64::MAX))
            .unwrap_or_default();
        assert!(key(KEY).verify(&preview, HOST, MINUTE).is_none());
    }

    #[test]
    fn a_token_counts_on_the_host_of_its_page_alone() {
        for host in ["", "example.com", "shop.example.com:8443", "shop.example.com.evil.example", "SHOP.example.com"] {
            assert!(key(KEY).verify(&token(), host, MINUTE).is_none(), "{host}");
        }
        assert!(!token().contains("example"), "it does not tell the host");
    }

    #[test]
    fn a_networks_number_takes_the_key_and_lasts_a_day() {
        let number = |text: &str, address, minute| key(text).network(address, minute);
        let own = number(KEY, "192.0.2.1", MINUTE);
        assert_eq!((number(KEY, "192.0.2.200", MINUTE), number(KEY, "192.0.2.1", MINUTE + 1)), (own, own));
        assert_ne!(number(KEY, "192.0.3.1", MINUTE), own);
        assert_ne!(number("another key, of thirty-two bytes", "192.0.2.1", MINUTE), own);
        assert_ne!(number(KEY, "192.0.2.1", MINUTE + 24 * 60), own);
    }

    #[test]
    fn a_token_lives_for_twelve_hours_and_clocks_may_differ_by_five_minutes() {
        for (minute, counts) in [
            (MINUTE - 6, false),
            (MINUTE - 5, true),
            (MINUTE, true),
            (MINUTE + 720, true),
            (MINUTE + 721, false),
            (Minute::EPOCH, false),
            (Minute::new(u64::MAX), false),
        ] {
            assert_eq!(key(KEY).verify(&token(), HOST, minute).is_some(), counts, "{minute:?}");
        }
    }

    #[test]
    fn a_token_is_bounded() {
        let long = "x".repeat(100);
        let wide = || Exposure { rollout: &long, stage: &long, endpoints: vec![&long; 40], ..routed() };
        let token = Issuer::new(key(KEY), 1).issue(HOST, MINUTE, std::iter::repeat_with(wide)).unwrap_or_default();
        assert!(token.len() < 4_096, "{}", token.len());
        let many = Issuer::new(key(KEY), 1).issue(HOST, MINUTE, std::iter::repeat_with(flag)).unwrap_or_default();
        assert_eq!(key(KEY).verify(&many, HOST, MINUTE).map(|reports| reports.len()), Some(FLAGS_MAX + 1));
        assert_eq!(Issuer::new(key(KEY), 1).issue(HOST, MINUTE, std::iter::empty()), None);
    }
}
