//! Which browser and which class of device a `User-Agent` names, as far as failures differ by it.
//!
//! 1. A **family** is what people call a browser, and apart on iOS, where every browser shows pages by Safari's engine.
//!    Versions do not matter here.
//! 2. A **device** is what a page is shown on. An iPad says that it is a Mac, so it counts as one.
//! 3. What is not in the tables is none: it counts under other.
//!
//! One pass over the words of the text, nothing allocated. Client hints are not asked for: browsers send few of them
//! unasked, and those say no more than the text does.

/// Longer texts are cut: browsers have some two hundred bytes.
const BYTES_MAX: usize = 512;

/// A word by which a browser is known, and its family; the first of the table that is there counts, since nearly all of
/// them also say that they are Chrome and Safari.
const FAMILIES: [(&str, &str); 28] = [
    ("EdgiOS", "Edge (iOS)"),
    ("Edg", "Edge"),
    ("EdgA", "Edge"),
    ("Edge", "Edge"),
    ("OPiOS", "Opera (iOS)"),
    ("OPT", "Opera (iOS)"),
    ("OPR", "Opera"),
    ("Opera", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("YaBrowser", "Yandex"),
    ("UCBrowser", "UC Browser"),
    ("MiuiBrowser", "Mi Browser"),
    ("HuaweiBrowser", "Huawei Browser"),
    ("Instagram", "Instagram"),
    ("FBAN", "Facebook"),
    ("FBAV", "Facebook"),
    ("MicroMessenger", "WeChat"),
    ("Line", "Line"),
    ("GSA", "Google app"),
    ("DuckDuckGo", "DuckDuckGo"),
    ("FxiOS", "Firefox (iOS)"),
    ("Firefox", "Firefox"),
    ("CriOS", "Chrome (iOS)"),
    ("Trident", "Internet Explorer"),
    ("MSIE", "Internet Explorer"),
    ("HeadlessChrome", "headless Chrome"),
    ("Chrome", "Chrome"),
    ("Chromium", "Chrome"),
];

/// A word by which a device is known; the first of the table counts. Phones say `Mobile` beside `Android`.
const DEVICES: [(&str, &str); 15] = [
    ("iPhone", "iPhone"),
    ("iPod", "iPhone"),
    ("iPad", "iPad"),
    ("TV", "TV"),
    ("SMART", "TV"),
    ("SmartTV", "TV"),
    ("AppleTV", "TV"),
    ("Web0S", "TV"),
    ("CrOS", "Chromebook"),
    ("Android", ANDROID),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Darwin", "Mac"),
    ("Linux", "Linux"),
    ("X11", "Linux"),
];
const ANDROID: &str = "Android tablet";

/// The runs of letters and digits of a text.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let end = if text.is_char_boundary(BYTES_MAX) { BYTES_MAX } else { text.len() };
    text.get(..end)
        .unwrap_or(text)
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// The place of the first entry that one of the words is in.
fn first(text: &str, table: &[(&'static str, &'static str)]) -> Option<&'static str> {
    let place = |word: &str| table.iter().position(|(own, _)| *own == word);
    words(text).filter_map(place).min().and_then(|place| table.get(place)).map(|(_, name)| *name)
}

fn has(text: &str, word: &str) -> bool {
    words(text).any(|own| own == word)
}

/// The browser's family; `None` for one that is not known.
pub fn family(user_agent: &str) -> Option<&'static str> {
    match first(user_agent, &FAMILIES) {
        Some("Chrome") if has(user_agent, "wv") => Some("Android WebView"),
        None if has(user_agent, "Safari") => {
            Some(if has(user_agent, "Android") { "Android Browser" } else { "Safari" })
        }
        None if has(user_agent, "AppleWebKit") && has(user_agent, "Mobile") => Some("app (iOS)"),
        known => known,
    }
}

/// The class of device; `None` for one that is not known.
pub fn device(user_agent: &str) -> Option<&'static str> {
    match first(user_agent, &DEVICES) {
        Some(ANDROID) if has(user_agent, "Mobile") => Some("Android phone"),
        known => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_known_by_what_they_say_of_themselves() {
        for (text, browser, on) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
                "Edge",
                "Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
                "Safari",
                "Mac",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
                "Safari",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.153 Mobile/15E148 Safari/604.1",
                "Chrome (iOS)",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 [FBAN/FBIOS;FBAV/470.1.0.43.103;FBLC/en_US;FBOP/5]",
                "Facebook",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
                "app (iOS)",
                "iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "Android phone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 13; SM-X700) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                "Android tablet",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SM-G991B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36",
                "Android WebView",
                "Android phone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
                "Samsung Internet",
                "Android phone",
            ),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "Firefox", "Linux"),
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome",
                "Chromebook",
            ),
            (
                "Mozilla/5.0 (iPad; CPU OS 12_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/12.1 Mobile/15E148 Safari/604.1",
                "Safari",
                "iPad",
            ),
            (
                "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
                "Safari",
                "TV",
            ),
            (
                "Opera/9.80 (Android; Opera Mini/7.6.40234/174.101; U; CUBOT) Presto/2.12.423 Version/12.16",
                "Opera",
                "Android tablet",
            ),
            ("Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0) like Gecko", "Internet Explorer", "Windows"),
        ] {
            assert_eq!((family(text), device(text)), (Some(browser), Some(on)), "{text}");
        }
    }

    #[test]
    fn what_is_no_browser_has_no_family_however_it_is_written() {
        for text in ["", "curl/8.5.0", "é", &"é".repeat(4_000), "Chromebook", "safari", ";;;((", "XChrome/1"] {
            assert_eq!((family(text), device(text)), (None, None), "{text}");
        }
        let hidden = format!("{} Chrome/1", "x".repeat(600));
        assert_eq!(family(&hidden), None, "a text is cut");
    }
}
