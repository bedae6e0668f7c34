//! What only shows among plans that are deployed together: keys and routes taken twice, rollouts that wait
//! for one that is not there, or for themselves by way of others.

use std::collections::HashMap;

use super::Plan;
use super::limits::{FLAG_SEPARATOR, FLAGS_BYTES_MAX};
use super::rules::Rules;
use super::rules::Step::{Index, Key};
use crate::fault::{Faults, nearest};
use crate::node::Node;
use crate::number::Grouped;
use crate::variant::Variant;

/// Checks such plans; each fault comes with the index of its plan.
pub fn check(plans: &[(&Plan, &Node)]) -> Vec<(usize, Faults)> {
    let mut found: Vec<Faults> = Vec::new();
    let mut keys: HashMap<&str, usize> = HashMap::new();
    let mut routes = HashMap::new();
    let mut flags_bytes = 0;
    for (index, (plan, root)) in plans.iter().enumerate() {
        let mut rules = Rules::new(plan, root);
        if keys.insert(plan.key.as_str(), index).is_some() {
            rules.error(&[Key("key")], format!("two rollouts have the key `{}`", plan.key), None);
        }
        for (n, route) in plan.routes.iter().enumerate() {
            if let Some(other) = routes.insert(route, &plan.key).filter(|other| **other != plan.key) {
                rules.error(
                    &[Key("routes"), Index(n)],
                    format!("`{route}` is a route of `{other}` too"),
                    "make one of the two more specific".to_owned(),
                );
            }
        }
        if plan.is_flag() {
            // The last one is followed by nothing.
            let (before, bytes_max) = (flags_bytes, FLAGS_BYTES_MAX + FLAG_SEPARATOR.len());
            flags_bytes += plan.flag(Variant::Legacy).len().max(plan.flag(Variant::New).len()) + FLAG_SEPARATOR.len();
            if before <= bytes_max && flags_bytes > bytes_max {
                rules.warn(
                    &[Key("key")],
                    format!(
                        "from this flag on, `tidegate-flags` may be longer than {} bytes, and then names only the flags that are on new",
                        Grouped(FLAGS_BYTES_MAX)
                    ),
                    "upstreams have to take a flag that is not named to be on legacy; take flags that are done out of the plans (`tidegate stale`)".to_owned(),
                );
            }
        }
        found.push(rules.faults);
    }
    let cycles = in_cycles(plans, &keys);
    for ((index, (plan, root)), faults) in plans.iter().enumerate().zip(&mut found) {
        let mut rules = Rules { faults: std::mem::take(faults), ..Rules::new(plan, root) };
        for (key, list) in [("after", &plan.after), ("requires", &plan.requires)] {
            for (n, name) in list.iter().enumerate() {
                if !keys.contains_key(name.as_str()) {
                    let near = if rules.faults.are_few() { nearest(name.as_str(), keys.keys().copied()) } else { None };
                    let help = near.map(|known| format!("did you mean `{known}`?"));
                    rules.error(&[Key(key), Index(n)], format!("no rollout has the key `{name}`"), help);
                }
            }
        }
        if cycles.get(index) == Some(&true) {
            rules.error(
                &[Key("key")],
                format!("`{}` waits for itself, by way of `after` or `requires` of others", plan.key),
                None,
            );
        }
        *faults = rules.faults;
    }
    found.into_iter().enumerate().filter(|(_, faults)| !faults.is_empty()).collect()
}

/// Of each plan, whether a way leads from it through `after` and `requires` of others back to it.
///
/// Each plan has a row of bits, one for each plan that it leads to; whoever leads to a plan leads to all that
/// this one does. For a thousand plans that are at most a million steps over sixteen words.
fn in_cycles(plans: &[(&Plan, &Node)], keys: &HashMap<&str, usize>) -> Vec<bool> {
    let words = plans.len().div_ceil(64);
    let mut rows: Vec<Vec<u64>> = vec![vec![0; words]; plans.len()];
    for ((index, (plan, _)), row) in plans.iter().enumerate().zip(&mut rows) {
        for other in plan
            .after
            .iter()
            .chain(&plan.requires)
            .filter_map(|name| keys.get(name.as_str()).copied())
            .filter(|other| *other != index)
        {
            if let Some(word) = row.get_mut(other / 64) {
                *word |= 1 << (other % 64);
            }
        }
    }
    let leads = |row: &[u64], to: usize| row.get(to / 64).is_some_and(|word| word >> (to % 64) & 1 == 1);
    for middle in 0..rows.len() {
        let Some(through) = rows.get(middle).filter(|row| row.iter().any(|word| *word != 0)).cloned() else { continue };
        for row in rows.iter_mut().filter(|row| leads(row, middle)) {
            row.iter_mut().zip(&through).for_each(|(word, more)| *word |= more);
        }
    }
    rows.iter().enumerate().map(|(index, row)| leads(row, index)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::set::read_rollout;
    use super::*;

    #[test]
    fn a_plan_waits_for_itself_only_where_a_way_leads_back_to_it() {
        let plan = |key: &str, after: &str| {
            read_rollout(&format!(
                r#"{{"key":"{key}","after":[{after}],"stage":[{{"name":"full","percentage":100}}]}}"#
            ))
            .unwrap_or_else(|faults| panic!("{faults:?}"))
        };
        // a leads into the circle of b, c and d, which leads to e.
        let plans =
            [plan("a", r#""b""#), plan("b", r#""c""#), plan("c", r#""d""#), plan("d", r#""b","e""#), plan("e", "")];
        let root = Node::default();
        let pairs: Vec<(&Plan, &Node)> = plans.iter().map(|plan| (plan, &root)).collect();
        let shown: Vec<String> =
            check(&pairs).into_iter().flat_map(|(_, faults)| faults.into_vec()).map(|fault| fault.message).collect();
        let expected: Vec<String> = ["b", "c", "d"]
            .iter()
            .map(|key| format!("`{key}` waits for itself, by way of `after` or `requires` of others"))
            .collect();
        assert_eq!(shown, expected);
    }

    #[test]
    fn the_flag_from_which_on_a_header_may_be_too_long_is_named_once() {
        let plan = |n: usize| {
            read_rollout(&format!(
                r#"{{"key":"flag-{n:03}","values":{{"new":"on","legacy":"off"}},"stage":[{{"name":"full","percentage":100}}]}}"#
            ))
            .unwrap_or_else(|faults| panic!("{faults:?}"))
        };
        // 14 bytes each: `flag-000=off, `.
        let plans: Vec<Plan> = (0..400).map(plan).collect();
        let root = Node::default();
        let found = |count| {
            let pairs: Vec<(&Plan, &Node)> = plans.iter().take(count).map(|plan| (plan, &root)).collect();
            check(&pairs).into_iter().map(|(index, faults)| (index, faults.into_vec().len())).collect::<Vec<_>>()
        };
        assert_eq!((found(292), found(293), found(400)), (vec![], vec![(292, 1)], vec![(292, 1)]));
    }
}
