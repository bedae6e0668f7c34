//! The schemas of the OpenAPI document, made of the types of [`shapes`](super::shapes). Of the native build alone.
//!
//! `openapi.json` beside this file is the document. Its paths, parameters and examples are written by hand, and so
//! are the schemas of [`BY_HAND`]; all other schemas come from here. `make format` writes them, and a test fails
//! where the document has others.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::shapes;

/// The schemas of bodies that people and programs send: readers that name each fault with its place read them, no
/// types. Tests in workerd hold both to each other.
pub const BY_HAND: [&str; 31] = [
    "Reason",
    "StopReason",
    "StartCommand",
    "AdvanceCommand",
    "SetCommand",
    "PauseCommand",
    "ResumeCommand",
    "RollbackCommand",
    "KillCommand",
    "ReviveCommand",
    "ApproveCommand",
    "CompleteCommand",
    "NoteCommand",
    "DeployedCommand",
    "Command",
    "CommandForAll",
    "Plan",
    "Token",
    "Group",
    "SignalKind",
    "Receiver",
    "Stage",
    "PlannedGuardrail",
    "Notice",
    "Risk",
    "Plans",
    "PlansToApply",
    "SignalReport",
    "PreviewWanted",
    "ChecklistItem",
    "FreezeWanted",
];

/// The numbers of Rust's types, which JSON does not tell apart.
const FORMATS: [&str; 9] = ["uint", "uint8", "uint16", "uint32", "uint64", "int32", "int64", "float", "double"];

/// Keywords in the order in which they read best; the others follow.
const ORDER: [&str; 8] = ["$ref", "type", "description", "enum", "const", "required", "properties", "items"];

/// The schemas of what the API answers, by name.
pub fn schemas() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    answers(&mut generator);
    let mut schemas = generator.take_definitions(true);
    for schema in schemas.values_mut() {
        if let Ok(schema) = <&mut Schema>::try_from(schema) {
            AsServed.transform(schema);
        }
    }
    schemas
}

/// The document with these schemas in the place of those that it has; the ones that are written by hand stay.
pub fn with_schemas(mut document: Value) -> Value {
    let Some(Value::Object(place)) = document.pointer_mut("/components/schemas") else { return document };
    let mut made = schemas();
    let mut all = Map::new();
    // In the order in which they stand, so that a change shows as one.
    for (name, schema) in std::mem::take(place) {
        match made.shift_remove(&name) {
            Some(own) => drop(all.insert(name, own)),
            None if BY_HAND.contains(&name.as_str()) => drop(all.insert(name, schema)),
            None => {}
        }
    }
    all.extend(made);
    *place = all;
    document
}

/// Every answer, and what stands in a header or a parameter.
fn answers(generator: &mut SchemaGenerator) {
    fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    add::<shapes::Rollouts>(generator);
    add::<shapes::Rollout>(generator);
    add::<shapes::Done>(generator);
    add::<shapes::Tried>(generator);
    add::<shapes::AllDone>(generator);
    add::<shapes::History>(generator);
    add::<shapes::Messages>(generator);
    add::<shapes::Metrics>(generator);
    add::<shapes::PlansApplied>(generator);
    add::<shapes::SignalTaken>(generator);
    add::<shapes::Outbox>(generator);
    add::<shapes::Retried>(generator);
    add::<shapes::ChannelTests>(generator);
    add::<shapes::DeliveryTaken>(generator);
    add::<shapes::Assignment>(generator);
    add::<shapes::Preview>(generator);
    add::<shapes::Session>(generator);
    add::<shapes::Health>(generator);
    add::<shapes::Timeline>(generator);
    add::<shapes::Freeze>(generator);
    add::<shapes::Problem>(generator);
}

/// Makes a schema say what is served: no defaults, which are for readers; nothing of Rust's own; a field that may be
/// absent is never null.
struct AsServed;

impl Transform for AsServed {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(keywords) = schema.as_object_mut() else { return };
        keywords.shift_remove("default");
        if keywords.get("format").and_then(Value::as_str).is_some_and(|format| FORMATS.contains(&format)) {
            keywords.shift_remove("format");
        }
        if let Some(Value::String(text)) = keywords.get_mut("description") {
            *text = text.replace("\n\n", "\0").replace('\n', " ").replace('\0', "\n\n");
        }
        words(keywords);
        never_null(keywords);
        let mut all = std::mem::take(keywords);
        keywords.extend(ORDER.iter().filter_map(|word| all.shift_remove_entry(*word)));
        keywords.extend(all);
    }
}

/// Variants with a description each become one list of words.
fn words(keywords: &mut Map<String, Value>) {
    let variants = keywords.get("oneOf").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Option<Vec<(&str, &str)>> = variants
        .iter()
        .map(|variant| Some((variant.get("const")?.as_str()?, variant.get("description")?.as_str()?)))
        .collect();
    let Some(words) = words.filter(|words| !words.is_empty()) else { return };
    let about: String = words.iter().map(|(word, about)| format!(" `{word}`: {about}")).collect();
    let list: Value = words.iter().map(|(word, _)| Value::from(*word)).collect();
    let before = keywords.get("description").and_then(Value::as_str).unwrap_or_default();
    let description = format!("{before}{about}");
    keywords.shift_remove("oneOf");
    keywords.insert("type".into(), "string".into());
    keywords.insert("enum".into(), list);
    keywords.insert("description".into(), description.trim().into());
}

/// A property that is not required is left out where there is nothing.
fn never_null(keywords: &mut Map<String, Value>) {
    let required: Vec<String> = keywords
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str().map(str::to_owned))
        .collect();
    let Some(Value::Object(properties)) = keywords.get_mut("properties") else { return };
    for (_, property) in properties.iter_mut().filter(|(name, _)| !required.contains(name)) {
        let Some(property) = property.as_object_mut() else { continue };
        if let Some(Value::Array(types)) = property.get_mut("type") {
            types.retain(|kind| kind != "null");
            if let [one] = types.as_slice() {
                let one = one.clone();
                property.insert("type".into(), one);
            }
        }
        if let Some(Value::Array(words)) = property.get_mut("enum") {
            words.retain(|word| !word.is_null());
        }
        let is_null = |schema: &Value| schema.get("type").is_some_and(|kind| kind == "null");
        if let Some(Value::Array(either)) = property.get("anyOf")
            && let [one, null] = either.as_slice()
            && is_null(null)
            && let Some(one) = one.as_object().cloned()
        {
            property.shift_remove("anyOf");
            let mut all = std::mem::take(property);
            property.extend(one);
            for (keyword, value) in std::mem::take(&mut all) {
                property.insert(keyword, value);
            }
        }
    }
}
