//! Reads the command line, and helps where it names no command or no rollout.
//!
//! Words that other tools have for what `tidegate` does are answered with the commands that they may
//! mean, and nothing is done: `stop` may be a kill, a rollback or a pause.

use std::ffi::OsString;
use std::process::exit;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Parser as _};

use super::arguments::Arguments;
use super::keys;
use super::words::listed;
use tidegate_model::Name;
use tidegate_model::fault::nearest;

const ADVANCE: Meant = ("advance KEY", "goes on to the next stage");
const APPLY: Meant = ("apply PLAN…", "puts plans into force");
const CHECK: Meant = ("check PLAN…", "shows every fault of plans");
const COMPLETE: Meant = ("complete KEY", "sends 100 % to new for good");
const EXPLAIN: Meant = ("explain KEY ID", "says which side one id gets, and why");
const HISTORY: Meant = ("history KEY", "shows what has been done");
const KILL: Meant = ("kill KEY", "sends all traffic to legacy within seconds");
const NOTE: Meant = ("note KEY TEXT", "adds something to the history");
const PAUSE: Meant = ("pause KEY", "holds it where it is");
const PREVIOUS: Meant = ("rollback KEY --to previous", "goes back to the stage before");
const PRUNE: Meant = ("apply PLAN… --prune", "removes the rollouts that no plan names");
const RESUME: Meant = ("resume KEY", "goes on where it is paused; after a rollback, tries again");
const REVIVE: Meant = ("revive KEY", "ends a kill");
const ROLLBACK: Meant = ("rollback KEY", "takes users back to legacy; `resume` tries again");
const SET: Meant = ("set KEY PERCENT", "holds it at a percentage");
const START: Meant = ("start KEY", "begins a draft's first stage");
const STATUS: Meant = ("status KEY", "shows one rollout in full");

/// A command, and what it does.
type Meant = (&'static str, &'static str);

/// Words of other tools, and what they may mean here.
const VERBS: [(&[&str], &[Meant]); 14] = [
    (&["promote", "next", "proceed"], &[ADVANCE, COMPLETE]),
    (&["abort", "stop", "off", "disable", "cancel", "halt"], &[KILL, ROLLBACK, PAUSE]),
    (&["undo", "revert", "back"], &[PREVIOUS, ROLLBACK, REVIVE, HISTORY]),
    (&["on", "enable", "begin", "run", "go"], &[START, RESUME, REVIVE]),
    (&["continue", "unpause", "retry"], &[RESUME]),
    (&["hold", "suspend"], &[PAUSE]),
    (&["finish", "done", "end"], &[COMPLETE]),
    (&["scale", "weight", "percent", "percentage"], &[SET]),
    (&["deploy", "create", "update", "publish", "release"], &[APPLY, START]),
    (&["delete", "remove", "rm"], &[PRUNE, KILL]),
    (&["show", "get", "describe", "info", "inspect"], &[STATUS]),
    (&["log", "logs", "events", "audit"], &[HISTORY]),
    (&["comment", "annotate", "message"], &[NOTE]),
    (&["validate", "lint", "why"], &[CHECK, EXPLAIN]),
];

/// The arguments of this process. Where they cannot be read it ends, as clap has it, and with more help.
pub fn read() -> Arguments {
    Arguments::try_parse().unwrap_or_else(|error| {
        let words: Vec<String> =
            std::env::args_os().skip(1).map(OsString::into_string).filter_map(Result::ok).collect();
        match (error.kind(), error.get(ContextKind::InvalidSubcommand)) {
            (ErrorKind::InvalidSubcommand, Some(ContextValue::String(word))) => {
                eprintln!("{}", unknown(word, &words));
                exit(error.exit_code());
            }
            (ErrorKind::MissingRequiredArgument, _) if error.to_string().contains("<KEY>") => {
                let _ = error.print();
                let keys: Vec<String> = keys::rollouts().into_iter().map(|rollout| rollout.key.to_string()).collect();
                eprint!("{}", which(&keys, &words));
                exit(error.exit_code());
            }
            _ => error.exit(),
        }
    })
}

