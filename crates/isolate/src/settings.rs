//! What the environment says, read once: it never changes in an isolate.

use tidegate_model::upstream::Upstream;
use tidegate_protocol::api::access::Access;
use tidegate_protocol::api::session::SessionKey;
use tidegate_protocol::beacon::path::BeaconPath;
use tidegate_protocol::choice::ChoiceKey;
use tidegate_protocol::console::Console;
use tidegate_protocol::feed::FeedKey;
use tidegate_protocol::log::LogLine;
use tidegate_protocol::preview::PreviewKey;
use tidegate_protocol::used::UsedKey;
use tidegate_protocol::visit::VisitKey;

/// What the environment says.
#[derive(Default)]
pub struct Settings {
    /// Where the console answers (`CONSOLE_HOST`).
    pub console: Console,
    /// The operator's name for the beacon's paths (`BEACON_PATH`).
    pub beacon_path: Option<BeaconPath>,
    /// Where requests go that no rollout takes (`FALLBACK_UPSTREAM`).
    pub fallback: Option<Upstream>,
    /// Whether all visitors may come from one network, an intranet's or the developer's
    /// (`BEACON_ONE_NETWORK = "allow"`).
    pub is_one_network: bool,
    /// Signs previews; `None` without a usable `SIGNING_KEY`.
    pub previews: Option<PreviewKey>,
    /// Signs what people choose; `None` likewise.
    pub choices: Option<ChoiceKey>,
    /// Signs visits; `None` likewise.
    pub visits: Option<VisitKey>,
    /// Signs who has used new; `None` likewise.
    pub used: Option<UsedKey>,
    /// Signs the console's sessions; `None` likewise.
    pub sessions: Option<SessionKey>,
    /// Signs the addresses of calendars; `None` likewise.
    pub feeds: Option<FeedKey>,
    /// Who signs in with Cloudflare Access (`ACCESS_TEAM`, `ACCESS_AUD`, `ACCESS_ROLES`); `None` without it.
    pub access: Option<Access>,
}

impl Settings {
    /// Reads the environment's variables and secrets by their names. What nobody can use is ignored, and logged.
    pub fn read(text: impl Fn(&str) -> Option<String>) -> (Self, Vec<LogLine>) {
        let mut log = Vec::new();
        let console = Console::read(text("CONSOLE_HOST").as_deref());
        if let Console::Nowhere(text) = &console {
            let why = format!("`{text}` is no host, so console and API answer nowhere; write `ops.example.com`");
            log.push(LogLine::warning("console_host_unusable", "CONSOLE_HOST", why));
        }
        let beacon_path = text("BEACON_PATH").filter(|text| !text.is_empty()).and_then(|text| {
            let unusable = |why: &str| {
                let why = format!("`{text}` is no path for the beacon: {why}. It is ignored; write `/assets/m`");
                LogLine::warning("beacon_path_unusable", "BEACON_PATH", why)
            };
            text.parse().map_err(|why| log.push(unusable(why))).ok()
        });
        let fallback = text("FALLBACK_UPSTREAM").filter(|text| !text.is_empty()).and_then(|text| {
            let unusable = |why: String| LogLine::warning("fallback_unusable", "FALLBACK_UPSTREAM", why);
            text.parse::<Upstream>().map_err(|error| log.push(unusable(error.to_string()))).ok()
        });
        let access = Access::read(&text).unwrap_or_else(|(name, why)| {
            let why = format!("{why}. Nobody signs in with Cloudflare Access; tokens count as before");
            log.push(LogLine::warning("access_unusable", name, why));
            None
        });
        let key = text("SIGNING_KEY").unwrap_or_default();
        let settings = Self {
            console,
            beacon_path,
            fallback,
            is_one_network: text("BEACON_ONE_NETWORK").as_deref() == Some("allow"),
            previews: PreviewKey::derive(&key),
            choices: ChoiceKey::derive(&key),
            visits: VisitKey::derive(&key),
            used: UsedKey::derive(&key),
            sessions: SessionKey::derive(&key),
            feeds: FeedKey::derive(&key),
            access,
        };
        (settings, log)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let text = |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).to_owned());
        let (settings, log) = Settings::read(text);
        (settings, log.into_iter().map(|line| format!("{}: {}", line.subject, line.message)).collect())
    }

    #[test]
    fn an_empty_environment_is_no_fault() {
        let (settings, log) = read(&[("BEACON_PATH", ""), ("CONSOLE_HOST", " "), ("FALLBACK_UPSTREAM", "")]);
        assert!(log.is_empty(), "{log:?}");
        assert_eq!(settings.console, Console::Everywhere);
        assert!(settings.beacon_path.is_none() && settings.fallback.is_none() && !settings.is_one_network);
        assert!(settings.previews.is_none() && settings.sessions.is_none());
    }

    #[test]
    fn what_can_be_used_is() {
        let (settings, log) = read(&[
            ("CONSOLE_HOST", "ops.example.com"),
            ("BEACON_PATH", "/assets/m"),
            ("FALLBACK_UPSTREAM", "https://legacy.example"),
            ("BEACON_ONE_NETWORK", "allow"),
            ("SIGNING_KEY", "a key of thirty-two bytes, or so"),
        ]);
        assert!(log.is_empty(), "{log:?}");
        assert_eq!(settings.console, Console::On("ops.example.com".into()));
        assert!(settings.beacon_path.is_some() && settings.fallback.is_some() && settings.is_one_network);
        assert!(settings.previews.is_some() && settings.sessions.is_some());
    }

    #[test]
    fn what_cannot_be_used_is_ignored_and_logged_with_its_text() {
        let (settings, log) = read(&[
            ("CONSOLE_HOST", "https://ops.example.com/console"),
            ("BEACON_PATH", "assets"),
            ("FALLBACK_UPSTREAM", "legacy.example"),
            ("BEACON_ONE_NETWORK", "yes"),
            ("SIGNING_KEY", "short"),
        ]);
        assert!(settings.beacon_path.is_none() && settings.fallback.is_none() && !settings.is_one_network);
        assert!(settings.previews.is_none() && settings.sessions.is_none());
        let [console, beacon, fallback] = log.as_slice() else { unreachable!("{log:?}") };
        assert_eq!(
            console,
            "CONSOLE_HOST: `https://ops.example.com/console` is no host, so console and API answer nowhere; write `ops.example.com`"
        );
        assert_eq!(
            beacon,
            "BEACON_PATH: `assets` is no path for the beacon: it does not start with `/`. It is ignored; write `/assets/m`"
        );
        assert!(fallback.starts_with("FALLBACK_UPSTREAM: "), "{fallback}");
    }
}
