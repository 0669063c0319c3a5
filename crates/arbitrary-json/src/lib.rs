//! Inputs for tests that parse foreign bytes: any JSON, documents with a random value in place of a field, and what fuzzing kept.

use std::panic::catch_unwind;
use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::Value;

/// A configuration with this many cases, the same in every run; `PROPTEST_RNG_SEED` changes them.
pub fn repeatable(cases: u32) -> ProptestConfig {
    let config = ProptestConfig::with_cases(cases);
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(4), ..config },
        RngSeed::Fixed(_) => config,
    }
}

/// Any JSON, mostly small.
pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_i64..20).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,8}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The document with `with` in the place that `at` selects.
pub fn mutated(mut document: Value, at: usize, with: &Value) -> Value {
    replace(&mut document, at, with);
    document
}

fn replace(value: &mut Value, at: usize, with: &Value) {
    let size = match value {
        Value::Object(fields) => fields.len(),
        Value::Array(items) => items.len(),
        _ => 0,
    };
    if size == 0 || at.is_multiple_of(7) {
        return *value = with.clone();
    }
    let (which, deeper) = (at % size, at / size);
    match value {
        Value::Object(fields) => {
            if let Some((_, inner)) = fields.iter_mut().nth(which) {
                replace(inner, deeper, with);
            }
        }
        Value::Array(items) => replace(&mut items[which], deeper, with),
        _ => {}
    }
}

/// Calls the target of `fuzz/` with every input of its corpus, and names the one that fails.
///
/// # Panics
/// If the target does, or there is no corpus.
pub fn replay(name: &str, target: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(name);
    let inputs = std::fs::read_dir(&corpus).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut replayed = 0;
    for input in inputs {
        let bytes = std::fs::read(&input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
        assert!(catch_unwind(|| target(&bytes)).is_ok(), "{} fails", input.display());
        replayed += 1;
    }
    assert!(replayed > 0, "{} is missing or empty", corpus.display());
}
