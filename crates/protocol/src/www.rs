//! The files that browsers load from Tidegate itself: the console, and the beacon's script.
//!
//! 1. The console may load nothing but its own files, run no text as code, and be framed by nobody.
//! 2. What has its content's hash in its name may be kept for good; the page that names it may not.
//! 3. Whoever comes with a sign-in by Cloudflare Access is signed in already, which the page finds in its timing: else it
//!    would have to ask, and everybody else's page would begin with a refusal.
//! 4. The beacon's script keeps its name in the pages of others, so it is asked for again each hour.

use super::beacon::path::SCRIPT;

const GUARDED: &str = "content-security-policy:default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types tidegate
x-frame-options:DENY
referrer-policy:no-referrer
cross-origin-opener-policy:same-origin
";

/// Whether there may be a file at this path: the console's page, or something beside it with an extension.
pub fn is_file(path: &str) -> bool {
    path.strip_prefix("/_tidegate/").is_some_and(|name| name.is_empty() || name.contains('.') && !name.contains('/'))
}

/// What is added to the headers of such a file, a line each; for whoever comes by Access, also that.
pub fn headers(path: &str, is_by_access: bool) -> String {
    let cache = match path {
        SCRIPT => "public, max-age=3600, stale-while-revalidate=86400",
        _ if is_hashed(path) => "public, max-age=31536000, immutable",
        _ => "no-cache",
    };
    let own = if path == SCRIPT { "" } else { GUARDED };
    let access = if is_by_access && cache == "no-cache" { "server-timing:access\n" } else { "" };
    format!("{own}{access}cache-control:{cache}\nx-content-type-options:nosniff")
}

/// Whether a name ends with the hash that the build gives it, as `main-F5T3LUGM.js`.
fn is_hashed(path: &str) -> bool {
    let hash = path.rsplit_once('.').and_then(|(name, _)| name.rsplit_once('-')).map_or("", |(_, hash)| hash);
    hash.len() == 8 && hash.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_stand_beside_the_page_and_have_an_extension() {
        for path in ["/_tidegate/", "/_tidegate/beacon.js", "/_tidegate/main-F5T3LUGM.css"] {
            assert!(is_file(path), "{path}");
        }
        for path in [
            "/_tidegate",
            "/_tidegate/beacon",
            "/_tidegate/api/x.js",
            "/_tidegate/api",
            "/about.html",
            "/_tidegate//a.js",
        ] {
            assert!(!is_file(path), "{path}");
        }
    }

    #[test]
    fn only_the_page_of_whoever_comes_by_access_says_so() {
        let says = |path, is_by_access| headers(path, is_by_access).contains("server-timing:access");
        assert!(says("/_tidegate/", true) && !says("/_tidegate/", false));
        assert!(!says(SCRIPT, true) && !says("/_tidegate/main-F5T3LUGM.css", true));
    }

    #[test]
    fn only_what_has_a_hash_in_its_name_is_kept_for_good() {
        let kept = |path| headers(path, true).contains("immutable");
        assert!(kept("/_tidegate/main-F5T3LUGM.css") && kept("/_tidegate/worker-OJVPEFOP.js"));
        assert!(
            !kept("/_tidegate/")
                && !kept("/_tidegate/beacon.js")
                && !kept("/_tidegate/icon.svg")
                && !kept("/_tidegate/main-no.js")
        );
        assert!(headers("/_tidegate/", false).contains("content-security-policy:default-src 'none';"));
        assert!(!headers("/_tidegate/beacon.js", false).contains("security-policy"));
    }
}
