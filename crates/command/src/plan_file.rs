//! Loads plans from files.

use std::path::Path;

use super::Failure;
use super::plans::PlanArguments;
use tidegate_text::Source;
use tidegate_text::plans::{Loaded, UnknownEnvironment, read_all};

/// Loads files as one deployment.
pub fn load(arguments: &PlanArguments) -> Result<Loaded, Failure> {
    let source = |path: &std::path::PathBuf| {
        let name = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source::new(name, text)),
            Err(error) => Err(Failure::Io(name, error)),
        }
    };
    let sources = arguments.plans.iter().map(source).collect::<Result<Vec<Source>, Failure>>()?;
    read_all(sources, arguments.env.as_deref()).map_err(|UnknownEnvironment(environments)| {
        let known = if environments.is_empty() {
            "the plans have none".to_owned()
        } else {
            format!("known: {}", environments.join(", "))
        };
        Failure::Usage(format!(
            "no plan has an environment called `{}` ({known})",
            arguments.env.as_deref().unwrap_or_default()
        ))
    })
}

/// Loads one file.
pub fn load_one(path: &Path, env: Option<&str>) -> Result<Loaded, Failure> {
    load(&PlanArguments { plans: vec![path.to_owned()], env: env.map(str::to_owned) })
}
