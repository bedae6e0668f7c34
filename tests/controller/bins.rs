//! What bins did before a release outlasts the controller, and a damaged row costs no more than that.

use tidegate::decide::assign::Variant;
use tidegate::model::measured::{Quantity, SlicedCounts, Window};
use tidegate::protocol::flush::{Batch, Counted, Flush};

use crate::people::{deployed, rollout};
use crate::world::World;

const HOUR_MS: i64 = 3_600_000;

/// What an isolate sends that has counted by bin on legacy.
fn binned(world: &World, sequence: u64) -> Flush {
    let mut compared = SlicedCounts::default();
    let own = compared.binned(&Quantity::Errors, None, Variant::Legacy).unwrap();
    (0..1_000).for_each(|bin| own.add(bin, 6, u32::from(bin % 20 == 0)));
    let counted =
        vec![Counted { rollout: "shop".parse().unwrap(), window: Window::at(world.now().minute(), 1), compared }];
    let batch = Batch { sequence, counted, ..Batch::default() };
    Flush { isolate: "isolate".into(), known: Some(Vec::new()), batch: Some(batch), ..Flush::default() }
}

fn known(world: &mut World) -> Option<String> {
    rollout(world, "shop")["known"].as_str().map(str::to_owned)
}

#[test]
fn the_past_of_the_bins_outlasts_the_controller() {
    let mut world = deployed(1, &["shop"], 0);
    assert_eq!(known(&mut world), None, "nothing is known yet");
    for sequence in 1..=16 {
        let flush = binned(&world, sequence);
        world.flush(flush).unwrap();
        world.pass(HOUR_MS);
    }
    let before = known(&mut world).expect("hours of legacy's traffic are known");
    assert!(before.contains("of legacy's traffic are known: a doubling of error_rate in "), "{before}");
    world.pass(120_000);
    world.crash();
    assert_eq!(known(&mut world), Some(before));
    assert_eq!(world.database.number("SELECT COUNT(*) FROM bins", &[]), 1);
    world.database.run("UPDATE bins SET past = '{', evidence = '{'");
    world.crash();
    assert_eq!(known(&mut world), None);
    assert!(world.log.iter().any(|line| line.event == "bins"), "it is said");
}
