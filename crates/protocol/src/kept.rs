//! Files of builds that are gone (`keep_assets`): each deployment takes away what pages need that are still open.
//!
//! 1. Kept is code alone, which a page cannot do without: scripts, styles, fonts, WebAssembly and workers, and data by a
//!    hashed name. Not images, video or sound: people upload those, and what they take back must be gone.
//! 2. Of these, what its side has answered with 200 to a GET without `Authorization`, under a hashed name or as
//!    `immutable`, without `Set-Cookie`, `private` or `no-store`.
//! 3. What is kept is no visitor's answer: the file is asked for once more, behind the answer, without a header of the
//!    visitor's, and has to be all of the above again. So nothing private can be kept, nothing that a visitor has made
//!    up, and nobody waits.
//! 4. It is kept for its rollout, side and public host. Where its side has lost it, it is given before the other side
//!    is asked; what was kept of the other side, after that one has lost it too.
//! 5. At most 5 MiB of each, and 2 KiB of its headers. It is kept half as long again as the plan says, and renewed when
//!    it has been kept for half of that: so whoever got it last has it for as long as the plan says.

use super::address::Address;
use super::assets::{self, Asset};
use super::headers::HeaderEdits;
use super::message::{AnswerText, RequestText};
use tidegate_decide::assign::Variant;
use tidegate_model::Duration;

/// A larger file is not kept, in bytes.
pub const FILE_BYTES_MAX: u64 = 5 << 20;
/// Nor one with more of headers, in bytes: an object store takes no more beside a file.
const HEADERS_BYTES_MAX: usize = 2_048;
/// Object stores take no longer names, in bytes.
const KEY_BYTES_MAX: usize = 1_000;
/// A hash in a name has so many letters and digits at least.
const HASH_LENGTH_MIN: usize = 8;
/// And the name of a build that is a folder's.
const BUILD_LENGTH_MIN: usize = 12;
/// Marks an answer in whose place a page gets nothing: its build is gone altogether.
pub const STALE: &str = "tidegate-stale";

/// What browsers and the platform need to know of a file, besides what its bytes are.
const HEADERS: [&str; 11] = [
    "content-type",
    "cache-control",
    "access-control-allow-origin",
    "content-security-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
    "referrer-policy",
    "sourcemap",
    "timing-allow-origin",
    "vary",
    "x-content-type-options",
];
/// A copy that is to be made behind an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Copy {
    /// Under which URL it is kept.
    pub key: String,
    /// For how long, in seconds.
    pub life_s: u64,
    /// A copy that is younger than this is not made anew, in seconds.
    pub fresh_s: u64,
    /// The service binding to ask; `None` for the network.
    pub service: Option<String>,
    /// The URL to ask.
    pub url: String,
    /// The headers to ask with.
    pub edits: HeaderEdits,
}

impl Copy {
    /// How long a copy lives, and until when it counts as fresh, in seconds.
    pub const fn times(keep: Duration) -> (u64, u64) {
        let keep_s = keep.as_ms() / 1_000;
        (keep_s + keep_s / 2, keep_s / 2)
    }

    /// As the platform's driver reads it: a value on each line; the headers come last, and have several.
    pub fn to_text(&self) -> String {
        let Self { key, life_s, fresh_s, service, url, edits } = self;
        let service = service.as_deref().unwrap_or_default();
        format!("{key}\n{life_s}\n{fresh_s}\n{FILE_BYTES_MAX}\n{service}\n{url}\n{}", edits.as_str())
    }
}

/// Under which URL a file of a side is kept; `None` where its own is too long.
pub fn key(rollout: &str, side: Variant, address: &Address<'_>) -> Option<String> {
    let Address { authority, path_and_query, .. } = address;
    let key = format!("https://tidegate.invalid/kept/{rollout}/{side}/{authority}{path_and_query}");
    (key.len() <= KEY_BYTES_MAX).then_some(key)
}

/// The headers to ask for a file with: nothing of a visitor's, who could else have an answer kept that was made for them,
/// or by them. A copy may be given to whoever reads no compression.
pub fn asking(rollout: &str, side: Variant, address: &Address<'_>) -> HeaderEdits {
    let mut edits = HeaderEdits::default();
    for (name, value) in [
        ("accept", "*/*"),
        ("accept-encoding", "identity"),
        ("user-agent", "tidegate"),
        ("x-forwarded-host", address.authority),
        ("x-forwarded-proto", address.scheme),
        ("tidegate-variant", side.as_str()),
        ("tidegate-rollout", rollout),
    ] {
        edits.set(name, value);
    }
    edits
}

