//! Which clients are robots: crawlers, monitors, link previews, mail scanners and feed readers that
//! fetch by themselves.
//!
//! A robot keeps no cookie, so it would be assigned again with each request, and is nobody whose
//! experience counts. It is known by what it says of itself in `User-Agent`; who pretends to be a
//! browser is taken for one.
//!
//! 1. A **word** is a run of letters and digits. Words are compared whole, so that `CUBOT`, `Abbott`
//!    or `RobotoBrowser` are not what they contain. A robot has a word with one of the [`ENDINGS`],
//!    one of the [`NAMES`], or two of them as in [`PAIRS`].
//! 2. The name of an Android **device** does not count: people have phones called `M bot 54`.
//! 3. A robot may also name a **page to read about it**, `+https://…`, or call itself `compatible` and
//!    give an address, as no browser does.
//! 4. Headless browsers, HTTP libraries and command-line clients are **no robots**: developers and
//!    their tests use them, and want to see what visitors see. Browsers inside apps are people's.
//!
//! The lists are sorted and searched by halving: one pass over the text, and nothing to be built
//! before an isolate's first request, as an automaton of all names would be.
//!
//! Many of the names were found in crawler-user-agents (MIT, © 2017 Martin Monperrus and others).

use tidegate_model::subject::SubjectHash;

/// What a robot's word may end in; digits may follow.
const ENDINGS: [&str; 30] = [
    "bot",
    "bots",
    "checker",
    "checklink",
    "crawl",
    "crawler",
    "crawlers",
    "emailproxy",
    "externalhit",
    "favicon",
    "favicons",
    "fetcher",
    "healthcheck",
    "healthchecks",
    "imageproxy",
    "imgproxy",
    "indexer",
    "linkcheck",
    "mailproxy",
    "monitoring",
    "preview",
    "scraper",
    "spider",
    "subscriber",
    "subscribers",
    "synthetic",
    "synthetics",
    "unfurler",
    "uptime",
    "validator",
];
/// What ends so and is a make of phones, whose browsers may say it anywhere.
const NO_ROBOTS: [&str; 1] = ["cubot"];
/// Names of robots that end otherwise.
const NAMES: [&str; 148] = [
    "akkoma",
    "alertsite",
    "alwaysonline",
    "appinsights",
    "barracuda",
    "blogtrottr",
    "botify",
    "bubing",
    "camo",
    "cardyb",
    "catchpoint",
    "censysinspect",
    "checkhost",
    "checkly",
    "cloudflarediagnostics",
    "cloudflareobservatory",
    "colly",
    "commafeed",
    "contentkingapp",
    "crawl4ai",
    "crawler4j",
    "dareboost",
    "daum",
    "daumoa",
    "dmbrowser",
    "duplexweb",
    "embedly",
    "expanse",
    "externalads",
    "externalagent",
    "ezooms",
    "facebookcatalog",
    "facebookexternalua",
    "feedbin",
    "feedburner",
    "firecrawlagent",
    "flipboardproxy",
    "flipboardrss",
    "freshrss",
    "friendica",
    "gigablast",
    "gigablastopensource",
    "googleassociationservice",
    "googledocs",
    "googlehc",
    "googleother",
    "googleproducer",
    "gotosocial",
    "gotsitemonitor",
    "gtmetrix",
    "heritrix",
    "hetrixtools",
    "httrack",
    "hydrozen",
    "ichiro",
    "icinga",
    "iframely",
    "inoreader",
    "inspectiontool",
    "internetmeasurement",
    "jetmon",
    "l9explore",
    "l9scan",
    "l9tcpid",
    "larbin",
    "lemmy",
    "lighthouse",
    "linkdex",
    "logicmonitor",
    "magpierss",
    "masscan",
    "mastodon",
    "mediapartners",
    "megaindex",
    "metainspector",
    "mimecast",
    "miniflux",
    "misskey",
    "mobileok",
    "monitis",
    "monitor",
    "monitorss",
    "monspark",
    "montastic",
    "moreover",
    "nagios",
    "netcraft",
    "netcraftsurveyagent",
    "netsystemsresearch",
    "netvibes",
    "netvigie",
    "newrelicpinger",
    "newsblur",
    "nodeping",
    "notebooklm",
    "nutch",
    "nuzzel",
    "ohdear",
    "onebox",
    "owler",
    "panopta",
    "panscient",
    "physicalweb",
    "pingdom",
    "pingdompagespeed",
    "pingdomtms",
    "pingping",
    "pleroma",
    "proofpoint",
    "ptst",
    "qwantify",
    "ramblermail",
    "rigor",
    "scrapy",
    "seekport",
    "serverdensity",
    "silktide",
    "simplepie",
    "sistrix",
    "site24x7",
    "sitebulb",
    "siteimprove",
    "sitemonitor",
    "slurp",
    "statuscake",
    "superfeedr",
    "teoma",
    "theoldreader",
    "thousandeyes",
    "turnitin",
    "twinwavescanner",
    "updown",
    "uptimedoctor",
    "uptimia",
    "uptrends",
    "urlscan",
    "virustotal",
    "vkshare",
    "watchmouse",
    "websitepulse",
    "webzio",
    "wotbox",
    "xenu",
    "yahoocachesystem",
    "yeti",
    "yottaamonitor",
    "zabbix",
    "zgrab",
];
/// Two words, whatever stands between them.
const PAIRS: [&str; 43] = [
    "amzn user",
    "anthropic ai",
    "banner detection",
    "blackbox exporter",
    "chatgpt user",
    "check http",
    "claude user",
    "claude web",
    "cohere ai",
    "datadog agent",
    "existence discovery",
    "feed parser",
    "ghost inspector",
    "google ads",
    "google adwords",
    "google extended",
    "google safety",
    "google speakr",
    "health check",
    "health checker",
    "health probe",
    "ia archiver",
    "kakaotalk scrap",
    "kube probe",
    "line poker",
    "link resolver",
    "link sleuth",
    "mistralai user",
    "oh dear",
    "page speed",
    "perplexity user",
    "privacy preserving",
    "protocol discovery",
    "read aloud",
    "search console",
    "semantic visions",
    "server density",
    "site verification",
    "spawning ai",
    "ssl labs",
    "tiny tiny",
    "traffic manager",
    "trust services",
];
/// Apps that fetch a preview under their name alone; as a browser they begin with `Mozilla`.
const FIRST_WORDS: [&str; 3] = ["sentry", "viber", "whatsapp"];
/// No robot needs more to say who it is, and nobody is to be kept busy by a long text.
const BYTES_MAX: usize = 1_024;
/// So many user agents are remembered; most visitors of a moment share a few dozen.
const REMEMBERED: usize = 128;

