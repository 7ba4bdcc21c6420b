//! The invitation: a link that spares typing the passphrase. It is kept in the database, so that it is the same after
//! a restart and in every process on the file, and it ends when the passphrase changes.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::csrf;
use crate::error::Result;
use crate::store::Store;

/// Where it lies in `meta`: the token, a space, and what the passphrase was when it was made.
const KEY: &str = "invite";

/// The token that is worth as much as `passphrase`.
///
/// # Errors
/// The database does not answer.
pub fn settle(store: &Store, passphrase: &str) -> Result<String> {
    let fresh = csrf::new_token();
    let fresh = format!("{fresh} {}", trace(&fresh, passphrase));
    let is_good = |kept: &str| kept.split_once(' ').is_some_and(|(token, of)| of == trace(token, passphrase));
    let kept = store.settle(KEY, is_good, &fresh)?;
    Ok(kept.split(' ').next().unwrap_or_default().to_owned())
}

/// Tells one passphrase from another without keeping it. It need not withstand an attack: whoever reads the file has
/// the token itself. Should another release of the standard library hash otherwise, the invitation is made anew.
fn trace(token: &str, passphrase: &str) -> String {
    let mut hasher = DefaultHasher::new();
    (token, passphrase).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Scratch;

    #[test]
    fn an_invitation_lasts_as_long_as_its_passphrase() {
        let scratch = Scratch::new("invite");
        let first = settle(&scratch.store, "open sesame").unwrap();
        assert!(csrf::is_token(&first), "{first}");
        assert_eq!(settle(&scratch.store, "open sesame").unwrap(), first);
        let other = settle(&scratch.store, "open barley").unwrap();
        assert_ne!(other, first);
        assert_ne!(
            settle(&scratch.store, "open sesame").unwrap(),
            first,
            "what was sent round is worth nothing"
        );
    }
}