/// Whether a request is for a file that may have been kept.
pub fn is_wanted(request: &RequestText, asset: Option<Asset>, path: &str) -> bool {
    asset == Some(Asset::File)
        && request.method() == "GET"
        && (is_code(request, path) || is_hashed(path))
        && !is_media(request, path)
}

/// Whether an answer that a visitor gets is of a file that is to be kept.
pub fn is_worth_keeping(request: &RequestText, path: &str, answer: &AnswerText) -> bool {
    let is_lasting = || is_hashed(path) || directives(answer).any(|own| own.eq_ignore_ascii_case("immutable"));
    request.header("authorization").is_none() && is_public(answer) && is_lasting()
}

/// The headers to keep with a file that was asked for without credentials, a line each; `None` where it is not kept.
pub fn headers(answer: &AnswerText) -> Option<String> {
    if !is_public(answer) || !vary(answer).all(|name| is_harmless(&name)) {
        return None;
    }
    let length = answer.header("content-length").and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length == 0 || length > FILE_BYTES_MAX) {
        return None;
    }
    let lines: Vec<String> = answer
        .headers()
        .filter(|(name, _)| HEADERS.contains(name))
        .map(|(name, value)| format!("{name}:{value}"))
        .collect();
    let text = lines.join("\n");
    (text.len() <= HEADERS_BYTES_MAX).then_some(text)
}

/// Whether what was kept answers a request. It was asked for without an origin, so where the answer depends on one it is
/// for those who name none.
pub fn answers(request: &RequestText, kept: &AnswerText) -> bool {
    let is_for_all = || kept.header("access-control-allow-origin") == Some("*");
    Asset::is_found(kept.status(), kept.content_type())
        && (request.header("origin").is_none() || is_for_all() || !vary(kept).any(|name| name == "origin"))
}

/// Whether an answer is a whole file for everybody.
fn is_public(answer: &AnswerText) -> bool {
    let is_private =
        || directives(answer).any(|own| own.eq_ignore_ascii_case("private") || own.eq_ignore_ascii_case("no-store"));
    answer.status() == 200
        && answer.content_type().is_some()
        && !assets::is_html(answer.content_type())
        && answer.header("set-cookie").is_none()
        && !is_private()
}

fn directives(answer: &AnswerText) -> impl Iterator<Item = &str> {
    let all = answer.header("cache-control").unwrap_or_default().split(',');
    all.map(|own| own.split('=').next().unwrap_or_default().trim())
}

fn vary(answer: &AnswerText) -> impl Iterator<Item = String> {
    let names = answer.header("vary").unwrap_or_default().split(',');
    names.map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty())
}

/// Whether an answer that depends on this header is the same to whoever asks as the copy was asked for.
fn is_harmless(name: &str) -> bool {
    matches!(name, "accept-encoding" | "origin" | "access-control-request-method" | "access-control-request-headers")
        || name.starts_with("sec-fetch-")
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.').map_or("", |(_, extension)| extension)
}

/// What a page is made of, whatever its name.
fn is_code(request: &RequestText, path: &str) -> bool {
    matches!(
        request.header("sec-fetch-dest"),
        Some("script" | "style" | "font" | "worker" | "sharedworker" | "audioworklet" | "paintworklet")
    ) || ["js", "mjs", "cjs", "css", "wasm", "woff", "woff2", "ttf", "otf"]
        .iter()
        .any(|own| extension(path).eq_ignore_ascii_case(own))
}

/// What people upload, whatever its name.
fn is_media(request: &RequestText, path: &str) -> bool {
    const EXTENSIONS: [&str; 26] = [
        "svg", "png", "jpg", "jpeg", "gif", "webp", "avif", "jxl", "ico", "bmp", "cur", "mp4", "webm", "ogg", "ogv",
        "oga", "mp3", "m4a", "m4v", "mov", "aac", "wav", "flac", "opus", "m4s", "hdr",
    ];
    matches!(request.header("sec-fetch-dest"), Some("image" | "video" | "audio" | "track"))
        || EXTENSIONS.iter().any(|own| extension(path).eq_ignore_ascii_case(own))
}

