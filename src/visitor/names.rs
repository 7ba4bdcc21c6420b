//! The names people go by: which are fit to be shown, and made-up ones for those who have none.

use rand::seq::IndexedRandom;

use crate::error::{Error, Result};
use crate::i18n;

/// Longest name, in characters (Unicode scalar values).
const LONGEST: usize = 500;

/// The name as it is kept: without the white space around it.
///
/// # Errors
/// 400 with the reason when it is not fit to be shown.
pub fn check(raw: &str) -> Result<String> {
    let name = raw.trim();
    let error = if name.is_empty() {
        i18n::ERR_NAME_EMPTY
    } else if name.chars().nth(LONGEST).is_some() {
        i18n::ERR_NAME_TOO_LONG
    } else if name.chars().any(is_forbidden) {
        i18n::ERR_NAME_CHARACTERS
    } else {
        return Ok(name.to_owned());
    };
    Err(Error::told(400, error))
}

/// Whether two names could look alike, or a line could be bent, by this character: controls, line separators,
/// bidi controls, and what Unicode calls default-ignorable. That takes in the zero-width joiner, and with it
/// emoji that are glued together (an astronaut is a person and a rocket). Variation selectors stay: a red heart
/// needs one, and so do some Japanese names.
fn is_forbidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}' | '\u{180e}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{e0fff}')
}

/// A made-up name that is not `taken`: somebody in Shakespeare and four hexadecimal digits, as `Benvolio-4f2a`.
pub fn invent(taken: impl Fn(&str) -> bool) -> String {
    let cast: Vec<&str> = CAST.split_whitespace().collect();
    loop {
        let character = cast.choose(&mut rand::rng()).expect("the cast is not empty");
        let name = format!("{character}-{:04x}", rand::random::<u16>());
        if !taken(&name) {
            return name;
        }
    }
}

/// The first of `Puck-2`, `Puck-3` … that is not `taken`; a name without room for the number is cut.
pub fn variant(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let numbered = |number: u64| {
        let number = format!("-{number}");
        let kept: String = name.chars().take(LONGEST - number.len()).collect();
        kept + &number
    };
    (2..).map(numbered).find(|name| !taken(name)).expect("some number is free")
}

