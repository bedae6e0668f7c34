//! The rules of the code's own structure, kept by the machine.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics fails, as it should")]
#![cfg(not(target_arch = "wasm32"))]

use std::fs;
use std::path::{Path, PathBuf};

/// The layers, each of which may use only those after it.
const LAYERS: [&str; 6] = ["edge", "controller", "isolate", "protocol", "decide", "model"];
/// Files longer than this before their tests are to be split.
const LINES_MAX: usize = 430;

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
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
    assert!(!files.is_empty(), "{folder} has no sources");
    files
}

fn before_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or_default()
}

#[test]
fn data_flows_one_way() {
    for (index, layer) in LAYERS.iter().enumerate() {
        let forbidden: Vec<String> =
            LAYERS[..index].iter().chain(&["cli", "simulate"]).map(|layer| format!("crate::{layer}")).collect();
        for (path, text) in sources(layer) {
            for name in &forbidden {
                assert!(!text.contains(name.as_str()), "{} uses {name}", path.display());
            }
        }
    }
}

#[test]
fn a_simulation_runs_the_controller_and_makes_up_the_rest() {
    for (path, text) in sources("simulate") {
        for name in [
            "crate::cli",
            "crate::edge",
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
        "js_sys",
        "web_sys",
        "wasm_bindgen",
        "worker::",
    ];
    for layer in ["model", "decide", "protocol", "controller", "isolate"] {
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
        assert_eq!(accepted, usize::from(path.ends_with("state.rs")), "{} accepts changes", path.display());
        let is_store = path.parent().is_some_and(|folder| folder.ends_with("store"));
        let commits = text.matches(".commit(self.storage)").count() + text.matches("storage.commit(").count();
        assert!(is_store || commits == usize::from(path.ends_with("turn.rs")), "{} commits by itself", path.display());
    }
}

#[test]
fn only_the_edge_names_the_platform_and_only_its_clock_the_time() {
    for (path, text) in sources("edge") {
        let is_clock = path.ends_with("clock.rs");
        assert!(is_clock || !text.contains("Date::now"), "{} reads the clock", path.display());
    }
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    for (path, text) in sources("") {
        let lines = before_tests(&text).lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines before its tests", path.display());
        assert!(text.starts_with("//!"), "{} does not open with its rule", path.display());
    }
}