/// The class `robots`, with what it was asked a moment ago.
#[derive(Debug, Default)]
pub struct Robots {
    /// Each has the place of its hash. The text is kept too: hashes of this kind can be made to
    /// collide, and somebody could make all of a browser's users robots.
    seen: Vec<Option<(Box<str>, bool)>>,
}

impl Robots {
    /// Whether a client with this `User-Agent` is a robot.
    pub fn is_robot(&mut self, user_agent: &str) -> bool {
        if user_agent.len() > BYTES_MAX {
            return is_robot(user_agent);
        }
        if self.seen.is_empty() {
            self.seen.resize_with(REMEMBERED, || None);
        }
        let place = usize::try_from(SubjectHash::of(user_agent.as_bytes()).get()).unwrap_or_default();
        let Some(slot) = self.seen.get_mut(place & (REMEMBERED - 1)) else { return is_robot(user_agent) };
        match slot {
            Some((text, is_robot)) if **text == *user_agent => *is_robot,
            _ => {
                let is_robot = is_robot(user_agent);
                *slot = Some((user_agent.into(), is_robot));
                is_robot
            }
        }
    }
}

/// Whether a client with this `User-Agent` is a robot.
pub fn is_robot(user_agent: &str) -> bool {
    let text = user_agent.get(..user_agent.floor_char_boundary(BYTES_MAX)).unwrap_or(user_agent).to_ascii_lowercase();
    let (before, after) = around_device(&text);
    let words = words(before, after);
    FIRST_WORDS.contains(&words.split(' ').next().unwrap_or_default()) || has_name(&words) || has_contact(&text)
}

/// The words in lower case with one space between them.
fn words(before: &str, after: &str) -> String {
    let mut words = String::with_capacity(before.len() + after.len() + 1);
    for letter in before.bytes().chain([b' ']).chain(after.bytes()) {
        if letter.is_ascii_alphanumeric() {
            words.push(char::from(letter));
        } else if !words.is_empty() && !words.ends_with(' ') {
            words.push(' ');
        }
    }
    words
}

