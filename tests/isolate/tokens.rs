//! Tokens whose keys are published: each is verified once, and again when its keys may be gone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tidegate::isolate::{Effect, Input};
use tidegate::model::plan::Token;
use tidegate::model::plan::set::read_rollout;

use crate::world::{SECOND_MS, World};

const KEYS: &str = r#"{"keys":[{"kid":"k1","kty":"RSA","n":"1"},{"kid":"k2","kty":"RSA", "n":"2"}]}"#;

fn token() -> Token {
    let plan = r#"{"key":"a","routes":["/*"],"upstreams":{"legacy":"https://l.example","new":"https://n.example"},
        "identity":{"from":["jwt:session.sub"],"jwt":{"session":{"jwks":"https://keys.example/jwks.json"}}},
        "stage":[{"name":"full","percentage":100}]}"#;
    read_rollout(plan).unwrap().identity.jwt.0[0].1.clone()
}

fn text(key: &str) -> String {
    let part = |json: &str| URL_SAFE_NO_PAD.encode(json);
    let header = part(&format!(r#"{{"alg":"RS256","kid":"{key}"}}"#));
    format!("{header}.{}.{}", part(r#"{"sub":"ana"}"#), part("signature"))
}

/// Brings a token, and answers what the platform is asked with these keys. Returns how often keys were read, and the
/// key that the signature was checked with.
fn bring(world: &mut World, text: &str, keys: Result<&str, &str>, is_signed: bool) -> (usize, Option<String>) {
    world.input(Input::TokenBrought(token(), text.to_owned()));
    let (mut reads, mut used) = (0, None);
    while let Some(effect) = world.hanging.pop() {
        match effect {
            Effect::ReadKeys(check) => {
                reads += 1;
                world.input(Input::KeysRead(check, keys.map(str::to_owned).map_err(str::to_owned)));
            }
            Effect::CheckSignature(asked) => {
                used = Some(asked.key);
                world.input(Input::SignatureChecked(asked.check, is_signed));
            }
            other => unreachable!("{other:?}"),
        }
    }
    (reads, used)
}

fn is_known(world: &World, text: &str) -> bool {
    world.isolate.tokens().claims(&token(), text, false, world.now_ms as f64).is_some()
}

#[test]
fn a_token_is_checked_with_the_key_that_it_names_as_it_was_published() {
    let mut world = World::new(&["a"]);
    let (reads, key) = bring(&mut world, &text("k2"), Ok(KEYS), true);
    assert_eq!((reads, key.as_deref()), (1, Some(r#"{"kid":"k2","kty":"RSA", "n":"2"}"#)));
    assert!(is_known(&world, &text("k2")));
    let (reads, key) = bring(&mut world, &text("k1"), Ok(KEYS), false);
    assert_eq!((reads, key.is_some()), (0, true), "the keys are known");
    assert!(!is_known(&world, &text("k1")), "its signature is wrong");
}

#[test]
fn keys_are_read_again_for_one_that_is_not_there_but_not_for_every_token() {
    let mut world = World::new(&["a"]);
    bring(&mut world, &text("k1"), Ok(KEYS), true);
    assert_eq!(bring(&mut world, &text("k3"), Ok(KEYS), true), (0, None), "they were read a moment ago");
    world.now_ms += 10 * SECOND_MS;
    let newer = KEYS.replace("k2", "k3");
    assert!(matches!(bring(&mut world, &text("k3"), Ok(&newer), true), (1, Some(_))));
    assert!(is_known(&world, &text("k3")));
    world.now_ms += 600 * SECOND_MS;
    assert_eq!(bring(&mut world, &text("k1"), Ok(KEYS), true).0, 1, "keys are withdrawn");
}

#[test]
fn keys_that_cannot_be_read_make_a_token_unknown_and_leave_the_ones_before() {
    let mut world = World::new(&["a"]);
    for keys in [Err("down"), Ok("<html>"), Ok(r#"{"keys":{}}"#)] {
        bring(&mut world, &text("k1"), keys, true);
        assert!(!is_known(&world, &text("k1")), "{keys:?}");
    }
    assert!(world.logged("keys_unreadable") >= 3);
    bring(&mut world, &text("k1"), Ok(KEYS), true);
    world.now_ms += 600 * SECOND_MS;
    let (_, key) = bring(&mut world, &text("k1"), Err("down"), true);
    assert!(key.is_some(), "the last good keys stand in");
}

#[test]
fn what_is_no_token_asks_for_nothing() {
    let mut world = World::new(&["a"]);
    for odd in ["", "a.b", "a.b.c", "..."] {
        assert_eq!(bring(&mut world, odd, Ok(KEYS), true), (0, None), "{odd}");
    }
}
