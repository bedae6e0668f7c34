//! How much plans may hold: more than anybody needs, and little enough that reading them takes no time to
//! speak of. The controller is single-threaded, so that a kill waits for whatever is read before it.

use super::fields::Reader;
use crate::node::{Node, Value};
use crate::number::Grouped;

/// The longest value of the KV key `plans`, and all plans of a deployment together, in bytes.
pub const SET_BYTES_MAX: usize = 4 << 20;
/// The longest plan, in bytes of its JSON: it is stored in one row with its rollout's record, and a row of the
/// platform's SQLite holds 2 MB.
pub const PLAN_BYTES_MAX: usize = 1 << 20;
/// The most rollouts of a deployment.
pub const ROLLOUTS_MAX: usize = 1_000;
/// The longest header `tidegate-flags`, in bytes. Upstreams refuse requests whose headers are too long: Tomcat takes 8 KB
/// of all of them together, nginx, Apache and gunicorn 8 KB of each, Node 16 KB of all.
pub const FLAGS_BYTES_MAX: usize = 4_096;
/// What stands between two flags there.
pub const FLAG_SEPARATOR: &str = ", ";
/// The most environments of a plan: each is read as a plan of its own.
pub const ENVIRONMENTS_MAX: usize = 20;
/// The greatest revision of plans and states: JavaScript's numbers are whole up to here.
pub const REVISION_MAX: u64 = 1 << 53;
/// The greatest revision of plans that are written by hand. The controller goes on from there.
pub const REVISION_BY_HAND_MAX: u64 = 1 << 52;

/// The most items that the list or the table called `field` may have, and the way out.
fn items_max(field: &str) -> (usize, Option<&'static str>) {
    match field {
        "ids" | "not_ids" => (100_000, Some("more belong under the KV key `group/NAME`, with `kv = true`")),
        "environments" => (ENVIRONMENTS_MAX, None),
        "gates" => (50, None),
        "stage" | "freeze" | "enter" | "checkins" | "jwt" => (100, None),
        // Each of them is tried for each request.
        "except" | "match" => (100, Some("a `/*` at the end takes everything under a path")),
        // Each is a request every so often.
        "probe" | "hook" => (50, None),
        "path" => (200, Some("one rule may have several paths in `match`")),
        "guardrail" => (500, None),
        "routes" => (10_000, Some("a `/*` at the end takes everything under a path")),
        _ => (10_000, None),
    }
}

/// The most entries of a table that is not named above.
const ENTRIES_MAX: usize = 1_000;

/// Notes each list and each table of a plan that is too long.
pub fn check(r: &mut Reader, node: &Node) {
    walk(r, "", node);
}

fn walk(r: &mut Reader, field: &str, node: &Node) {
    let (most, help) = items_max(field);
    match &node.value {
        Value::List(items) if items.len() > most => too_many(r, node, items.len(), most, help),
        Value::List(items) => {
            for (index, item) in items.iter().enumerate().filter(|(_, item)| has_items(item)) {
                r.enter_item(index);
                walk(r, field, item);
                r.leave();
            }
        }
        Value::Table(entries) if entries.len() > most.min(ENTRIES_MAX) => {
            too_many(r, node, entries.len(), most.min(ENTRIES_MAX), help)
        }
        Value::Table(entries) => {
            for entry in entries.iter().filter(|entry| has_items(&entry.node)) {
                r.enter_field(&entry.key);
                walk(r, &entry.key, &entry.node);
                r.leave();
            }
        }
        _ => {}
    }
}

const fn has_items(node: &Node) -> bool {
    matches!(node.value, Value::List(_) | Value::Table(_))
}

fn too_many(r: &mut Reader, node: &Node, count: usize, most: usize, help: Option<&str>) {
    r.error(
        node.span.clone(),
        format_args!("{} are too many: at most {}", Grouped(count), Grouped(most)),
        help.map(str::to_owned),
    );
}

#[cfg(test)]
mod tests {
    use super::super::set::read_rollout;

    #[track_caller]
    fn refuses(fields: &str, expected: &str) {
        let faults = read_rollout(&format!(r#"{{"key":"a","stage":[{{"name":"full","percentage":100}}],{fields}}}"#))
            .unwrap_err();
        assert_eq!(faults.iter().map(ToString::to_string).collect::<Vec<_>>(), [expected]);
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        let many = |item: &str, count: usize| vec![item; count].join(",");
        refuses(
            &format!(r#""routes":[{}]"#, many("7", 30_000)),
            "routes: 30,000 are too many: at most 10,000 (a `/*` at the end takes everything under a path)",
        );
        refuses(
            &format!(r#""groups":{{"team":{{"ids":[{}]}}}}"#, many("7", 100_001)),
            "groups.team.ids: 100,001 are too many: at most 100,000 (more belong under the KV key `group/NAME`, with `kv = true`)",
        );
        refuses(
            &format!(r#""guardrail":[{{"stages":[{}]}}]"#, many("7", 10_001)),
            "guardrail[0].stages: 10,001 are too many: at most 10,000",
        );
        let roles: Vec<String> = (0..1_001).map(|n| format!(r#""r{n}":"ana""#)).collect();
        refuses(&format!(r#""roles":{{{}}}"#, roles.join(",")), "roles: 1,001 are too many: at most 1,000");
    }
}
