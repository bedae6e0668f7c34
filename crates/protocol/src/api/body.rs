//! The bodies that the API takes, read strictly: an unknown field is a fault, and every fault says
//! the way out.

use super::Route;
use super::problem::Problem;
use tidegate_decide::assign::Variant;
use tidegate_model::calendar::Window;
use tidegate_model::command::{self, Command, NO_REASON};
use tidegate_model::fault::{Fault, Severity};
use tidegate_model::node::{Node, Value};
use tidegate_model::plan::fields::Reader;
use tidegate_model::plan::words::{SignalKind, WordError};
use tidegate_model::plan::{Plan, Signal};
use tidegate_model::{Duration, fault};

/// The longest reason, in characters.
const REASON_CHARS_MAX: usize = 1_000;
/// The shortest and the longest life of a preview; tokens count in seconds.
const PREVIEW_MS_MIN: u64 = 1_000;
const PREVIEW_MS_MAX: u64 = 7 * 86_400_000;

/// A command as it was asked for.
#[derive(Debug, PartialEq)]
pub struct Asked {
    /// The command.
    pub command: Command,
    /// Why.
    pub reason: String,
    /// Whether it is only to be worked out.
    pub is_dry_run: bool,
}

/// Reads the body of a command.
///
/// # Errors
/// With every fault.
pub fn command(text: &str) -> Result<Asked, Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let command = command::read_operators(r, &mut f);
        let is_dry_run = f.optional(r, "dry_run", Reader::boolean).unwrap_or(false);
        let is_stop = matches!(&command, Some(Some(command)) if command.is_stop());
        let is_fact = matches!(&command, Some(Some(Command::Deployed(_))));
        let reason = match (is_stop, is_dry_run || is_fact) {
            (true, _) => Some(f.optional(r, "reason", stop_reason).flatten().unwrap_or_else(|| NO_REASON.to_owned())),
            (false, true) => f.optional(r, "reason", reason).or_else(|| Some(String::new())),
            (false, false) => f.required(r, "reason", reason),
        };
        // The fields of an unknown command are not known either.
        if command.is_some() {
            f.end(r);
        }
        Some(Asked { command: command??, reason: reason?, is_dry_run })
    })
}

/// Whom a request wants killed: a rollout's key, or `*` for all. It need not be well formed otherwise.
pub fn killed(route: &Route, text: &str) -> Option<String> {
    let key = match route {
        Route::Commands(key) => key.as_str(),
        Route::AllCommands => "*",
        _ => return None,
    };
    let node: Node = serde_json::from_str(text).ok()?;
    let is_kill = matches!(&node.field("command")?.value, Value::Text(command) if command == "kill");
    is_kill.then(|| key.to_owned())
}

/// Reads the body of a sign-in: the token.
///
/// # Errors
/// With every fault.
pub fn sign_in(text: &str) -> Result<String, Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let token = f.required(r, "token", Reader::text);
        f.end(r);
        token
    })
}

/// When no rollout is to advance, and why.
///
/// # Errors
/// With every fault.
pub fn freeze(text: &str) -> Result<(Vec<Window>, String), Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let windows = f.required(r, "freeze", |r, node| {
            let windows = r.parsed_one_or_more::<Window>(node)?;
            if windows.len() > FREEZES_MAX {
                r.error(
                    None,
                    format_args!("{} windows are too many", windows.len()),
                    Some(format!("at most {FREEZES_MAX}")),
                );
            }
            Some(windows)
        });
        let reason = f.optional(r, "reason", reason).unwrap_or_default();
        f.end(r);
        Some((windows?, reason))
    })
}

/// The most windows of a freeze, as of a plan's.
const FREEZES_MAX: usize = 100;

/// The reason of what stops something; the inner `None` for an empty one, of a script's variable say.
fn stop_reason(r: &mut Reader, node: &Node) -> Option<Option<String>> {
    let text = r.text(node)?;
    if text.trim().is_empty() { Some(None) } else { reason(r, node).map(Some) }
}