/// What to say to a command that does not exist.
fn unknown(word: &str, words: &[String]) -> String {
    let end = "Nothing was done. `tidegate --help` lists all commands.";
    let lower = word.to_lowercase();
    if let Some((_, meant)) = VERBS.iter().find(|(verbs, _)| verbs.contains(&lower.as_str())) {
        let key = words.iter().skip_while(|own| *own != word).nth(1).filter(|own| own.parse::<Name>().is_ok());
        let command = |text: &str| key.map_or_else(|| text.to_owned(), |key| text.replace("KEY", key));
        let width = meant.iter().map(|(text, _)| command(text).chars().count()).max().unwrap_or_default();
        let lines: Vec<String> =
            meant.iter().map(|(text, about)| format!("  tidegate {:width$}  {about}", command(text))).collect();
        return format!("error: there is no command `{word}`. It may mean:\n{}\n\n{end}", lines.join("\n"));
    }
    let command = Arguments::command();
    let known: Vec<&str> = command
        .get_subcommands()
        .flat_map(|command| std::iter::once(command.get_name()).chain(command.get_visible_aliases()))
        .collect();
    let help = nearest(&lower, known).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
    format!("error: there is no command `{word}`.{help}\n\n{end}")
}

/// What stands for a KEY that is missing; nothing where nobody knows.
fn which(keys: &[String], words: &[String]) -> String {
    let mut lines = String::new();
    if !keys.is_empty() {
        lines.push_str(&format!("\nRollouts here: {}\n", listed(keys)));
    }
    if let Some(command) = words.iter().find(|word| ["kill", "revive"].contains(&word.as_str())) {
        lines.push_str(&format!("Every rollout at once: tidegate {command} --all\n"));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn a_word_of_another_tool_leads_to_what_it_may_mean() {
        let shown = unknown("abort", &words("abort --url http://a demo"));
        assert!(
            shown.starts_with("error: there is no command `abort`. It may mean:\n  tidegate kill KEY "),
            "an option's value is no key: {shown}"
        );
        let shown = unknown("abort", &words("--json abort demo"));
        assert!(
            shown.contains("\n  tidegate kill demo      sends all traffic to legacy within seconds")
                && shown.contains("\n  tidegate rollback demo  ")
                && shown.ends_with("Nothing was done. `tidegate --help` lists all commands."),
            "{shown}"
        );
        assert!(unknown("promote", &words("promote")).contains("tidegate advance KEY"));
    }

    #[test]
    fn what_is_only_mistyped_is_reported_the_nearest_and_what_is_nothing_is_not() {
        assert!(unknown("rolback", &[]).contains("Did you mean `rollback`?"));
        assert!(unknown("lst", &[]).contains("Did you mean `list`?"));
        assert!(!unknown("xyzzy", &[]).contains("mean"));
    }

    #[test]
    fn every_command_that_a_word_leads_to_exists_and_no_word_is_one() {
        let command = Arguments::command();
        for (verbs, meant) in VERBS {
            assert!(
                meant.iter().all(|(text, _)| text
                    .split(' ')
                    .next()
                    .is_some_and(|name| command.find_subcommand(name).is_some())),
                "{meant:?}"
            );
            assert!(verbs.iter().all(|verb| command.find_subcommand(verb).is_none()), "{verbs:?}");
        }
    }

    /// Where the terminal wraps a text that is wrapped already, single words stand on lines of their own.
    #[test]
    fn a_help_that_is_broken_by_hand_fits_80_columns() {
        for command in Arguments::command().get_subcommands() {
            for help in [command.get_after_help(), command.get_after_long_help()].into_iter().flatten() {
                let text = help.to_string();
                let paragraphs = text
                    .split("\n\n")
                    .filter(|paragraph| paragraph.lines().count() > 1 && !paragraph.starts_with("Example"));
                for line in paragraphs.flat_map(str::lines).filter(|line| !line.contains("npx wrangler")) {
                    assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn a_missing_key_is_reported_with_those_there_are() {
        let keys = ["demo".to_owned(), "shop".to_owned()];
        assert_eq!(
            which(&keys, &words("kill")),
            "\nRollouts here: demo and shop\nEvery rollout at once: tidegate kill --all\n"
        );
        assert_eq!(which(&[], &words("pause")), "");
    }
}
