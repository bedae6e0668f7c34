//! The shape of JSON: which fields there are, and what kind of value each has.
//!
//! 1. Values say nothing, and neither does how many items a list has: both change from one moment to the next. That a
//!    list is empty on one side alone does say something.
//! 2. `null` goes for any kind: a field that may be missing is often so.
//! 3. Of a list so many items are looked at, each beside the one at its place.

use serde_json::Value;
use tidegate_model::plan::shadow::Pointer;

/// So many items of a list are compared.
const ITEMS_MAX: usize = 50;

/// The place of the first difference in shape; `None` where there is none. What is no JSON on both sides does not
/// differ; on one side alone it differs as a whole.
pub fn difference(legacy: &[u8], new: &[u8], ignored: &[Pointer]) -> Option<String> {
    match (serde_json::from_slice::<Value>(legacy), serde_json::from_slice::<Value>(new)) {
        (Ok(legacy), Ok(new)) => {
            let ignored: Vec<&[String]> = ignored.iter().map(|pointer| pointer.names.as_slice()).collect();
            let mut place = Vec::new();
            at(&legacy, &new, &ignored, &mut place).then(|| place.iter().rev().map(|name| format!("/{name}")).collect())
        }
        (Err(_), Err(_)) => None,
        _ => Some(String::new()),
    }
}

/// Whether two values differ; the names of the place are added, the innermost first.
fn at(legacy: &Value, new: &Value, ignored: &[&[String]], place: &mut Vec<String>) -> bool {
    match (legacy, new) {
        (Value::Null, _) | (_, Value::Null) => false,
        (Value::Object(old), Value::Object(own)) => {
            let names = old.keys().chain(own.keys().filter(|name| !old.contains_key(*name)));
            for name in names {
                let Some(under) = under(ignored, name) else { continue };
                let is_other = match (old.get(name), own.get(name)) {
                    (Some(legacy), Some(new)) => at(legacy, new, &under, place),
                    (Some(Value::Null), None) | (None, Some(Value::Null)) => false,
                    _ => true,
                };
                if is_other {
                    place.push(name.clone());
                    return true;
                }
            }
            false
        }
        (Value::Array(old), Value::Array(own)) => {
            if old.is_empty() != own.is_empty() {
                return true;
            }
            for (index, (legacy, new)) in old.iter().zip(own).take(ITEMS_MAX).enumerate() {
                let name = index.to_string();
                let Some(under) = under(ignored, &name) else { continue };
                if at(legacy, new, &under, place) {
                    place.push("*".to_owned());
                    return true;
                }
            }
            false
        }
        (Value::Bool(_), Value::Bool(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::String(_), Value::String(_)) => false,
        _ => true,
    }
}

/// What is ignored of a field's own value; `None` where all of it is.
fn under<'a>(ignored: &[&'a [String]], name: &str) -> Option<Vec<&'a [String]>> {
    let mut under = Vec::new();
    for pointer in ignored {
        match pointer.split_first() {
            Some((first, rest)) if first == "*" || first == name => {
                if rest.is_empty() {
                    return None;
                }
                under.push(rest);
            }
            _ => {}
        }
    }
    Some(under)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn differs(legacy: &str, new: &str, ignored: &[&str], place: Option<&str>) {
        let ignored: Vec<Pointer> = ignored.iter().map(|text| text.parse().unwrap()).collect();
        assert_eq!(difference(legacy.as_bytes(), new.as_bytes(), &ignored).as_deref(), place, "{legacy} {new}");
        let back = difference(new.as_bytes(), legacy.as_bytes(), &ignored);
        assert_eq!(back.is_some(), place.is_some(), "{new} {legacy}");
    }

    #[test]
    fn fields_and_kinds_make_the_shape() {
        differs("{\"a\":1,\"b\":[{\"c\":true}]}", "{\"b\":[{\"c\":false},{\"c\":true}],\"a\":2.5}", &[], None);
        differs("{\"a\":{\"b\":1}}", "{\"a\":{\"b\":\"1\"}}", &[], Some("/a/b"));
        differs("{\"a\":1}", "{}", &[], Some("/a"));
        differs("{\"a\":1}", "{\"a\":1,\"z\":{}}", &[], Some("/z"));
        differs("[{\"a\":1},{\"a\":1}]", "[{\"a\":1},{\"a\":[]}]", &[], Some("/*/a"));
        differs("{\"items\":[1]}", "{\"items\":[]}", &[], Some("/items"));
        differs("{\"a\":null}", "{\"a\":[1]}", &[], None);
        differs("{\"a\":null}", "{}", &[], None);
        differs("[]", "{}", &[], Some(""));
        differs("{\"a\":1", "{\"a\":1}", &[], Some(""));
        differs("no", "nor this", &[], None);
    }

    #[test]
    fn what_is_ignored_is_so_with_all_that_is_under_it() {
        differs("{\"time\":1}", "{\"time\":{\"x\":1}}", &["/time"], None);
        differs("{\"time\":1}", "{}", &["/time"], None);
        differs("{\"a\":[{\"id\":1,\"n\":1}]}", "{\"a\":[{\"id\":\"x\",\"n\":1}]}", &["/a/*/id"], None);
        differs("{\"a\":[{\"id\":1,\"n\":1}]}", "{\"a\":[{\"id\":1,\"n\":\"\"}]}", &["/a/*/id"], Some("/a/*/n"));
        differs("{\"a\":1}", "{\"a\":\"\"}", &["/a/b"], Some("/a"));
    }

    #[test]
    fn depth_is_bounded_by_the_reader() {
        let deep = "[".repeat(100_000);
        differs(&deep, &deep, &[], None);
    }
}