/// Whether a build tool has put a hash of the content into a path: into the file's name (`app-DiwrgTda.js`,
/// `main.3f2a1b9c.css`), or into that of a folder (`/_next/static/0d0e8a1c7b1e/x.js`).
pub fn is_hashed(path: &str) -> bool {
    let mut segments = path.split('/').filter(|segment| !segment.is_empty());
    let name = segments.next_back().unwrap_or_default();
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    has_hash(stem) || segments.any(|segment| is_hash(segment) || is_build(segment))
}

/// Whether a folder is called by a build's random name, which may have `-` and `_` in it.
fn is_build(segment: &str) -> bool {
    let has = |is: fn(&u8) -> bool| segment.bytes().any(|byte| is(&byte));
    segment.len() >= BUILD_LENGTH_MIN
        && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && has(u8::is_ascii_digit)
        && has(u8::is_ascii_lowercase)
        && has(u8::is_ascii_uppercase)
}

/// Whether one of a name's parts is a hash; one in base 64 may have a `-` or `_` of its own.
fn has_hash(stem: &str) -> bool {
    let is_separator = |letter: char| matches!(letter, '-' | '.' | '_' | '~');
    let last = stem.len().checked_sub(HASH_LENGTH_MIN).and_then(|at| Some((stem.get(..at)?, stem.get(at..)?)));
    let is_last =
        last.is_some_and(|(before, hash)| before.ends_with(is_separator) && is_hash(&hash.replace(is_separator, "0")));
    is_last || stem.split(is_separator).any(is_hash)
}

