//! The OpenAPI document and the types that the API answers with are the same.
#![allow(clippy::unwrap_used, reason = "a test that panics fails, as it should")]

use std::fs;

use serde_json::Value;
use tidegate::protocol::api::document::with_schemas;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/crates/protocol/src/api/openapi.json");

fn document() -> Value {
    serde_json::from_str(&fs::read_to_string(PATH).unwrap()).unwrap()
}

/// Every `$ref` of a document.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|inner| references(inner, found));
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}

#[test]
fn the_document_has_the_schemas_of_the_types() {
    let document = document();
    let made = with_schemas(document.clone());
    let (Some(known), Some(wanted)) =
        (document["components"]["schemas"].as_object(), made["components"]["schemas"].as_object())
    else {
        panic!("the document has no schemas")
    };
    for name in known.keys().chain(wanted.keys()) {
        assert_eq!(known.get(name), wanted.get(name), "the schema {name} is not that of its type: run make format");
    }
}

#[test]
fn every_reference_of_the_document_leads_somewhere() {
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap_or_default();
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for name in document["components"]["schemas"].as_object().unwrap().keys() {
        assert!(found.contains(&format!("#/components/schemas/{name}")), "the schema {name} is used nowhere");
    }
}

#[test]
#[ignore = "writes the document, for make format"]
fn write() {
    fs::write(PATH, with_schemas(document()).to_string()).unwrap();
}
