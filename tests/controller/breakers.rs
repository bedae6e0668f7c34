//! What isolates report to each other of their breakers, in the whole system: with and without relays, however the network
//! treats it.
//!
//! 1. While new is down, an isolate that has just begun sends it one request, and no more than that.
//! 2. One isolate that alone cannot reach new opens no other's breaker, however long that lasts.
//! 3. What nobody says any more is over within seconds.

use tidegate::controller::{Input, Rhythm};
use tidegate::decide::assign::Variant;
use tidegate::protocol::relays::Sizes;

use crate::isolates::{Network, System};
use crate::people::deployed;
use crate::seeds;

const PLACES: usize = 4;
const KEY: &str = "shop";

/// A system whose every visitor is on new, with so many isolates to a relay; 0 for no relays.
fn system(seed: u64, per_relay: usize) -> System {
    let mut system = System::new(seed, deployed(seed, &[KEY], 100), PLACES);
    if per_relay > 0 {
        let sizes = Sizes { direct_max: 1, per_relay, fan: 2, calm_ms: 1_000 };
        system.world.input(None, Input::Rhythm(Rhythm { sizes, ..Rhythm::default() }));
    }
    for _ in 0..20 {
        for place in 0..PLACES {
            system.request(place, KEY);
        }
        system.pass(500);
    }
    system
}

/// A page at a place; whether new was asked, and what the visitor got.
fn visit(system: &mut System, place: usize, does_new_answer: bool) -> (bool, Variant) {
    let got = system.visit(place, KEY, does_new_answer);
    // What is due behind the answer.
    system.request(place, KEY);
    got
}

/// New is down, and the isolate of the first place has found out and reported it.
fn down(seed: u64, per_relay: usize, network: Network) -> System {
    let mut system = system(seed, per_relay);
    system.network = network;
    for _ in 0..20 {
        visit(&mut system, 0, false);
        system.pass(250);
    }
    assert!(system.opened > 0, "it leaves new alone");
    system
}

#[test]
fn a_new_isolate_sends_one_request_to_a_new_that_is_down_for_others() {
    for per_relay in [0, 1, 2] {
        for seed in seeds(10) {
            let late = Network { late_ms: 300, twice: 0.2, ..Network::default() };
            let mut system = down(seed, per_relay, if seed % 2 == 0 { late } else { Network::default() });
            // They report to several relays, where there are any.
            for place in 1..PLACES {
                system.restart(place);
                system.request(place, KEY);
            }
            // First visitors wait for the controller's word as long as for the configuration.
            for _ in 0..4 {
                visit(&mut system, 0, false);
                system.pass(250);
            }
            let before = system.opened;
            let mut asked = [0; PLACES];
            for _ in 0..16 {
                visit(&mut system, 0, false);
                for (place, asked) in asked.iter_mut().enumerate().skip(1) {
                    let (was_new_asked, variant) = visit(&mut system, place, false);
                    *asked += u32::from(was_new_asked);
                    assert_eq!(variant, Variant::Legacy);
                }
                system.pass(250);
            }
            assert_eq!((&asked[1..], system.opened - before), (&[1; 3][..], 3), "{per_relay} to a relay, seed {seed}");
        }
    }
}

#[test]
fn one_isolate_that_alone_cannot_reach_new_opens_no_other_breaker() {
    for per_relay in [0, 2] {
        for seed in seeds(5) {
            let mut system = down(seed, per_relay, Network::default());
            let (opened, mut visits, mut on_new) = (system.opened, 0, 0);
            for step in 0..1_200 {
                // The first place goes on failing; the second has few visitors, the third many, the fourth begins anew.
                visit(&mut system, 0, false);
                if step % 100 == 0 {
                    system.restart(3);
                    system.request(3, KEY);
                    system.pass(300);
                }
                for place in 1..PLACES {
                    if place != 1 || step % 15 == 0 {
                        visits += 1;
                        on_new += u32::from(visit(&mut system, place, true).1 == Variant::New);
                    }
                }
                system.pass(250);
            }
            assert!(system.shared.0 > 100, "the others learn of it: {:?}", system.shared);
            assert_eq!((system.opened - opened, on_new), (0, visits), "{per_relay} to a relay, seed {seed}");
        }
    }
}

#[test]
fn what_nobody_says_any_more_is_over_within_seconds() {
    for per_relay in [0, 1, 2] {
        for seed in seeds(5) {
            let mut system = down(seed, per_relay, Network::default());
            // Nobody comes to the first place any more; the others ask for other pages of theirs.
            let ended_ms = system.world.now_ms;
            for _ in 0..240 {
                for place in 1..PLACES {
                    system.request(place, KEY);
                }
                system.pass(250);
            }
            let (times, last_ms) = system.shared;
            assert!(times > 0 && last_ms - ended_ms < 15_000, "{per_relay}: {times}, {} ms", last_ms - ended_ms);
        }
    }
}