/// Whether a word is a hash: long, of letters and digits, and no word of a language.
fn is_hash(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
    let (digit, lower, upper) = (has(u8::is_ascii_digit), has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    word.len() >= HASH_LENGTH_MIN
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && ((digit && (lower || upper)) || (upper && word.bytes().skip(1).any(|byte| byte.is_ascii_uppercase())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &str) -> RequestText {
        RequestText::new(format!("GET\nhttps://shop.example.com{path}\n{headers}"))
    }

    fn answer(headers: &str) -> AnswerText {
        AnswerText::new(format!("200\n\n{headers}"))
    }

    #[test]
    fn a_hash_in_a_path_is_known() {
        for path in [
            "/assets/index-DiwrgTda.js",
            "/assets/index-B1-x_9Za.js",
            "/static/js/main.3f2a1b9c.js",
            "/_next/static/chunks/123-0d0e8a1c7b1e.js",
            "/_next/static/Qx81kfLmnP_2/_buildManifest.js",
            "/chunk-QWERTYUI.js",
            "/packs/application-5e3b7c1f0a2d.css",
            "/a/0d0e8a1c7b1e4c579c9d.js",
        ] {
            assert!(is_hashed(path), "{path}");
        }
        for path in [
            "/",
            "/app.js",
            "/bootstrap-datepicker.js",
            "/jquery-3.7.1.min.js",
            "/font-awesome.css",
            "/fonts/inter-regular.woff2",
            "/js/20261129.js",
            "/v1.2/internationalization.js",
        ] {
            assert!(!is_hashed(path), "{path}");
        }
    }

    #[test]
    fn code_is_kept_and_what_people_upload_is_not() {
        let is_kept = |path: &str, headers: &str| {
            let request = request(path, headers);
            is_wanted(&request, Asset::of(&request, path), path)
        };
        assert!(is_kept("/app-DiwrgTda.js", "sec-fetch-dest:script"));
        assert!(is_kept("/app.css", "") && is_kept("/chunk", "sec-fetch-dest:script"));
        assert!(is_kept("/messages.3f2a1b9c.json", "sec-fetch-dest:empty"));
        assert!(!is_kept("/messages.json", "sec-fetch-dest:empty"));
        for path in ["/avatar-DiwrgTda.png", "/0d0e8a1c7b1e.mp4", "/logo-3f2a1b9c.svg"] {
            assert!(!is_kept(path, "sec-fetch-dest:image") && !is_kept(path, ""), "{path}");
        }
        assert!(!is_kept("/sw-DiwrgTda.js", "sec-fetch-dest:serviceworker"));
        assert!(!is_kept("/app-DiwrgTda.js", "sec-fetch-dest:document"));
        let head = RequestText::new("HEAD\nhttps://a/app-DiwrgTda.js\n".into());
        assert!(!is_wanted(&head, Asset::of(&head, "/app-DiwrgTda.js"), "/app-DiwrgTda.js"));
    }

    #[test]
    fn nothing_private_and_nothing_that_may_change_is_worth_keeping() {
        let is_kept =
            |path: &str, asked: &str, headers: &str| is_worth_keeping(&request(path, asked), path, &answer(headers));
        let js = "content-type:text/javascript";
        assert!(is_kept("/app-DiwrgTda.js", "cookie:session=1", js));
        assert!(is_kept("/app.js", "", &format!("{js}\ncache-control:public, max-age=1, Immutable")));
        assert!(!is_kept("/app.js", "", &format!("{js}\ncache-control:max-age=31536000")));
        for (asked, headers) in [
            ("authorization:Bearer x", js.to_owned()),
            ("", format!("{js}\nset-cookie:a=1")),
            ("", format!("{js}\ncache-control:max-age=60, Private")),
            ("", format!("{js}\ncache-control:private=\"x\", max-age=60")),
            ("", format!("{js}\ncache-control:no-store")),
            ("", "content-type:text/html".to_owned()),
            ("", "x:y".to_owned()),
        ] {
            assert!(!is_kept("/app-DiwrgTda.js", asked, &headers), "{asked} {headers}");
        }
    }

    #[test]
    fn a_copy_has_the_headers_that_a_browser_needs_and_depends_on_nobody() {
        let js = "content-type:text/javascript\ncache-control:max-age=9";
        let more = "\netag:\"x\"\nserver:y\nvary:Accept-Encoding, Origin\ncontent-length:12";
        let kept = headers(&answer(&format!("{js}{more}")));
        assert_eq!(kept, Some(format!("{js}\nvary:Accept-Encoding, Origin")));
        for vary in ["*", "Cookie", "Accept-Encoding, User-Agent", "Accept", "Authorization", "Accept-Language"] {
            assert_eq!(headers(&answer(&format!("{js}\nvary:{vary}"))), None, "{vary}");
        }
        assert_eq!(headers(&answer(&format!("{js}\ncontent-length:{}", FILE_BYTES_MAX + 1))), None);
        assert_eq!(headers(&answer(&format!("{js}\nset-cookie:a=1"))), None);
        assert_eq!(headers(&answer(&format!("{js}\nsourcemap:{}", "x".repeat(2_048)))), None);
        assert_eq!(headers(&AnswerText::new(format!("206\n\n{js}"))), None);
        assert_eq!(headers(&answer("content-type:text/html\ncache-control:immutable")), None);
    }

    #[test]
    fn what_was_kept_without_an_origin_is_not_given_to_one_where_that_matters() {
        let given = |asked: &str, headers: &str| answers(&request("/a.js", asked), &answer(headers));
        let js = "content-type:text/javascript";
        assert!(given("", &format!("{js}\nvary:Origin")) && given("origin:https://b.example", js));
        assert!(!given("origin:https://b.example", &format!("{js}\nvary:Origin")));
        assert!(given("origin:https://b.example", &format!("{js}\nvary:Origin\naccess-control-allow-origin:*")));
        assert!(!given("", "content-type:text/html"));
    }

    #[test]
    fn a_copy_outlives_the_last_who_got_the_file_by_as_long_as_the_plan_says() {
        let (life_s, fresh_s) = Copy::times(Duration::minutes(7 * 24 * 60));
        assert_eq!((life_s, fresh_s), (907_200, 302_400));
        assert!(life_s - fresh_s >= 7 * 86_400);
        let address = Address::parse("https://shop.example.com/a-1.js?v=2").unwrap_or_else(|| unreachable!());
        let of = |side| key("shop", side, &address);
        assert_eq!(
            of(Variant::New).as_deref(),
            Some("https://tidegate.invalid/kept/shop/new/shop.example.com/a-1.js?v=2")
        );
        assert_ne!(of(Variant::New), of(Variant::Legacy));
        let long = format!("https://shop.example.com/{}.js", "x".repeat(1_000));
        assert_eq!(Address::parse(&long).and_then(|address| key("shop", Variant::New, &address)), None);
    }
}
