//! The invitation: a link that spares typing the passphrase.

use rand::rngs::ChaCha12Rng;
use rand::{Rng, SeedableRng};

use super::token;
use crate::error::Result;
use crate::store::Store;

/// The token that is worth as much as `passphrase`: the same after a restart and in every process on the file, another
/// one when the passphrase changes. The file keeps only what it is made with, so that whoever reads a backup
/// cannot come in with that.
///
/// # Errors
/// The database does not answer.
pub fn settle(store: &Store, passphrase: &str) -> Result<String> {
    let salt = store.settle("invite", token::is_well_formed, &token::new())?;
    Ok(derive(&salt, passphrase))
}

/// Takes the passphrase in, a key's length at a time: each key is ChaCha's stream under the one before, mixed with the
/// next piece. Without the passphrase nobody can go that way, nor back with the token alone.
fn derive(salt: &str, passphrase: &str) -> String {
    let mut key: [u8; 32] = salt.as_bytes().try_into().expect("a well-formed token is as long as a key");
    for piece in passphrase.as_bytes().chunks(key.len()) {
        key.iter_mut().zip(piece).for_each(|(byte, of_piece)| *byte ^= of_piece);
        ChaCha12Rng::from_seed(key).fill_bytes(&mut key);
    }
    key[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scratch;

    #[test]
    fn an_invitation_lasts_as_long_as_its_passphrase() {
        let scratch = Scratch::new("invite");
        let of = |passphrase: &str| settle(&scratch.store, passphrase).unwrap();
        let first = of("open sesame");
        assert!(token::is_well_formed(&first), "{first}");
        assert_eq!(of("open sesame"), first);
        let long = "x".repeat(64);
        for other in ["open barley", "o", "open sesame!", &long, &long[..63], &long[..32]] {
            assert_ne!(of(other), first);
        }
        assert!(of(&long) != of(&long[1..]) && of(&long) != of(&long[32..]));
    }

    #[test]
    fn every_chat_has_its_own() {
        let (one, other) = (Scratch::new("invite-1"), Scratch::new("invite-2"));
        assert_ne!(settle(&one.store, "open sesame").unwrap(), settle(&other.store, "open sesame").unwrap());
    }
}
