//! Tokens: made so that nobody can guess them, compared so that nobody learns from it, kept only as fingerprints.

use rand::distr::Alphanumeric;
use rand::rand_core::UnwrapErr;
use rand::rngs::{ChaCha12Rng, SysRng};
use rand::{Rng, RngExt, SeedableRng};

/// Characters in a token; each is worth almost 6 bits, which makes 190.
const TOKEN_CHARACTERS: usize = 32;

/// A token that nobody can guess: letters and digits, from the operating system's random source.
///
/// # Panics
/// When that source does not answer, since there is no secret to be had then.
pub fn new() -> String {
    UnwrapErr(SysRng).sample_iter(Alphanumeric).take(TOKEN_CHARACTERS).map(char::from).collect()
}

/// What a token is known by where it is kept: whoever reads the file, or a backup of it, cannot sign in with that.
///
/// It is ChaCha's key stream under the token as its key, which nobody can turn round. A token of another shape has
/// none.
pub fn fingerprint(token: &str) -> Option<String> {
    let key = <[u8; TOKEN_CHARACTERS]>::try_from(token.as_bytes()).ok()?;
    let mut stream = ChaCha12Rng::from_seed(key);
    Some(format!("{:016x}{:016x}", stream.next_u64(), stream.next_u64()))
}

/// Whether `token` looks like one of ours: what a cookie brings may be anything.
pub fn is_well_formed(token: &str) -> bool {
    token.len() == TOKEN_CHARACTERS && token.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Whether two tokens are the same; how long that takes tells nothing about where they differ. An empty one
/// is a missing one, and matches nothing.
pub fn matches(a: &str, b: &str) -> bool {
    if a.is_empty() || a.len() != b.len() {
        return false;
    }
    let difference = a.bytes().zip(b.bytes()).fold(0, |sum, (a, b)| std::hint::black_box(sum | (a ^ b)));
    difference == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tokens_are_long_plain_and_never_the_same() {
        let (one, other) = (new(), new());
        assert!(one.len() == 32 && one.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{one}");
        assert!(matches(&one, &one) && !matches(&one, &other));
        assert!(!matches(&one, &one[1..]) && !matches(&one, "") && !matches("", ""));
    }

    #[test]
    fn a_fingerprint_stays_the_same_for_ever() {
        // It is in people's databases: another value would sign everybody out.
        let fingerprint = fingerprint("0123456789abcdefghijklmnopqrstuv").unwrap();
        assert_eq!(fingerprint, "5eab7c226f1ea8d7ffcae75955328c70");
        assert_eq!(super::fingerprint("short"), None);
        assert_ne!(super::fingerprint(&new()), super::fingerprint(&new()));
    }

    proptest! {
        #[test]
        fn tokens_match_only_themselves(a in ".{1,40}", b in ".{0,40}") {
            prop_assert!(matches(&a, &a));
            prop_assert_eq!(matches(&a, &b), a == b);
        }
    }
}