/// Those who lend a name to a visitor without one.
const CAST: &str = "\
    Achilles Adam Adriana Aegeon Aemilia Agamemnon Agrippa Aguecheek Ajax Albany Alcibiades Alonso Amiens \
    Andromache Angelo Antigonus Antipholus Antonio Apemantus Arcite Ariel Armado Arviragus Autolycus \
    Balthasar Banquo Baptista Bardolph Bassanio Beatrice Belarius Belch Benedick Benvolio Berowne Bertram \
    Bianca Biondello Borachio Bottom Brabantio Brutus Caliban Calpurnia Camillo Capulet Casca Cassandra \
    Cassio Cassius Celia Ceres Charmian Cicero Claudio Cleopatra Cloten Cobweb Cordelia Corin Coriolanus \
    Cornelius Costard Cressida Cymbeline Demetrius Desdemona Diana Diomedes Dogberry Donalbain Dromio Duncan \
    Edgar Egeus Emilia Enobarbus Eros Escalus Fabian Falstaff Fenton Ferdinand Feste Flavius Fleance \
    Florizel Fluellen Flute Fortinbras Francisco Friar-Laurence Gertrude Goneril Gonzalo Gower Gratiano \
    Gremio Grumio Guiderius Guildenstern Hamlet Hector Hecuba Helena Helicanus Hermia Hermione Hero \
    Hippolyta Holofernes Horatio Hortensio Hotspur Iachimo Imogen Iras Iris Isabella Jaquenetta Jaques \
    Jessica Julia Juliet Juno Laertes Lance Launcelot Lear Lennox Leonato Leontes Lepidus Longaville Lorenzo \
    Luciana Lucio Lucius Lysander Macduff Malcolm Malvolio Mamillius Marcellus Margaret Maria Mariana Marina \
    Menelaus Menenius Mercutio Miranda Montague Moth Mustardseed Nerissa Nestor Nym Oberon Octavia Octavius \
    Olivia Ophelia Orlando Orsino Osric Oswald Palamon Pandarus Paris Parolles Paulina Peaseblossom Perdita \
    Pericles Peter-Quince Petruchio Phebe Pinch Pisanio Pistol Poins Polixenes Polonius Portia Posthumus \
    Prospero Proteus Puck Quickly Regan Reynaldo Robin-Goodfellow Roderigo Romeo Rosalind Rosaline \
    Rosencrantz Ross Sebastian Shallow Silence Silvia Silvius Slender Snout Snug Speed Starveling Thaisa \
    Thersites Theseus Thisbe Timon Titania Touchstone Tranio Trinculo Troilus Tybalt Ulysses Ursula \
    Valentine Ventidius Verges Vincentio Viola Virgilia Volumnia William Yorick";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn a_name_is_trimmed_and_kept() {
        for (raw, name) in [
            ("\t Robin  Goodfellow\r\n", "Robin  Goodfellow"),
            ("\u{3000}小帕克\u{a0}", "小帕克"),
            ("I ❤\u{fe0f} 葛\u{e0100}城", "I ❤\u{fe0f} 葛\u{e0100}城"),
            (&format!(" {} ", "é".repeat(500)), &"é".repeat(500)),
        ] {
            assert_eq!(check(raw).as_deref(), Ok(name));
        }
    }

    #[test]
    fn a_name_that_would_mislead_is_refused() {
        let refused = |raw: &str, text| assert_eq!(check(raw), Err(Error::told(400, text)), "{raw:?}");
        refused(" \t\r\n\u{3000}\u{2028}", i18n::ERR_NAME_EMPTY);
        refused(&"é".repeat(501), i18n::ERR_NAME_TOO_LONG);
        let forbidden = "\0\t\n\u{1b}\u{7f}\u{85}\u{ad}\u{61c}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2028}\
                         \u{2029}\u{202a}\u{202e}\u{2060}\u{2066}\u{2069}\u{3164}\u{feff}\u{fffb}\u{e0041}";
        for character in forbidden.chars() {
            refused(&format!("Pu{character}ck"), i18n::ERR_NAME_CHARACTERS);
        }
        refused("\u{200b}", i18n::ERR_NAME_CHARACTERS);
    }

    #[test]
    fn everybody_in_the_cast_is_there_once_and_has_a_fit_name() {
        let cast: Vec<&str> = CAST.split_whitespace().collect();
        assert!(cast.len() >= 200, "{}", cast.len());
        assert_eq!(cast.iter().collect::<HashSet<_>>().len(), cast.len());
        assert!(cast.iter().all(|name| check(name).as_deref() == Ok(name)));
    }

    #[test]
    fn a_made_up_name_is_never_one_in_use() {
        let name = invent(|name| !name.ends_with('7'));
        let (character, suffix) = name.rsplit_once('-').unwrap();
        assert!(CAST.contains(character) && suffix.len() == 4 && suffix.ends_with('7'), "{name}");
        assert!(suffix.chars().all(|digit| digit.is_ascii_hexdigit()), "{name}");
        assert_eq!(variant("Puck", |_| false), "Puck-2");
        assert_eq!(variant("Puck", |name| ["Puck-2", "Puck-3"].contains(&name)), "Puck-4");
        assert_eq!(variant(&"é".repeat(500), |name| name.ends_with("-2")), "é".repeat(498) + "-3");
    }

    proptest! {
        #[test]
        fn what_passes_passes_again_unchanged(raw: String) {
            if let Ok(name) = check(&raw) {
                prop_assert!(check(&variant(&name, |_| false)).is_ok());
                prop_assert_eq!(check(&name), Ok(name));
            }
        }
    }
}