fn has_name(words: &str) -> bool {
    let mut last = 0..0;
    let mut at = 0;
    for word in words.split(' ') {
        let own = at..at + word.len();
        at = own.end + 1;
        let pair = words.get(last.start..own.end).unwrap_or_default();
        // Apple's `Safari Technology Preview` fetches with its own name, in percent-encoding.
        let is_browser = word.ends_with("preview") && pair.starts_with("20technology");
        // Most words of a browser are numbers of versions.
        let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number
            && !is_browser
            && (has_ending(word) || NAMES.binary_search(&word).is_ok() || PAIRS.binary_search(&pair).is_ok())
        {
            return true;
        }
        last = own;
    }
    false
}

fn has_ending(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| letter.is_ascii_digit());
    ENDINGS.iter().any(|ending| word.ends_with(ending)) && !NO_ROBOTS.contains(&word)
}

/// Whether somebody says where to read or to complain about it. node-fetch, a library, does so too.
fn has_contact(text: &str) -> bool {
    let has_address = || text.contains("http://") || text.contains("https://");
    let is_compatible = || text.contains("(compatible;") && !text.contains("msie") && has_address();
    (text.contains("+http") || text.contains("+mailto:") || is_compatible()) && !text.contains("node-fetch")
}

/// What stands before and after the name of an Android device: `(Linux; Android 7.0; M bot 54 Build/…)`,
/// `(Linux; U; Android 4.4; de-de; M bot 54 Build/…)`.
fn around_device(text: &str) -> (&str, &str) {
    let Some(android) = text.find("android") else { return (text, "") };
    let part_end = |from: usize| text.get(from..).and_then(|rest| rest.find([';', ')'])).map(|at| from + at);
    let is_semicolon = |at: &usize| text.as_bytes().get(*at) == Some(&b';');
    let Some(mut start) = part_end(android).filter(is_semicolon).map(|at| at + 1) else { return (text, "") };
    while let Some(end) =
        part_end(start).filter(is_semicolon).filter(|end| is_language(text.get(start..*end).unwrap_or_default().trim()))
    {
        start = end + 1;
    }
    let end = part_end(start).unwrap_or(text.len());
    (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default())
}

