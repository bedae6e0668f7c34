//! Reads plans from texts: TOML, or the JSON of `tidegate compile` and of the API. Text to tree to plan,
//! every fault kept with its place.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Source;
use tidegate_model::fault::{Fault, Faults, Severity};
use tidegate_model::node::{Entry, Node, Value};
use tidegate_model::number::Grouped;
use tidegate_model::plan::limits::{ENVIRONMENTS_MAX, ROLLOUTS_MAX};
use tidegate_model::plan::{Plan, read, together};

/// Plans that are deployed together, and the sources that they came from.
#[derive(Debug)]
pub struct Loaded {
    /// The sources, each with its faults.
    pub sources: Vec<Source>,
    /// Each plan with the index of its source.
    pub plans: Vec<(usize, Plan)>,
}

/// No plan has the environment that was asked for; with those that there are.
#[derive(Debug)]
pub struct UnknownEnvironment(pub Vec<String>);

impl Loaded {
    /// Whether the plans cannot be used.
    pub fn has_errors(&self) -> bool {
        self.sources.iter().flat_map(|source| &source.faults).any(|fault| fault.severity == Severity::Error)
    }
}

/// Reads sources as one deployment, in this environment.
///
/// # Errors
/// When no plan has it. What is wrong with the plans stands beside their sources.
pub fn read_all(mut sources: Vec<Source>, env: Option<&str>) -> Result<Loaded, UnknownEnvironment> {
    let mut sound: Vec<(usize, Plan, Node)> = Vec::new();
    let mut environments = Vec::new();
    let mut found: Vec<Faults> = Vec::new();
    let mut count = 0;
    for (index, source) in sources.iter().enumerate() {
        let (rollouts, mut faults) =
            if is_json(&source.text) { rollouts_of_json(&source.text) } else { rollouts(&source.text) };
        count += rollouts.len();
        if count > ROLLOUTS_MAX {
            faults.push(fault(
                None,
                format!(
                    "{} rollouts are too many for one deployment: at most {}",
                    Grouped(count),
                    Grouped(ROLLOUTS_MAX)
                ),
                None,
            ));
            found.push(faults);
            continue;
        }
        for node in rollouts {
            environments.extend(read::environments(&node).into_iter().map(str::to_owned));
            let (plan, node, own) = read_rollout(node, env);
            faults.extend(own, |_, fault| Some(fault));
            if let Some(plan) = plan {
                sound.push((index, plan, node));
            }
        }
        found.push(faults);
    }
    if env.is_some_and(|name| environments.iter().all(|known| known != name)) {
        environments.sort_unstable();
        environments.dedup();
        return Err(UnknownEnvironment(environments));
    }
    let together: Vec<(&Plan, &Node)> = sound.iter().map(|(_, plan, node)| (plan, node)).collect();
    // A rollout that could not be read is missing here, so what others say of it cannot be judged.
    if found.iter().all(|faults| !faults.has_errors()) {
        for (index, own) in together::check(&together) {
            if let Some(faults) = sound.get(index).and_then(|(source, ..)| found.get_mut(*source)) {
                faults.extend(own, |_, fault| Some(fault));
            }
        }
    }
    for (source, mut faults) in sources.iter_mut().zip(found) {
        faults.sort();
        source.faults = faults.into_vec();
    }
    Ok(Loaded { sources, plans: sound.into_iter().map(|(source, plan, _)| (source, plan)).collect() })
}

/// Reads one rollout, in the environment asked for, and checks all its others on the way.
fn read_rollout(node: Node, env: Option<&str>) -> (Option<Plan>, Node, Faults) {
    let (mut plan, mut faults) = read::judged(&node, true);
    let mut chosen = None;
    for name in read::environments(&node).into_iter().take(ENVIRONMENTS_MAX) {
        let Some(own) = read::in_environment(&node, name) else { continue };
        let (own_plan, own_faults) = read::judged(&own, true);
        faults.extend(own_faults, |known, fault| {
            let is_new = !known.reported().contains(&fault);
            is_new.then(|| Fault { path: format!("{} (in environment {name})", fault.path), ..fault })
        });
        if Some(name) == env {
            chosen = Some((own_plan, own));
        }
    }
    let mut root = node;
    if let Some((own_plan, own)) = chosen {
        (plan, root) = (own_plan, own);
    }
    (plan, root, faults)
}