fn reason(r: &mut Reader, node: &Node) -> Option<String> {
    let text = r.text(node)?;
    let trimmed = text.trim();
    let length = trimmed.chars().count();
    if length == 0 || length > REASON_CHARS_MAX {
        r.error(
            None,
            format_args!("the reason has {length} characters"),
            Some(format!("1 to {REASON_CHARS_MAX}: the reason, for the history")),
        );
        return None;
    }
    Some(trimmed.to_owned())
}

fn read<T>(text: &str, read: impl FnOnce(&mut Reader, &Node) -> Option<T>) -> Result<T, Problem> {
    let node: Node = serde_json::from_str(text)
        .map_err(|error| Problem::malformed(format!("the body is no JSON: {error}"), "send a JSON object"))?;
    let mut reader = Reader::default();
    // To the reader null is a field that is absent: `"dry_run": null` would be carried out.
    refuse_nulls(&mut reader.faults, &node, &mut Vec::new());
    if !reader.faults.is_empty() {
        return Err(Problem::faulty(&reader.faults));
    }
    match read(&mut reader, &node) {
        Some(value) if reader.faults.is_empty() => Ok(value),
        _ => Err(Problem::faulty(&reader.faults)),
    }
}

/// So many are listed.
const NULLS_MAX: usize = 20;

fn refuse_nulls<'n>(faults: &mut Vec<Fault>, node: &'n Node, place: &mut Vec<Step<'n>>) {
    match &node.value {
        Value::Null if !place.is_empty() && faults.len() < NULLS_MAX => {
            let path = place.iter().enumerate().map(|(index, step)| match step {
                Step::Field(name) if index == 0 => (*name).to_owned(),
                Step::Field(name) => format!(".{name}"),
                Step::Item(index) => format!("[{index}]"),
            });
            faults.push(Fault {
                severity: Severity::Error,
                path: path.collect(),
                span: None,
                message: "null is no value here".to_owned(),
                help: Some("leave the field out".to_owned()),
            });
        }
        Value::Table(entries) => {
            for entry in entries {
                place.push(Step::Field(&entry.key));
                refuse_nulls(faults, &entry.node, place);
                place.pop();
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                place.push(Step::Item(index));
                refuse_nulls(faults, item, place);
                place.pop();
            }
        }
        _ => {}
    }
}

/// A step into a body.
enum Step<'n> {
    Field(&'n str),
    Item(usize),
}

/// A set of plans as it was sent.
#[derive(Debug)]
pub struct Plans {
    /// Each plan.
    pub rollouts: Vec<Node>,
    /// Whether all others go.
    pub prune: bool,
    /// Why; empty where nobody said.
    pub reason: String,
    /// Whether it is only to be worked out.
    pub is_dry_run: bool,
}

/// Reads a set of plans.
///
/// # Errors
/// When it is no set of plans.
pub fn plans(text: &str) -> Result<Plans, Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let rollouts = f.required(r, "rollouts", |r, node| r.list(node, |_, node| Some(node.clone())));
        let prune = f.optional(r, "prune", Reader::boolean).unwrap_or(false);
        let reason = f.optional(r, "reason", reason).unwrap_or_default();
        let is_dry_run = f.optional(r, "dry_run", Reader::boolean).unwrap_or(false);
        f.end(r);
        Some(Plans { rollouts: rollouts?, prune, reason, is_dry_run })
    })
}

/// A fact from outside, as it was reported.
#[derive(Debug, PartialEq)]
pub struct Reported {
    /// The signal's name.
    pub name: String,
    /// How many events, or the level.
    pub value: f64,
    /// Somebody's words about it, on one line, for the plan's `feedback`.
    pub note: Option<String>,
}

/// So many characters of somebody's words are passed on.
pub const NOTE_CHARS_MAX: usize = 200;

