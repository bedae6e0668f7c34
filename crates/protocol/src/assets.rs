//! The files that a page finds by names that only one side has, and when one of them is missing.
//!
//! 1. An asset is known by `Sec-Fetch-Dest`, or by its extension where a client sends no metadata (plain
//!    HTTP, Safari before 16.4) or fetches data.
//! 2. It is missing where the answer is 404, 403 (object stores say so where they may not list), 410, or a
//!    page: many frontends answer unknown paths with their start page.
//! 3. The other side's answer counts only if the same rule finds the asset in it.
//! 4. A service worker's script never comes from the other side: it would go on serving that side's pages.
//!    Where the side in force has none at its path, [`UNREGISTER`] takes its place.

use super::message::RequestText;

/// What a request that is no document asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asset {
    /// A file that a page refers to.
    File,
    /// The script of a service worker, which browsers fetch again at each visit.
    ServiceWorker,
}

/// A service worker that ends itself and shows its pages anew, from the side in force. It takes the place of the
/// very script that it stands for alone: where another worker serves the scope it fails to install, as a missing
/// script would, and where there is none it reloads nothing. A page that registers what its side does not have
/// would else be reloaded for ever.
pub const UNREGISTER: &str = "\
// This site has no service worker here any more. Tidegate answers with this script in its place.
const { active } = self.registration;
const replaces = active?.scriptURL === self.location.href;
self.addEventListener('install', (event) => {
  if (active && !replaces) event.waitUntil(Promise.reject(new Error('this site has no such script')));
  else self.skipWaiting();
});
self.addEventListener('activate', (event) => event.waitUntil((async () => {
  const pages = replaces ? await self.clients.matchAll({ type: 'window' }) : [];
  await self.registration.unregister();
  await Promise.all(pages.map((page) => page.navigate(page.url).catch(() => {})));
})()));
";

/// Extensions of files that pages refer to. Those of pages, and of what people download, are not among them.
const EXTENSIONS: [&str; 52] = [
    "js",
    "mjs",
    "cjs",
    "css",
    "map",
    "json",
    "webmanifest",
    "wasm",
    "woff",
    "woff2",
    "ttf",
    "otf",
    "eot",
    "svg",
    "png",
    "jpg",
    "jpeg",
    "gif",
    "webp",
    "avif",
    "jxl",
    "ico",
    "bmp",
    "cur",
    "mp4",
    "webm",
    "ogg",
    "ogv",
    "oga",
    "mp3",
    "m4a",
    "m4v",
    "mov",
    "aac",
    "wav",
    "flac",
    "opus",
    "vtt",
    "srt",
    "m3u8",
    "mpd",
    "ts",
    "m4s",
    "glb",
    "gltf",
    "bin",
    "geojson",
    "topojson",
    "riv",
    "lottie",
    "pbf",
    "hdr",
];

impl Asset {
    /// What a request for this path asks for, if that is an asset.
    pub fn of(request: &RequestText, path: &str) -> Option<Self> {
        if request.header("service-worker").is_some_and(|value| value.eq_ignore_ascii_case("script")) {
            return Some(Self::ServiceWorker);
        }
        let by_extension = || has_extension(path).then_some(Self::File);
        match request.header("sec-fetch-dest") {
            Some("serviceworker") => Some(Self::ServiceWorker),
            Some(
                "script" | "style" | "image" | "font" | "worker" | "sharedworker" | "audioworklet" | "paintworklet"
                | "manifest" | "video" | "audio" | "track" | "json" | "xslt",
            ) => Some(Self::File),
            Some("empty") => by_extension(),
            Some(_) => None,
            None if request.header("accept").is_some_and(|accept| accept.contains("text/html")) => None,
            None => by_extension(),
        }
    }

    /// Whether an answer shows that its side does not have the asset.
    pub fn is_missed(status: u16, content_type: Option<&str>) -> bool {
        matches!(status, 403 | 404 | 410) || ((200..300).contains(&status) && is_html(content_type))
    }

    /// Whether an answer is the asset.
    pub fn is_found(status: u16, content_type: Option<&str>) -> bool {
        ((200..300).contains(&status) || status == 304) && !Self::is_missed(status, content_type)
    }
}

fn has_extension(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| EXTENSIONS.iter().any(|own| own.eq_ignore_ascii_case(extension)))
}

/// Whether a `Content-Type` is that of a page.
pub fn is_html(content_type: Option<&str>) -> bool {
    let essence = content_type.and_then(|kind| kind.split(';').next()).map(str::trim);
    essence.is_some_and(|essence| {
        essence.eq_ignore_ascii_case("text/html") || essence.eq_ignore_ascii_case("application/xhtml+xml")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn asks(path: &str, headers: &str, expected: Option<Asset>) {
        let request = RequestText::new(format!("GET\nhttps://a{path}\n{headers}"));
        assert_eq!(Asset::of(&request, path), expected, "{path} {headers}");
    }

    #[test]
    fn an_asset_is_known_by_its_destination_or_its_extension() {
        for dest in [
            "script",
            "style",
            "image",
            "font",
            "worker",
            "sharedworker",
            "manifest",
            "video",
            "audio",
            "track",
            "json",
        ] {
            asks("/x", &format!("sec-fetch-dest:{dest}"), Some(Asset::File));
        }
        for path in ["/a.js", "/a/b.min.CSS", "/data/build-1.json", "/a.wasm", "/f.woff2"] {
            asks(path, "accept:*/*", Some(Asset::File));
            asks(path, "", Some(Asset::File));
            asks(path, "sec-fetch-dest:empty", Some(Asset::File));
        }
        for path in ["/", "/a", "/a.html", "/report.pdf", "/v1.2/users", "/.js/x", "/a.js/", "/js"] {
            asks(path, "accept:*/*", None);
            asks(path, "sec-fetch-dest:empty", None);
        }
        asks("/a.js", "accept:text/html,*/*", None);
        asks("/a.js", "sec-fetch-dest:document", None);
        asks("/sw.js", "sec-fetch-dest:serviceworker", Some(Asset::ServiceWorker));
        asks("/sw.js", "service-worker:script", Some(Asset::ServiceWorker));
    }

    #[test]
    fn it_is_missing_where_the_answer_says_so_or_is_a_page() {
        for (status, kind, missed, found) in [
            (200, Some("text/javascript"), false, true),
            (206, Some("video/mp4"), false, true),
            (304, Some("text/html"), false, true),
            (200, None, false, true),
            (200, Some("Text/HTML; charset=utf-8"), true, false),
            (200, Some("application/xhtml+xml"), true, false),
            (404, Some("text/javascript"), true, false),
            (403, Some("application/xml"), true, false),
            (410, None, true, false),
            (401, None, false, false),
            (302, Some("text/html"), false, false),
            (503, Some("text/html"), false, false),
        ] {
            assert_eq!(
                (Asset::is_missed(status, kind), Asset::is_found(status, kind)),
                (missed, found),
                "{status} {kind:?}"
            );
        }
    }
}
