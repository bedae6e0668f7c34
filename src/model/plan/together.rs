//! What only shows among plans that are deployed together: keys and routes taken twice, rollouts that wait
//! for one that is not there, or for themselves by way of others.

use std::collections::HashMap;

use super::Plan;
use super::rules::Rules;
use super::rules::Step::{Index, Key};
use crate::model::fault::{Fault, nearest};
use crate::model::node::Node;

/// Checks such plans; each fault comes with the index of its plan.
pub fn check(plans: &[(&Plan, &Node)]) -> Vec<(usize, Fault)> {
    let mut faults = Vec::new();
    let mut keys: HashMap<&str, usize> = HashMap::new();
    let mut routes = HashMap::new();
    for (index, (plan, root)) in plans.iter().enumerate() {
        let mut rules = Rules::new(plan, root);
        if keys.insert(plan.key.as_str(), index).is_some() {
            rules.error(&[Key("key")], format!("two rollouts have the key `{}`", plan.key), None);
        }
        for (n, route) in plan.routes.iter().enumerate() {
            if let Some(other) = routes.insert(route, &plan.key).filter(|other| **other != plan.key) {
                rules.error(&[Key("routes"), Index(n)], format!("`{route}` is a route of `{other}` too"), "make one of the two more specific".to_owned());
            }
        }
        faults.extend(rules.faults.into_iter().map(|fault| (index, fault)));
    }
    for (index, (plan, root)) in plans.iter().enumerate() {
        let mut rules = Rules::new(plan, root);
        for (key, list) in [("after", &plan.after), ("requires", &plan.requires)] {
            for (n, name) in list.iter().enumerate() {
                if !keys.contains_key(name.as_str()) {
                    let help = nearest(name.as_str(), keys.keys().copied()).map(|known| format!("did you mean `{known}`?"));
                    rules.error(&[Key(key), Index(n)], format!("no rollout has the key `{name}`"), help);
                }
            }
        }
        if is_in_cycle(index, plans, &keys) {
            rules.error(&[Key("key")], format!("`{}` waits for itself, by way of `after` or `requires` of others", plan.key), None);
        }
        faults.extend(rules.faults.into_iter().map(|fault| (index, fault)));
    }
    faults
}

/// Whether a way leads from the plan at `start` through `after` and `requires` of others back to it.
fn is_in_cycle(start: usize, plans: &[(&Plan, &Node)], keys: &HashMap<&str, usize>) -> bool {
    let needs = |index: usize| plans.get(index).into_iter().flat_map(|(plan, _)| plan.after.iter().chain(&plan.requires)).filter_map(|name| keys.get(name.as_str()).copied());
    let mut seen = vec![false; plans.len()];
    let mut open: Vec<usize> = needs(start).filter(|index| *index != start).collect();
    while let Some(index) = open.pop() {
        if index == start {
            return true;
        }
        if let Some(seen) = seen.get_mut(index) && !std::mem::replace(seen, true) {
            open.extend(needs(index));
        }
    }
    false
}