fn fault(span: Option<Range<usize>>, message: String, help: Option<&str>) -> Fault {
    Fault { severity: Severity::Error, path: String::new(), span, message, help: help.map(str::to_owned) }
}

fn one(fault: Fault) -> Faults {
    let mut faults = Faults::default();
    faults.push(fault);
    faults
}

/// No TOML begins so.
fn is_json(text: &str) -> bool {
    text.trim_start().starts_with('{')
}

/// The rollouts of a JSON text: a plan, or the list `rollouts`.
fn rollouts_of_json(text: &str) -> (Vec<Node>, Faults) {
    let root: Node = match serde_json::from_str(text) {
        Ok(root) => root,
        Err(error) => {
            let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
            let at = (before + error.column().saturating_sub(1)).min(text.len());
            return (
                Vec::new(),
                one(fault(
                    Some(at..at),
                    format!("the JSON is malformed: {error}"),
                    Some("what `tidegate compile` prints, or a plan in TOML"),
                )),
            );
        }
    };
    match root.field("rollouts").map(|list| &list.value) {
        None => (vec![root], Faults::default()),
        Some(Value::List(nodes)) => (nodes.clone(), Faults::default()),
        Some(_) => {
            (Vec::new(), one(fault(None, "`rollouts` is not a list".into(), Some("what `tidegate compile` prints"))))
        }
    }
}

/// The rollouts of a TOML text: the text itself, or its `[[rollout]]`s.
fn rollouts(text: &str) -> (Vec<Node>, Faults) {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut faults = Faults::default();
    if !errors.is_empty() {
        for error in &errors {
            let message = error.message();
            let lacks = if message.contains("array") {
                Some("is a `]` or a comma missing before it?")
            } else if message.contains("inline table") || message.contains("key-value pairs") {
                Some("is a `}` or a comma missing before it?")
            } else {
                None
            };
            faults.push(fault(error.span(), message.to_owned(), lacks));
            // Where one is not closed, everything behind it is read as a part of it.
            if lacks.is_some() {
                break;
            }
        }
        return (Vec::new(), faults);
    }
    // The whole text is no useful place for a fault; its first line is.
    let first_line = 0..text.find('\n').unwrap_or(text.len());
    let root = Node { value: table_value(table.get_ref()), span: Some(first_line) };
    let Value::Table(entries) = &root.value else { return (Vec::new(), faults) };
    let Some(list) = root.field("rollout") else { return (vec![root], faults) };
    for entry in entries.iter().filter(|entry| entry.key != "rollout") {
        faults.push(fault(
            entry.key_span.clone(),
            format!("`{}` stands beside [[rollout]]", entry.key),
            Some("move it into the rollout that it belongs to"),
        ));
    }
    match &list.value {
        Value::List(nodes) => (nodes.clone(), faults),
        _ => {
            faults.push(fault(
                list.span.clone(),
                "`rollout` is not a list".into(),
                Some("write [[rollout]] before each rollout"),
            ));
            (Vec::new(), faults)
        }
    }
}

fn node(value: &Spanned<DeValue<'_>>) -> Node {
    let span: Range<usize> = value.span();
    let value = match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Value::Integer(number),
            Err(_) => Value::Text(number.to_string()),
        },
        DeValue::Float(number) => match number.as_str().parse() {
            Ok(number) => Value::Float(number),
            Err(_) => Value::Text(number.as_str().to_owned()),
        },
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(instant) => Value::Text(instant.to_string()),
        DeValue::Array(items) => Value::List(items.iter().map(node).collect()),
        DeValue::Table(table) => table_value(table),
    };
    Node { value, span: Some(span) }
}

fn table_value(table: &DeTable<'_>) -> Value {
    let entry = |(key, value): (&Spanned<_>, &Spanned<DeValue<'_>>)| {
        let key_text: &std::borrow::Cow<'_, str> = key.get_ref();
        Entry { key: key_text.to_string(), key_span: Some(key.span()), node: node(value) }
    };
    let mut entries: Vec<Entry> = table.iter().map(entry).collect();
    entries.sort_by_key(|entry| entry.key_span.clone().map(|span| span.start));
    Value::Table(entries)
}
