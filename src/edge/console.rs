//! Where the console answers, as `CONSOLE_HOST` says: read once, since the environment never changes in an
//! isolate.

use std::cell::OnceCell;

use worker::Env;

use super::{glue, log};
use tidegate_protocol::console::Console;

thread_local! {
    static CONSOLE: OnceCell<Console> = const { OnceCell::new() };
}

/// Uses what `CONSOLE_HOST` says.
pub fn with<T>(env: &Env, act: impl FnOnce(&Console) -> T) -> T {
    CONSOLE.with(|console| act(console.get_or_init(|| read(env))))
}

fn read(env: &Env) -> Console {
    let console = Console::read(glue::text(env, "CONSOLE_HOST").as_deref());
    if let Console::Nowhere(text) = &console {
        log::warn(
            "console_host_unusable",
            "CONSOLE_HOST",
            &format!("`{text}` is no host, so console and API answer nowhere; write `ops.example.com`"),
        );
    }
    console
}