/// Somebody's words as they are passed on: one line, nothing that does not show, and not too long; `None` for nothing.
pub fn note(text: &str) -> Option<String> {
    let shows = |letter: char| {
        !letter.is_control()
            && !matches!(letter, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let shown: String = text.chars().map(|letter| if shows(letter) { letter } else { ' ' }).collect();
    let words: Vec<&str> = shown.split_whitespace().collect();
    let all = words.join(" ");
    let note: String = all.chars().take(NOTE_CHARS_MAX).collect();
    let is_cut = note.len() < all.len();
    (!note.is_empty()).then(|| if is_cut { format!("{note}…") } else { note })
}

/// Reads a report of one of the plan's signals.
///
/// # Errors
/// With every fault: a signal that the plan does not name, a level of something counted.
pub fn signal(text: &str, plan: &Plan) -> Result<Reported, Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let (name, signal) = f.required(r, "name", |r, node| {
            let name = r.text(node)?;
            let signal = plan.signals.get(&name);
            if signal.is_none() {
                r.error(None, format_args!("the plan has no signal `{name}`"), Some(known_signals(plan, &name)));
            }
            Some((name, signal?))
        })?;
        let other = match signal.kind {
            SignalKind::Count => ("value", "is counted: report `count`, with the command `--count N` or nothing"),
            SignalKind::Gauge => ("count", "is a gauge: report its `value`, with the command `--value X`"),
        };
        let is_other = f.node(other.0).is_some();
        if is_other {
            f.optional(r, other.0, |r, _| {
                r.error(None, format_args!("`{name}` {}", other.1), None);
                None::<()>
            });
            f.end(r);
            return None;
        }
        let value = match signal {
            Signal { kind: SignalKind::Count, .. } => f.required(r, "count", Reader::whole).map(|count| count as f64),
            Signal { kind: SignalKind::Gauge, .. } => {
                f.required(r, "value", Reader::number).filter(|value| value.is_finite())
            }
        };
        let note = f.optional(r, "note", Reader::text).and_then(|text| note(&text));
        f.end(r);
        Some(Reported { name, value: value?, note })
    })
}

fn known_signals(plan: &Plan, name: &str) -> String {
    let known: Vec<&str> = plan.signals.names().collect();
    match fault::nearest(name, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the plan has no signals".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// A preview as it was asked for.
#[derive(Debug, PartialEq)]
pub struct Preview {
    /// The side chosen.
    pub variant: Variant,
    /// How long the choice lasts.
    pub life_ms: u64,
    /// The host that it is for.
    pub host: Option<String>,
}

/// Reads the body of a preview.
///
/// # Errors
/// With every fault.
pub fn preview(text: &str) -> Result<Preview, Problem> {
    read(text, |r, node| {
        let mut f = r.fields(node)?;
        let variant = f.required(r, "variant", |r, node| {
            r.parsed_by(node, |text| match text {
                "new" => Ok(Variant::New),
                "legacy" => Ok(Variant::Legacy),
                _ => Err(WordError::new(text, "a variant", "`new` or `legacy`")),
            })
        });
        let life_ms = f.required(r, "for", |r, node| {
            let life: Duration = r.parsed(node)?;
            if !(PREVIEW_MS_MIN..=PREVIEW_MS_MAX).contains(&life.as_ms()) {
                r.error(None, format_args!("a preview cannot last `{life}`"), Some("1s to 7d".into()));
                return None;
            }
            Some(life.as_ms())
        });
        let host = f.optional(r, "host", |r, node| {
            let host = r.text(node)?;
            let is_host = !host.is_empty()
                && host.len() <= 255
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']'));
            if !is_host {
                r.error(
                    None,
                    format_args!("`{host}` is not a host"),
                    Some("a name such as shop.example.com, with a port where there is one".into()),
                );
            }
            is_host.then(|| host.to_ascii_lowercase())
        });
        f.end(r);
        Some(Preview { variant: variant?, life_ms: life_ms?, host })
    })
}
