//! The templates and how their common values are filled in.

use crate::assets::url;
use crate::i18n::Language;
use crate::templates::{Template, Values};

macro_rules! views {
    ($($name:ident),* $(,)?) => {
        /// Every template, parsed once; its file has the same name.
        pub struct Views {
            $(pub $name: Template,)*
        }

        impl Views {
            pub fn new() -> Views {
                Views {
                    $($name: Template::parse(
                        concat!(stringify!($name), ".html"),
                        include_str!(concat!("../templates/", stringify!($name), ".html")),
                    ),)*
                }
            }
        }
    };
}

views! {
    lobby, chat, message, person, result, error,
    admin, admin_author, admin_authors, admin_block, admin_confirm, admin_figure, admin_figures, admin_message,
    admin_messages, admin_people, admin_person, admin_signin,
}

impl Views {
    /// A whole page of the chat called `title`, with the values that every page has.
    pub fn page(&self, template: &Template, title: &str, language: Language, values: Values<'_>) -> String {
        let is_chat = std::ptr::eq(template, &self.chat);
        let (css, js) = if is_chat { ("chat.css", "chat.js") } else { ("pages.css", "lobby.js") };
        let values = values
            .set("title", title)
            .set("lang", language.code())
            .set("next_lang", language.other().name())
            .set("css", url(css))
            .set("js", url(js));
        template.render(&values, language)
    }
}

/// Colours to tell authors apart by.
const HUES: u32 = 24;

/// An author's colour: FNV-1a over the name, as the page's script counts it too.
pub fn hue(name: &str) -> u32 {
    let hash = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    name.bytes().fold(0x811c_9dc5, hash) % HUES
}

/// Day and minute, for a page without scripts; with them, the reader's own clock is used.
pub fn readable_time(created_at: &str) -> String {
    created_at.get(..16).unwrap_or(created_at).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_that_the_script_computes() {
        // FNV-1a's published values: of "" 0x811c9dc5, of "a" 0xe40c292c, of "foobar" 0xbf9cf968.
        assert_eq!(hue(""), 0x811c_9dc5 % HUES);
        assert_eq!(hue("a"), 0xe40c_292c % HUES);
        assert_eq!(hue("foobar"), 0xbf9c_f968 % HUES);
    }

    #[test]
    fn a_time_made_by_hand_is_shown_as_it_is() {
        assert_eq!(readable_time("2026-01-02T03:04:05.678Z"), "2026-01-02 03:04");
        assert_eq!(readable_time("昨天"), "昨天");
    }
}
