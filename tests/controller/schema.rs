//! Databases of older and of newer releases.

use serde_json::json;
use tidegate::controller::migrate;

use crate::people::{command, counted, counts, deployed, grant, rollout, settled};
use crate::sqlite::{Fault, Sqlite};
use crate::world::World;

const SECOND: &[&str] = &["ALTER TABLE rollouts ADD COLUMN owner TEXT NOT NULL DEFAULT 'nobody'"];
const THIRD: &[&str] = &["CREATE TABLE teams (name TEXT PRIMARY KEY)", "INSERT INTO teams (name) VALUES ('first')"];

fn number(database: &Sqlite) -> u64 {
    database.number("SELECT value FROM deployment WHERE name = 'schema'", &[])
}

#[test]
fn a_new_database_has_the_number_of_its_release() {
    let mut database = Sqlite::new();
    assert_eq!(migrate(&mut database, &[]), Ok((1, 1)));
    assert_eq!(number(&database), 1);
    assert_eq!(migrate(&mut Sqlite::new(), &[SECOND, THIRD]), Ok((3, 3)));
}

#[test]
fn migrations_run_in_order_each_once_and_each_with_its_number() {
    let mut database = Sqlite::new();
    migrate(&mut database, &[]).unwrap();
    // Each migration is one commit behind that of the tables.
    database.fault = Some(Fault::Refuse(3));
    migrate(&mut database, &[SECOND, THIRD]).unwrap_err();
    assert_eq!(number(&database), 2, "the second has run, the third has not");
    assert_eq!(database.number("SELECT COUNT(*) FROM sqlite_master WHERE name = 'teams'", &[]), 0);
    database.fault = Some(Fault::Swallow(2));
    migrate(&mut database, &[SECOND, THIRD]).unwrap_err();
    assert_eq!(number(&database), 3, "it has run, and nobody knows");
    assert_eq!(migrate(&mut database, &[SECOND, THIRD]), Ok((3, 3)));
    assert_eq!(database.number("SELECT COUNT(*) FROM teams", &[]), 1, "it has run once");
}

/// What the release before numbers wrote: the tables as they are, and no number.
fn unnumbered(world: &World) {
    world.database.run("DELETE FROM deployment WHERE name = 'schema'");
}

#[test]
fn a_database_without_a_number_goes_on_in_mid_stage() {
    let mut world = deployed(1, &["shop"], 10);
    let flush = counts(&world, "isolate", 1, "shop", 7);
    world.flush(flush).unwrap();
    let release = number(&world.database);
    unnumbered(&world);
    world.crash();
    let shown = rollout(&mut world, "shop");
    assert_eq!((shown["percentage"].as_f64(), &shown["state"]["revision"]), (Some(10.0), &json!(3)));
    assert_eq!(counted(&mut world, "shop"), 7);
    assert_eq!(number(&world.database), release);
    grant(&mut world, command("ana", "shop", "on", Some("\"3\""), json!({"command": "set", "percentage": 20})));
    assert_eq!(settled(&mut world, "shop").len(), 4);
}

#[test]
fn a_database_of_a_newer_release_is_read_and_written_and_what_is_newer_stays() {
    let mut world = deployed(1, &["shop", "other"], 10);
    let newer = [
        SECOND.concat(),
        "ALTER TABLE history ADD COLUMN place TEXT NOT NULL DEFAULT 'here'".to_owned(),
        "ALTER TABLE isolates ADD COLUMN place TEXT NOT NULL DEFAULT 'here'".to_owned(),
        "ALTER TABLE windows ADD COLUMN place TEXT NOT NULL DEFAULT 'here'".to_owned(),
        THIRD.join(";"),
        "UPDATE rollouts SET owner = 'ana' WHERE key = 'shop'".to_owned(),
        "UPDATE deployment SET value = 99 WHERE name = 'schema'".to_owned(),
        "INSERT INTO deployment (name, value) VALUES ('unheard_of', 1)".to_owned(),
    ];
    world.database.run(&newer.join(";"));
    world.crash();
    assert_eq!(rollout(&mut world, "shop")["percentage"], 10.0);
    grant(&mut world, command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 20})));
    let flush = counts(&world, "isolate", 1, "shop", 7);
    world.flush(flush).unwrap();
    settled(&mut world, "shop");
    world.crash();
    assert_eq!((rollout(&mut world, "shop")["percentage"].as_f64(), counted(&mut world, "shop")), (Some(20.0), 7));
    assert!(world.log.iter().any(|line| line.event == "schema_newer"));
    assert_eq!(number(&world.database), 99, "the newer release finds its number");
    assert_eq!(
        world.database.texts("SELECT owner FROM rollouts ORDER BY key", &[]),
        ["nobody", "ana"],
        "and its columns as they were"
    );
}

#[test]
fn a_row_that_cannot_be_read_stops_its_rollout_alone() {
    let mut world = deployed(1, &["broken", "shop"], 10);
    world
        .database
        .run("UPDATE rollouts SET plan = '{' WHERE key = 'broken'; DELETE FROM plans WHERE rollout = 'broken'");
    world.crash();
    let shown = rollout(&mut world, "broken");
    assert!(shown["faults"].to_string().contains("cannot be read by this version"), "{shown}");
    grant(&mut world, command("ana", "broken", "off", None, json!({"command": "kill"})));
    grant(&mut world, command("ana", "shop", "on", Some("*"), json!({"command": "set", "percentage": 20})));
    assert_eq!(settled(&mut world, "shop").last().unwrap().reason, "on");
}