/// `de`, `de-at`, `de_at`.
fn is_language(part: &str) -> bool {
    matches!(part.as_bytes(), [_, _] | [_, _, b'-' | b'_', _, _])
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36";
    const GOOGLEBOT: &str = "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Googlebot/2.1; +http://www.google.com/bot.html) Chrome/126.0.6478.182 Safari/537.36";

    /// As they were seen.
    const CRAWLERS: [&str; 43] = [
        GOOGLEBOT,
        "Googlebot/2.1 (+http://www.google.com/bot.html)",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.6478.182 Mobile Safari/537.36 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "Googlebot-Image/1.0",
        "AdsBot-Google (+http://www.google.com/adsbot.html)",
        "Mediapartners-Google",
        "APIs-Google (+https://developers.google.com/webmasters/APIs-Google.html)",
        "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; Storebot-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/81.0.4044.138 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.0; Pixel 2 Build/OPD3.170816.012; DuplexWeb-Google/1.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/74.0.3729.131 Mobile Safari/537.36",
        "Mozilla/5.0 (compatible; Google-InspectionTool/1.0;)",
        "GoogleOther",
        "Mozilla/5.0 (compatible; Google-Site-Verification/1.0)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.75 Safari/537.36 Google Favicon",
        "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/534+ (KHTML, like Gecko) BingPreview/1.0b",
        "msnbot/2.0b (+http://search.msn.com/msnbot.htm)",
        "Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help/us/ysearch/slurp)",
        "Mozilla/5.0 (compatible; DuckDuckBot-Https/1.1; https://duckduckgo.com/duckduckbot)",
        "Mozilla/5.0 (compatible; YandexBot/3.0; +http://yandex.com/bots)",
        "Mozilla/5.0 (compatible; YandexImages/3.0; +http://yandex.com/bots)",
        "Mozilla/5.0 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Mozilla/5.0 (Linux;u;Android 4.2.2;zh-cn;) AppleWebKit/534.46 (KHTML,like Gecko) Version/5.1 Mobile Safari/10600.6.3 (compatible; Baiduspider/2.0; +http://www.baidu.com/search/spider.html)",
        "Sogou web spider/4.0(+http://www.sogou.com/docs/help/webmasters.htm#07)",
        "Mozilla/5.0 (Linux; Android 7.0;) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; PetalBot;+https://webmaster.petalsearch.com/site/petalbot)",
        "Mozilla/5.0 (Linux; Android 5.0) AppleWebKit/537.36 (KHTML, like Gecko) Mobile Safari/537.36 (compatible; Bytespider; https://zhanzhang.toutiao.com/)",
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1.1 Safari/605.1.15 (Applebot/0.1; +http://www.apple.com/go/applebot)",
        "Mozilla/5.0 (compatible; Yeti/1.1; +https://naver.me/spd)",
        "Mozilla/5.0 (compatible; SeznamBot/4.0; +https://o-seznam.cz/napoveda/vyhledavani/en/seznambot-crawler/)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ClaudeBot/1.0; +claudebot@anthropic.com)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Claude-User/1.0; +Claude-User@anthropic.com)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; ChatGPT-User/1.0; +https://openai.com/bot)",
        "meta-externalagent/1.1 (+https://developers.facebook.com/docs/sharing/webmasters/crawler)",
        "CCBot/2.0 (https://commoncrawl.org/faq/)",
        "Mozilla/5.0 (compatible; archive.org_bot +http://archive.org/details/archive.org_bot)",
        "ia_archiver (+http://www.alexa.com/site/help/webmasters; crawler@alexa.com)",
        "Mozilla/5.0 (compatible; AhrefsBot/7.0; +http://ahrefs.com/robot/)",
        "Mozilla/5.0 (compatible; SemrushBot/7~bl; +http://www.semrush.com/bot.html)",
        "Mozilla/5.0 (compatible; MJ12bot/v1.4.8; http://mj12bot.com/)",
        "Screaming Frog SEO Spider/20.2",
        "Scrapy/2.11.2 (+https://scrapy.org)",
        "CB/Nutch-1.7",
        "Mozilla/5.0 (compatible; NetcraftSurveyAgent/1.0; +info@netcraft.com)",
    ];
    const MONITORS: [&str; 22] = [
        "Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)",
        "Pingdom.com_bot_version_1.4_(http://www.pingdom.com/)",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) browser/2020.2.1 Chrome/78.0.3904.130 Electron/7.3.2 Safari/537.36 PingdomTMS/2020.2",
        "Mozilla/5.0 (Windows NT 6.2; WOW64) AppleWebKit/537.4 (KHTML, like Gecko) Chrome/98 Safari/537.4 (StatusCake)",
        "Better Uptime Bot Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/85.0.4183.121 Safari/537.36",
        "Uptime-Kuma/1.23.16",
        "Site24x7",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.7204.168 Safari/537.36 DatadogSynthetics",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.6998.35 Safari/537.36 (Checkly, https://www.checklyhq.com)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/100.0.4896.60 Safari/537.36 NewRelicSynthetics/1.0",
        "Mozilla/5.0 (Windows NT 6.3; WOW64; Trident/7.0; rv:11.0; Catchpoint) like Gecko",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/113.0.5672.126 Safari/537.36 RuxitSynthetic/1.0 v104032285451 t1437235942278817309 ath5a4d3a",
        "Mozilla/5.0 (compatible; PRTG Network Monitor (www.paessler.com); Windows)",
        "check_http/v2.2.1 (nagios-plugins 2.2.1)",
        "Blackbox Exporter/0.24.0",
        "ELB-HealthChecker/2.0",
        "Amazon-Route53-Health-Check-Service (ref b0eb04d5-cb5e-40e7-839b-558e52fc3f0d; report http://amzn.to/1vsZADi)",
        "GoogleHC/1.0",
        "GoogleStackdriverMonitoring-UptimeChecks(https://cloud.google.com/monitoring)",
        "kube-probe/1.29",
        "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5 Build/MRA58N) AppleWebKit/537.36(KHTML, like Gecko) Chrome/69.0.3464.0 Mobile Safari/537.36 Chrome-Lighthouse",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/117.0.0.0 Safari/537.36 GTmetrix",
    ];
    const PREVIEWS: [&str; 21] = [
        "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "Twitterbot/1.0",
        "LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)",
        "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        "Slack-ImgProxy (+https://api.slack.com/robots)",
        "Mozilla/5.0 (compatible; Discordbot/2.0; +https://discordapp.com)",
        "TelegramBot (like TwitterBot)",
        "WhatsApp/2.23.20.0",
        "WhatsApp/2.18.65 Android/6.0 Device/NOA-NOA_H4se",
        "Viber",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
        "facebookexternalhit/1.1; kakaotalk-scrap/1.0; +https://devtalk.kakao.com/t/scrap/33984",
        "Snap URL Preview Service; bot; snapchat; https://developers.snap.com/robots",
        "Mozilla/5.0 (compatible; Pinterestbot/1.0; +https://www.pinterest.com/bot.html)",
        "Mozilla/5.0 (compatible; redditbot/1.0; +http://www.reddit.com/feedback)",
        "http.rb/5.1.1 (Mastodon/4.2.1; +https://mastodon.social/)",
        "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; Bluesky Cardyb/1.1; +mailto:support@bsky.app) Chrome/125.0.0.0 Safari/537.36",
        "Iframely/1.3.1 (+https://iframely.com/docs/about)",
        "Embedly +support@embed.ly",
        "github-camo (c006e452)",
    ];
    const MAIL_AND_FEEDS: [&str; 12] = [
        "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
        "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
        "Mozilla/5.0 SeznamEmailProxy/2.0.174",
        "Barracuda Sentinel (EE)",
        "Microsoft Office Existence Discovery",
        "Kaspersky Lab CFR link resolver cfradmins@kaspersky.com",
        "TwinWaveScanner",
        "Feedly/1.0 (+http://www.feedly.com/fetcher.html; 16 subscribers; like FeedFetcher-Google)",
        "Feedbin feed-id:2005098 - 2 subscribers",
        "Tiny Tiny RSS/1.15.3 (http://tt-rss.org/)",
        "FreshRSS/1.12.0 (Linux; https://freshrss.org)",
        "SimplePie/1.3.1 (Feed Parser; http://simplepie.org; Allow like Gecko) Build/20121030175911",
    ];

    const BROWSERS: [&str; 19] = [
        CHROME,
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.153 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/111.0.0.0",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 YaBrowser/24.6.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; arm_64; Android 13; M2101K6G) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.6367.219 YaBrowser/24.6.3 YaApp_Android/24.63 YaSearchBrowser/24.63 BroPP/1.0 SA/3 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/127.0.0 Chrome/121.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/49.0.2623.221 Safari/537.36 SE 2.X MetaSr 1.0",
        "Mozilla/5.0 (compatible; MSIE 9.0; Windows NT 6.1; Trident/5.0)",
        "Mozilla/4.0 (compatible; MSIE 8.0; Windows NT 6.1; Trident/4.0; GTB7.5; AskTbORJ/5.15.9.29495)",
        "Mozilla/5.0 (compatible; Konqueror/4.5; Linux) KHTML/4.5.4 (like Gecko)",
        "Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 (KHTML, like Gecko) 76.0.3809.146/6.0 TV Safari/537.36",
        "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Safari%20Technology%20Preview/15610.1.16.3 CFNetwork/1126 Darwin/19.5.0 (x86_64)",
    ];
    const FALSE_FRIENDS: [&str; 17] = [
        "Mozilla/5.0 (Linux; Android 9; CUBOT_X19) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.198 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 10; CUBOT KINGKONG CS Build/QP1A.190711.020; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 4.4.2; de-de; CUBOT P9 Build/KOT49H) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Opera/9.80 (Android; Opera Mini/7.6.40234/174.101; U; CUBOT) Presto/2.12.423 Version/12.16",
        "Mozilla/5.0 (Linux; Android 7.0; M bot 54) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/78.0.3904.96 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 6.0; IDbot553 Build/MRA58K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/59.0.3071.125 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 6.0; B BOT 550 Build/MRA58K; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/53.0.2785.124 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 7.1.2; M_bot_tab_71 Build/NHG47K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/58.0.3029.83 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.1.0; XBot_Senior Build/O11019) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/65.0.3325.109 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; Android 13; Spider 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Linux; Android 8.0.0; Expanse) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.99 Mobile Safari/537.36",
        "Mozilla/5.0 (Linux; U; Android 6.0; es-es; VR BOT 552 Build/MRA58K) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
        "Mozilla/5.0 (Linux; Android 11; Hammer_Explorer_Plus) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/106.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64; RobotoBrowser) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 AbbottPortal/2.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Monitoringo/3.2",
        "",
    ];
    const APPS: [&str; 16] = [
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/21F90 [FBAN/FBIOS;FBAV/470.1.0.43.103;FBBV/617082463;FBDV/iPhone14,5;FBMD/iPhone;FBSN/iOS;FBSV/17.5.1;FBSS/3;FBID/phone;FBLC/en_US;FBOP/5]",
        "Mozilla/5.0 (Linux; Android 16; Pixel 10 Pro XL Build/CP1A.260305.018; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/146.0.7680.174 Mobile Safari/537.36 MetaIAB Facebook",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Instagram 336.0.0.14.92 (iPhone14,5; iOS 17_5; en_US; en; scale=3.00; 1170x2532; 611312531)",
        "Mozilla/5.0 (Linux; Android 14; SM-G991B Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36 [Pinterest/Android]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [Pinterest/iOS]",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [LinkedInApp]/9.29.7473",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Twitter for iPhone/10.46",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Snapchat/12.95.0.35 (like Safari/8618.2.12.10.9, panda)",
        "Mozilla/5.0 (Linux; Android 13; 22101316G Build/TP1A.220624.014; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36 trill_350203 BytedanceWebview/d8a21c6",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) GSA/323.0.647062479 Mobile/15E148 Safari/604.1",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 DuckDuckGo/7 Safari/605.1.15",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 NAVER(inapp; search; 2000; 12.6.3; 14PRO)",
        "Mozilla/5.0 (Linux; Android 14; SM-S918N Build/UP1A.231005.007; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0.6478.122 Mobile Safari/537.36;KAKAOTALK 2410640",
        "Mozilla/5.0 (Linux; Android 12; ELS-AN00 Build/HUAWEIELS-AN00; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/97.0.4692.98 Mobile Safari/537.36 baiduboxapp/13.58.0.10",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.6367.243 Electron/30.1.2 Safari/537.36 Teams/24152.405.2925.6762 Slack_SSB/4.39.90",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.9.0",
    ];
    const TOOLS: [&str; 18] = [
        "curl/8.5.0",
        "Wget/1.21.4",
        "python-requests/2.32.3",
        "Python/3.12 aiohttp/3.9.5",
        "python-httpx/0.27.0",
        "node",
        "node-fetch/1.0 (+https://github.com/bitinn/node-fetch)",
        "undici",
        "axios/1.7.2",
        "got (https://github.com/sindresorhus/got)",
        "Go-http-client/2.0",
        "okhttp/4.12.0",
        "Java/21.0.3",
        "Apache-HttpClient/4.5.14 (Java/17.0.11)",
        "PostmanRuntime/7.39.0",
        "k6/0.51.0 (https://k6.io/)",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/126.0.6478.126 Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Playwright/1.40.0",
    ];

    #[track_caller]
    fn are(is_expected: bool, user_agents: &[&str]) {
        for text in user_agents {
            assert_eq!(is_robot(text), is_expected, "{text}");
        }
    }

    #[test]
    fn the_lists_are_sorted() {
        assert!(NAMES.is_sorted() && PAIRS.is_sorted());
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        for name in NAMES.iter().chain(&ENDINGS).chain(&FIRST_WORDS) {
            assert!(is_word(name), "{name}");
        }
        for pair in PAIRS {
            assert!(pair.split_once(' ').is_some_and(|(first, second)| is_word(first) && is_word(second)), "{pair}");
        }
    }

    #[test]
    fn robots_are_robots() {
        are(true, &CRAWLERS);
        are(true, &MONITORS);
        are(true, &PREVIEWS);
        are(true, &MAIL_AND_FEEDS);
    }

    #[test]
    fn people_are_none() {
        are(false, &BROWSERS);
        are(false, &FALSE_FRIENDS);
        are(false, &APPS);
    }

    #[test]
    fn tools_of_developers_are_none() {
        are(false, &TOOLS);
    }

    #[test]
    fn any_text_can_be_asked_about() {
        are(
            false,
            &[
                "é",
                "Android",
                "android;",
                "android;;",
                "android; (",
                "(Linux; Android 7.0; de",
                "\u{0}\u{7f}",
                " ",
                ";;;)))(((",
            ],
        );
        are(true, &["bot", "BOT", "ändroid bot", "android; x; bot", "é bot 7"]);
        let long = format!("{} bot", "é".repeat(BYTES_MAX));
        are(false, &[&long]);
    }

    #[test]
    fn what_is_remembered_is_what_would_be_found() {
        let mut robots = Robots::default();
        for _ in 0..2 {
            assert!(robots.is_robot(GOOGLEBOT) && !robots.is_robot(CHROME) && robots.is_robot(GOOGLEBOT));
        }
        // More than there is room for: whoever loses the place is found anew.
        for number in 0..10 * REMEMBERED {
            assert_eq!(
                robots.is_robot(&format!("client {number}{}", if number % 3 == 0 { " bot" } else { "" })),
                number % 3 == 0
            );
        }
        assert_eq!(robots.seen.len(), REMEMBERED);
        assert!(robots.is_robot(GOOGLEBOT) && !robots.is_robot(CHROME));
    }
}
