//! Reads plans from TOML files: text to tree to plan, every fault kept with its place.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Failure;
use super::plans::PlanArguments;
use crate::model::fault::{Fault, Severity};
use crate::model::node::{Entry, Node, Value};
use crate::model::plan::{Plan, read, together};

/// A file and what is wrong with it.
pub struct PlanFile {
    pub path: PathBuf,
    pub text: String,
    pub faults: Vec<Fault>,
}

/// Plans that are deployed together, and the files that they came from.
pub struct Loaded {
    pub files: Vec<PlanFile>,
    /// Each plan with the index of its file.
    pub plans: Vec<(usize, Plan)>,
}

impl Loaded {
    pub fn has_errors(&self) -> bool {
        self.files.iter().flat_map(|file| &file.faults).any(|fault| fault.severity == Severity::Error)
    }
}

/// Loads files as one deployment.
pub fn load(arguments: &PlanArguments) -> Result<Loaded, Failure> {
    let mut files = Vec::new();
    let mut sound: Vec<(usize, Plan, Node)> = Vec::new();
    let mut environments = Vec::new();
    for path in &arguments.plans {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::Io(path.display().to_string(), error))?;
        let (rollouts, mut faults) = rollouts(&text);
        for node in rollouts {
            environments.extend(read::environments(&node).into_iter().map(str::to_owned));
            let (plan, node, found) = read_rollout(node, arguments.env.as_deref());
            faults.extend(found);
            if let Some(plan) = plan {
                sound.push((files.len(), plan, node));
            }
        }
        files.push(PlanFile { path: path.clone(), text, faults });
    }
    if let Some(name) = &arguments.env && !environments.contains(name) {
        environments.sort_unstable();
        environments.dedup();
        let known = if environments.is_empty() { "the plans have none".to_owned() } else { format!("known: {}", environments.join(", ")) };
        return Err(Failure::Usage(format!("no plan has an environment called `{name}` ({known})")));
    }
    let together: Vec<(&Plan, &Node)> = sound.iter().map(|(_, plan, node)| (plan, node)).collect();
    // A rollout that could not be read is missing here, so what others say of it cannot be judged.
    let is_whole = files.iter().all(|file| file.faults.iter().all(|fault| fault.severity == Severity::Warning));
    if is_whole {
        for (index, fault) in together::check(&together) {
            if let Some(file) = sound.get(index).and_then(|(file, ..)| files.get_mut(*file)) {
                file.faults.push(fault);
            }
        }
    }
    for file in &mut files {
        file.faults.sort_by_key(|fault| fault.span.clone().map_or((0, 0), |span| (span.start, span.end)));
    }
    Ok(Loaded { files, plans: sound.into_iter().map(|(file, plan, _)| (file, plan)).collect() })
}

/// Loads one file.
pub fn load_one(path: &Path, env: Option<&str>) -> Result<Loaded, Failure> {
    load(&PlanArguments { plans: vec![path.to_owned()], env: env.map(str::to_owned) })
}

/// Reads one rollout, in the environment asked for, and checks all its others on the way.
fn read_rollout(node: Node, env: Option<&str>) -> (Option<Plan>, Node, Vec<Fault>) {
    let (mut plan, mut faults) = read::plan(&node);
    let mut chosen = None;
    for name in read::environments(&node) {
        let Some(own) = read::in_environment(&node, name) else { continue };
        let (own_plan, own_faults) = read::plan(&own);
        for fault in own_faults {
            if !faults.contains(&fault) {
                faults.push(Fault { path: format!("{} (in environment {name})", fault.path), ..fault });
            }
        }
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

/// The rollouts of a file: the file itself, or its `[[rollout]]`s.
fn rollouts(text: &str) -> (Vec<Node>, Vec<Fault>) {
    let fault = |span, message: String, help: Option<&str>| Fault { severity: Severity::Error, path: String::new(), span, message, help: help.map(str::to_owned) };
    let (table, errors) = DeTable::parse_recoverable(text);
    if !errors.is_empty() {
        let faults = errors.iter().map(|error| fault(error.span(), error.message().to_owned(), None)).collect();
        return (Vec::new(), faults);
    }
    // The whole text is no useful place for a fault; its first line is.
    let first_line = 0..text.find('\n').unwrap_or(text.len());
    let root = Node { value: table_value(table.get_ref()), span: Some(first_line) };
    let Value::Table(entries) = &root.value else { return (Vec::new(), Vec::new()) };
    let Some(list) = root.field("rollout") else { return (vec![root], Vec::new()) };
    let mut faults: Vec<Fault> = entries
        .iter()
        .filter(|entry| entry.key != "rollout")
        .map(|entry| fault(entry.key_span.clone(), format!("`{}` stands beside [[rollout]]", entry.key), Some("move it into the rollout that it belongs to")))
        .collect();
    match &list.value {
        Value::List(nodes) => (nodes.clone(), faults),
        _ => {
            faults.push(fault(list.span.clone(), "`rollout` is not a list".into(), Some("write [[rollout]] before each rollout")));
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
