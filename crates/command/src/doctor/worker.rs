//! The worker's settings, where they are at hand: `wrangler.toml`.

use std::io::ErrorKind;
use std::path::Path;

use super::Findings;
use crate::Failure;

const DEFAULT: &str = "wrangler.toml";

/// Looks at the settings, if there are any.
pub fn check(file: Option<&Path>, findings: &mut Findings) -> Result<(), Failure> {
    let path = file.unwrap_or(Path::new(DEFAULT));
    let name = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => judge(&name, &text, findings),
        Err(error) if file.is_none() && error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::Io(name, error)),
    }
}

fn judge(name: &str, text: &str, findings: &mut Findings) -> Result<(), Failure> {
    let table: toml::Table = toml::from_str(text).map_err(|error| Failure::WithHelp {
        message: format!("{name} cannot be read: {}", error.message()),
        help: "name another file with --config".to_owned(),
    })?;
    // Of some other worker's settings nothing is said.
    let has_controller = table
        .get("durable_objects")
        .and_then(|own| own.get("bindings")?.as_array())
        .is_some_and(|all| all.iter().any(|own| own.get("name").and_then(toml::Value::as_str) == Some("CONTROLLER")));
    let is_tidegate = table.get("name").and_then(toml::Value::as_str) == Some("tidegate") || has_controller;
    if !is_tidegate {
        return Ok(());
    }
    if table.get("workers_dev").and_then(toml::Value::as_bool) != Some(false) {
        findings.error(
            "workers-dev",
            name,
            "`workers_dev` is not false, so the site also answers at *.workers.dev".to_owned(),
            "there it is past the zone's firewall and limits, and without Cloudflare's cache, so without the copy of the configuration",
            "workers_dev = false",
        );
    }
    if !has_controller {
        findings.error(
            "no-controller",
            name,
            "no Durable Object is bound as CONTROLLER".to_owned(),
            "nothing advances, nothing rolls back by itself, and the API answers 503",
            "[[durable_objects.bindings]] with name = \"CONTROLLER\" and class_name = \"Controller\"",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&'static str> {
        let mut findings = Findings::default();
        assert!(judge("wrangler.toml", text, &mut findings).is_ok());
        findings.codes()
    }

    const CONTROLLER: &str = "[[durable_objects.bindings]]\nname = \"CONTROLLER\"\nclass_name = \"Controller\"\n";

    #[test]
    fn a_site_on_workers_dev_is_found() {
        assert_eq!(found(&format!("name = \"tidegate\"\n{CONTROLLER}")), ["workers-dev"]);
        assert!(found(&format!("name = \"x\"\nworkers_dev = false\n{CONTROLLER}")).is_empty());
        assert_eq!(found("name = \"tidegate\"\nworkers_dev = false"), ["no-controller"]);
    }

    #[test]
    fn another_workers_settings_are_left_alone() {
        assert!(found("name = \"blog\"\nworkers_dev = true").is_empty());
        assert!(judge("wrangler.toml", "name = ", &mut Findings::default()).is_err());
    }
}
