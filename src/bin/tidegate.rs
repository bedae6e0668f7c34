//! The operator's command.

#[cfg(not(target_arch = "wasm32"))]
fn main() -> std::process::ExitCode {
    tidegate::cli::main()
}

/// The edge has no command line; cargo builds this target there all the same for the wasm tests.
#[cfg(target_arch = "wasm32")]
fn main() {}
