//! How far a kill has come, as whoever has killed is reported.

use serde_json::{Value, json};

use crate::isolates::System;
use crate::people::{command, deployed, grant, rollout};

fn system() -> System {
    let mut system = System::new(1, deployed(1, &["shop"], 100), 2);
    // Whoever set things up is gone.
    system.pass(120_000);
    system
}

fn kill(system: &mut System) -> Value {
    grant(&mut system.world, command("ana", "shop", "stop", None, json!({"command": "kill"})))["rollout"].take()
}

fn reach(system: &mut System) -> (u64, u64, bool) {
    let reach = &rollout(&mut system.world, "shop")["reach"];
    (reach["isolates"].as_u64().unwrap(), reach["behind"].as_u64().unwrap(), reach["quiet_ms"].is_u64())
}

#[test]
fn a_kill_that_was_confirmed_stays_so_when_an_isolate_comes_that_knew_nothing() {
    let mut system = system();
    let killed = kill(&mut system);
    assert_eq!((&killed["reach"]["isolates"], &killed["reach"]["behind"]), (&json!(0), &json!(0)), "nobody is there");
    // The isolate that took the command has had no request before: it asks for everything, and gets the kill.
    system.news(0);
    system.pass(1_000);
    assert_eq!(reach(&mut system), (1, 0, true), "it needs no further request to say that it knows");
    system.pass(5_000);
    assert_eq!(reach(&mut system), (1, 0, true));
}

#[test]
fn isolates_confirm_a_kill_with_the_flush_that_brings_it() {
    let mut system = system();
    for place in [0, 1] {
        system.request(place, "shop");
    }
    system.pass(5_000);
    kill(&mut system);
    assert_eq!(reach(&mut system), (2, 2, false));
    system.request(0, "shop");
    system.pass(1_500);
    assert_eq!(reach(&mut system), (2, 1, false), "one has had a request, and nobody knows of the other");
    system.request(1, "shop");
    system.pass(1_500);
    assert_eq!(reach(&mut system), (2, 0, true));
}

#[test]
fn an_isolate_whose_answer_was_lost_is_behind() {
    let mut system = system();
    kill(&mut system);
    system.news_in_vain(0);
    system.pass(1_000);
    assert_eq!(reach(&mut system), (1, 1, false), "it may serve what KV has shown it");
}

#[test]
fn a_kill_is_watched_by_the_object_that_comes_after() {
    let mut system = system();
    for _ in 0..3 {
        system.request(0, "shop");
        system.pass(2_000);
    }
    kill(&mut system);
    system.world.crash();
    assert_eq!(reach(&mut system).1, 1, "the isolate of a moment ago may not know");
    system.request(0, "shop");
    system.pass(1_500);
    assert_eq!(reach(&mut system), (1, 0, true));
}
