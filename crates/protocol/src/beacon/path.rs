//! The beacon's two paths under a name of the operator's own: lists that block scripts know the standard
//! ones.
//!
//! With `BEACON_PATH = "/assets/m"`, the script answers at `/assets/m.js` and takes reports at
//! `/assets/m`, on every host, besides the standard paths. Nothing else under that name is taken.

use std::str::FromStr;

/// The script's own path.
pub const SCRIPT: &str = "/_tidegate/beacon.js";
/// Where it reports to.
pub const REPORTS: &str = "/_tidegate/beacon";

/// A path of the operator's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconPath(String);

impl FromStr for BeaconPath {
    type Err = &'static str;

    fn from_str(path: &str) -> Result<Self, &'static str> {
        let Some(names) = path.strip_prefix('/') else { return Err("it does not start with `/`") };
        if path.ends_with(".js") {
            return Err("it goes without `.js`: the script stands beside it, with `.js` added");
        }
        // What a browser would resolve or encode otherwise would never come in like that.
        if !path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte)) {
            return Err("only letters, digits, `-`, `_`, `.`, `~` and `/` stand in it");
        }
        if names.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err("it has an empty name in it, `.` or `..`");
        }
        if names.split('/').next() == Some("_tidegate") {
            return Err("`/_tidegate/` belongs to Tidegate");
        }
        Ok(Self(path.to_owned()))
    }
}

/// The standard path that a request's path stands for where the operator has named one.
pub fn own_path(configured: Option<&BeaconPath>, path: &str) -> Option<&'static str> {
    match path.strip_prefix(configured?.0.as_str())? {
        "" => Some(REPORTS),
        ".js" => Some(SCRIPT),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_ones_own_stands_for_the_standard_ones_and_for_nothing_else() {
        let own: Option<BeaconPath> = "/assets/m".parse().ok();
        let stands_for = |path| own_path(own.as_ref(), path);
        assert_eq!((stands_for("/assets/m"), stands_for("/assets/m.js")), (Some(REPORTS), Some(SCRIPT)));
        for path in [
            "/assets/m/",
            "/assets/m.json",
            "/assets/main.js",
            "/assets/M.js",
            "/assets",
            "/",
            "/x/assets/m",
            SCRIPT,
            REPORTS,
        ] {
            assert_eq!(stands_for(path), None, "{path}");
        }
        assert_eq!(own_path(None, "/assets/m.js"), None);
    }

    #[test]
    fn a_path_that_cannot_come_in_is_refused() {
        for (path, why) in [
            ("", "start with"),
            ("assets/m", "start with"),
            ("https://shop.example.com/m", "start with"),
            ("/", "empty"),
            ("/assets/", "empty"),
            ("//m", "empty"),
            ("/a//m", "empty"),
            ("/a/../m", "`..`"),
            ("/a b", "only letters"),
            ("/a?b", "only letters"),
            ("/a#b", "only letters"),
            ("/a*", "only letters"),
            ("/%61", "only letters"),
            ("/ä", "only letters"),
            ("/m.js", "without `.js`"),
            ("/_tidegate", "belongs"),
            ("/_tidegate/m", "belongs"),
        ] {
            let refused = path.parse::<BeaconPath>();
            assert!(refused.as_ref().is_err_and(|error| error.contains(why)), "{path}: {refused:?}");
        }
        for path in ["/m", "/assets/m", "/_tidegates", "/a.b/c-d_e~f", "/v1.2/m"] {
            assert!(path.parse::<BeaconPath>().is_ok(), "{path}");
        }
    }
}
