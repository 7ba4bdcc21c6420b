//! The embedded style sheets and scripts, and where a page finds them.

use std::sync::LazyLock;

/// A file as a browser asks for it.
pub struct File {
    name: &'static str,
    pub content_type: &'static str,
    /// Sent one after the other: a browser has six connections for all its tabs, and one request is enough.
    parts: &'static [&'static str],
}

impl File {
    /// The file as it is sent. A script's comments and indentation are for those who read the source; without them the
    /// chat page stays small.
    pub fn content(&self) -> String {
        let whole = self.parts.concat();
        if self.content_type != JS {
            return whole;
        }
        let lines = whole.lines().map(str::trim_start);
        let code = lines.filter(|line| !line.is_empty() && !line.starts_with("//"));
        code.flat_map(|line| [line, "\n"]).collect()
    }
}

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! file {
    ($name:literal, $content_type:expr, $($part:literal),+) => {
        File {
            name: $name,
            content_type: $content_type,
            parts: &[$(include_str!(concat!("../templates/", $part))),+],
        }
    };
}

const FILES: &[File] = &[
    file!("chat.css", CSS, "base.css", "chat.css"),
    file!("pages.css", CSS, "base.css", "pages.css"),
    file!("lobby.js", JS, "lobby.js"),
    file!(
        "chat.js",
        JS,
        "chat/text.js",
        "chat/log.js",
        "chat/people.js",
        "chat/unread.js",
        "chat/compose.js",
        "chat/connection.js",
        "chat/search.js",
        "chat/main.js"
    ),
    file!("favicon.svg", SVG, "favicon.svg"),
    file!("favicon-unread.svg", SVG, "favicon-unread.svg"),
];

/// Stands in the path of every file: it changes when any of them does.
pub static EDITION: LazyLock<String> = LazyLock::new(|| {
    let parts = FILES.iter().flat_map(|file| file.parts).flat_map(|part| part.bytes());
    // FNV-1a with 64 bits: it need not withstand anyone, only tell editions apart.
    let hash = parts.fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
});

/// Where a page finds the file of this name, for as long as it stays the same.
pub fn url(name: &str) -> String {
    format!("/static/{}/{name}", *EDITION)
}

/// The file that a path below `/static/` names, and whether it names this edition of it.
pub fn find(path: &str) -> Option<(&'static File, bool)> {
    let of_edition = path.strip_prefix(EDITION.as_str()).and_then(|rest| rest.strip_prefix('/'));
    let name = of_edition.unwrap_or(path);
    Some((FILES.iter().find(|file| file.name == name)?, of_edition.is_some()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a chat page without messages, its style sheet and its script together.
    const HEAVIEST: usize = 40 * 1024;

    fn content(name: &str) -> String {
        FILES.iter().find(|file| file.name == name).unwrap().content()
    }

    #[test]
    fn the_chat_page_is_light() {
        let html =
            include_str!("../templates/chat.html").len() + include_str!("../templates/message.html").len();
        for language in [crate::i18n::Language::English, crate::i18n::Language::Chinese] {
            let html = html + crate::i18n::scripts_json(language).len();
            let (css, js) = (content("chat.css").len(), content("chat.js").len());
            assert!(html + css + js < HEAVIEST, "HTML {html}, CSS {css}, JavaScript {js}");
        }
    }

    #[test]
    fn a_scripts_comments_stay_at_home() {
        let script = content("chat.js");
        assert!(!script.lines().any(|line| line.starts_with("//")));
        assert!(script.contains("function connect() {"));
        // A text over several lines would lose its indentation.
        assert!(script.lines().all(|line| line.matches('`').count() % 2 == 0 || line.contains("/```")));
    }
}
