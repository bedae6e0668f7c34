//! The rules of the code's own structure, kept by the machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers under the edge, each of which may use only those after it.
const LAYERS: [&str; 6] = ["controller", "isolate", "protocol", "paper", "decide", "model"];
/// Files longer than this before their tests are to be split.
const LINES_MAX: usize = 430;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(crate_name: &str) -> Vec<(PathBuf, String)> {
    sources_in(&root().join("crates").join(crate_name).join("src"))
}

fn sources_in(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{} has no sources", folder.display());
    files
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

/// The compiler keeps a crate from what its manifest does not name; this keeps the manifests.
#[test]
fn data_flows_one_way() {
    for (index, layer) in LAYERS.iter().enumerate() {
        let manifest = fs::read_to_string(root().join("crates").join(layer).join("Cargo.toml")).unwrap();
        let manifest = manifest.split("[dev-dependencies]").next().unwrap();
        for used in manifest.lines().filter_map(|line| line.strip_prefix("tidegate-")) {
            let used = used.split(['.', ' ']).next().unwrap();
            assert!(LAYERS[index + 1..].contains(&used), "{layer} uses {used}");
        }
    }
    // Beside each other.
    let manifest = fs::read_to_string(root().join("crates/controller/Cargo.toml")).unwrap();
    assert!(!manifest.contains("tidegate-isolate"), "the controller uses the isolate");
}

#[test]
fn a_simulation_runs_the_controller_and_makes_up_the_rest() {
    for (path, text) in sources("simulate") {
        for name in [
            "tidegate_command",
            "SystemTime",
            "Instant::now",
            "std::env",
            "std::fs",
            "std::thread",
            "getrandom",
            "js_sys",
            "web_sys",
            "wasm_bindgen",
            "Rng::new()",
        ] {
            assert!(!before_tests(&text).contains(name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn decisions_read_no_clock_no_randomness_and_no_environment() {
    let forbidden = [
        "SystemTime",
        "Instant::now",
        "std::env",
        "std::fs",
        "std::net::Tcp",
        "getrandom",
        "fastrand",
        "rand_distr",
        "rand_xoshiro",
        "js_sys",
        "web_sys",
        "wasm_bindgen",
        "worker::",
    ];
    for layer in ["model", "decide", "paper", "protocol", "controller", "isolate"] {
        for (path, text) in sources(layer) {
            for name in forbidden {
                assert!(!before_tests(&text).contains(name), "{} names {name}", path.display());
            }
        }
    }
}

#[test]
fn the_controller_commits_in_one_place_and_takes_changes_in_behind_it() {
    for (path, text) in sources("controller") {
        let accepted = text.matches(".accept(").count();
        let is_door = path.ends_with("controller/src/state.rs");
        assert_eq!(accepted, usize::from(is_door), "{} accepts changes", path.display());
        let is_store = path.parent().is_some_and(|folder| folder.ends_with("store"));
        let commits = text.matches(".commit(self.storage)").count() + text.matches("storage.commit(").count();
        assert!(is_store || commits == usize::from(path.ends_with("turn.rs")), "{} commits by itself", path.display());
    }
}

#[test]
fn only_the_edge_names_the_platform_and_only_its_clock_the_time() {
    for (path, text) in sources_in(&root().join("src/edge")) {
        let is_clock = path.ends_with("clock.rs");
        assert!(is_clock || !text.contains("Date::now"), "{} reads the clock", path.display());
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let sources = sources_in(&root().join("src")).into_iter().chain(sources_in(&root().join("crates")));
    // A crate's own tests are as long as tests are.
    let is_test = |path: &Path| {
        path.strip_prefix(root()).is_ok_and(|path| path.components().any(|part| part.as_os_str() == "tests"))
    };
    for (path, text) in sources.filter(|(path, _)| !is_test(path)) {
        let lines = before_tests(&text).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines before its tests", path.display());
        assert!(text.starts_with("//!"), "{} does not open with its rule", path.display());
    }
}
