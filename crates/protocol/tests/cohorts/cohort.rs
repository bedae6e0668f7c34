//! The laws of the cohort, on this machine and on wasm: the same file runs on both.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test that panics fails, as it should")]

#[cfg(target_arch = "wasm32")]
use wasm_bindgen_test::wasm_bindgen_test as test;

use tidegate_decide::cohort::Seed;
use tidegate_model::Percentage;
use tidegate_model::percentage::BUCKETS;
use tidegate_model::subject::SubjectHash;

fn bucket(salt: &str, id: &[u8]) -> u32 {
    Seed::of(salt).bucket(SubjectHash::of(id))
}

/// An id of any bytes, often short, sometimes empty or long.
fn any_id(random: &mut fastrand::Rng) -> Vec<u8> {
    let length = match random.u8(..10) {
        0 => 0,
        1 => random.usize(..2_000),
        _ => random.usize(1..40),
    };
    (0..length).map(|_| random.u8(..)).collect()
}

#[test]
fn the_reference_values_hold() {
    let vectors = [
        ("checkout", "user-1", 46629),
        ("checkout", "user-2", 60770),
        ("checkout", "", 24359),
        ("", "user-1", 47866),
        ("admin-workbench", "0d0e8a1c-7b1e-4c57-9c9d-5a0b3a3c2f10", 84826),
        ("checkout", "josé", 99784),
        ("checkout", "😀", 23992),
    ];
    for (salt, id, expected) in vectors {
        assert_eq!(bucket(salt, id.as_bytes()), expected, "{salt} {id}");
    }
}

#[test]
fn odd_ids_have_the_same_bucket_everywhere() {
    let long = vec![b'x'; 10_000];
    let vectors: [(&[u8], u32); 4] =
        [(&long, 19_124), (b"\xff\xfe", 19_945), (b"\0", 60_852), ("ÅÄÖ".as_bytes(), 59_659)];
    for (id, expected) in vectors {
        assert_eq!(bucket("checkout", id), expected, "{:?}", id.get(..4));
    }
}

#[test]
fn a_subject_in_at_one_percentage_is_in_at_every_larger_one() {
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..20_000 {
        let bucket = bucket("checkout", &any_id(&mut random));
        let (a, b) = (random.u32(..=BUCKETS), random.u32(..=BUCKETS));
        let (small, large) = (a.min(b), a.max(b));
        assert!(bucket >= small || bucket < large, "{bucket} is under {small} but not under {large}");
    }
}

#[test]
fn nobody_is_in_at_0_and_everybody_at_100() {
    let mut random = fastrand::Rng::with_seed(2);
    for _ in 0..20_000 {
        let bucket = bucket("checkout", &any_id(&mut random));
        assert!(bucket >= Percentage::ZERO.limit() && bucket < Percentage::FULL.limit());
    }
}

#[test]
fn a_boundary_lies_between_a_bucket_and_the_next() {
    for limit in [1, 10, 1_000, 10_000, 25_000, 50_000, 99_999] {
        let found = |wanted: u32| (0_u32..4_000_000).find(|n| bucket("edge", format!("user-{n}").as_bytes()) == wanted);
        let (last_in, first_out) = (found(limit - 1), found(limit));
        let percentage = Percentage::from_limit(limit).map(Percentage::limit);
        assert!(last_in.is_some() && first_out.is_some() && percentage == Some(limit), "no id found for {limit}");
    }
}

/// Pearson's statistic of 100 cells with 99 degrees of freedom: 148 is its 99.9 % quantile.
#[test]
fn buckets_are_uniform() {
    let count = 200_000_u32;
    for salt in ["checkout", "exp1", ""] {
        let mut cells = [0_u32; 100];
        for n in 0..count {
            let cell = bucket(salt, format!("user-{n}").as_bytes()) / 1_000;
            cells[cell as usize] += 1;
        }
        let expected = f64::from(count) / 100.0;
        let chi_square: f64 = cells.iter().map(|cell| (f64::from(*cell) - expected).powi(2) / expected).sum();
        assert!(chi_square < 148.2, "{salt}: {chi_square}");
    }
}

/// Between independent rollouts, the number of subjects in both cohorts is hypergeometric; its
/// z-scores over all pairs of salts must have mean 0 and standard deviation 1.
#[test]
fn rollouts_are_independent_however_alike_their_salts() {
    let (salts, count, limit) = (40, 20_000, 10_000);
    let ids: Vec<SubjectHash> = (0..count).map(|n| SubjectHash::of(format!("user-{n}").as_bytes())).collect();
    let cohorts: Vec<Vec<bool>> = (0..salts)
        .map(|n| {
            let seed = Seed::of(&format!("exp{n}"));
            ids.iter().map(|id| seed.bucket(*id) < limit).collect()
        })
        .collect();
    let total = f64::from(count);
    let size = |cohort: &[bool]| cohort.iter().filter(|is_in| **is_in).count() as f64;
    let mut scores = Vec::new();
    for (index, a) in cohorts.iter().enumerate() {
        for b in &cohorts[..index] {
            let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count() as f64;
            let (a, b) = (size(a), size(b));
            let variance = a * b * (total - a) * (total - b) / (total * total * (total - 1.0));
            scores.push((both - a * b / total) / variance.sqrt());
        }
    }
    let mean = scores.iter().sum::<f64>() / scores.len() as f64;
    let deviation = (scores.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / scores.len() as f64).sqrt();
    let largest = scores.iter().fold(0.0_f64, |most, z| most.max(z.abs()));
    assert!(mean.abs() < 0.15 && (0.9..1.1).contains(&deviation) && largest < 4.5, "{mean} {deviation} {largest}");
}

#[test]
fn a_holdout_is_drawn_apart_from_the_cohort() {
    let (cohort, holdout) = (Seed::of("checkout"), Seed::of_holdout("checkout"));
    let ids = (0..100_000).map(|n| SubjectHash::of(format!("user-{n}").as_bytes()));
    let held: Vec<SubjectHash> = ids.filter(|id| holdout.bucket(*id) < 5_000).collect();
    let in_cohort = held.iter().filter(|id| cohort.bucket(**id) < 50_000).count() as f64 / held.len() as f64;
    assert!((4_700..5_300).contains(&held.len()) && (0.47..0.53).contains(&in_cohort), "{} {in_cohort}", held.len());
}
