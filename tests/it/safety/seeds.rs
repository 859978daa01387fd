//! Histories made from seeds, each the same whenever it is made, and made small where one fails.
//!
//! `WARDEN_SAFETY_CASES` says how many there are and `WARDEN_SAFETY_SEED` which is the first.

use std::fmt::Debug;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestError, TestRng, TestRunner};

/// Most attempts to make a history that fails smaller.
const SMALLER_MAX: u32 = 1000;

#[expect(clippy::disallowed_methods, reason = "a person asks for more, or for one again")]
fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is a whole number, not {text}")))
}

/// Checks what is made from each seed, as many as are asked for or `cases`. Says how many that were.
pub(super) fn each<T: Debug>(
    test: &str,
    cases: u64,
    strategy: &impl Strategy<Value = T>,
    show: impl Fn(&T) -> String,
    check: impl Fn(T) -> Result<(), String>,
) -> u64 {
    let first = number("WARDEN_SAFETY_SEED").unwrap_or(1);
    let cases = number("WARDEN_SAFETY_CASES").unwrap_or(cases);
    for seed in first..first + cases {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let config = ProptestConfig {
            cases: 1,
            failure_persistence: None,
            max_shrink_iters: SMALLER_MAX,
            ..ProptestConfig::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(config, rng);
        match runner.run(strategy, |made| check(made).map_err(TestCaseError::fail)) {
            Ok(()) => {}
            Err(TestError::Fail(why, made)) => panic!(
                "seed {seed}: {why}\n\n{}\nAgain: WARDEN_SAFETY_SEED={seed} WARDEN_SAFETY_CASES=1 \
                 cargo nextest run --locked -E 'test(={test})'",
                show(&made)
            ),
            Err(TestError::Abort(why)) => panic!("seed {seed}: {why}"),
        }
    }
    cases
}
