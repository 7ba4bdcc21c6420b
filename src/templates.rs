//! The embedded pages: parsed once, then filled in by appending.
//!
//! `{{ name }}` is a value and `{{ t.key }}` a text in the visitor's language, both escaped;
//! `{{{ name }}}` goes in as it is: only for HTML out of another template, or JSON in which `<` is escaped.
//! `{{? name }} … {{/ name }}` is shown when the value is there and not empty, `{{! name }} … {{/ name }}`
//! when it is not.

use std::borrow::Cow;

use crate::i18n::{self, Language, Text};

/// One page, or a piece that is repeated in a page.
#[derive(Debug)]
pub struct Template {
    name: &'static str,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
enum Piece {
    Html(&'static str),
    Value(&'static str),
    RawValue(&'static str),
    Text(Text),
    /// The pieces are shown when the value is there, or when it is not.
    Section(&'static str, bool, Vec<Piece>),
}

/// What a template is filled in with.
#[derive(Debug, Default)]
pub struct Values<'a>(Vec<(&'static str, Cow<'a, str>)>);

impl<'a> Values<'a> {
    pub fn new() -> Values<'a> {
        Values::default()
    }

    /// The same values with one more. A name that was there is now this value.
    pub fn set(mut self, name: &'static str, value: impl Into<Cow<'a, str>>) -> Self {
        self.0.push((name, value.into()));
        self
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(its_name, _)| *its_name == name).map(|(_, value)| &**value)
    }
}

impl Template {
    /// Reads an embedded template; `name` is its file, for messages.
    ///
    /// # Panics
    /// When it is malformed, naming file and line: it was embedded, so a test that parses it finds that out.
    pub fn parse(name: &'static str, source: &'static str) -> Template {
        let mut parser = Parser { name, source, at: 0 };
        Template { name, pieces: parser.pieces(None) }
    }

    /// The page. A value that is missing renders as nothing; where assertions are on (in tests) it panics.
    pub fn render(&self, values: &Values<'_>, language: Language) -> String {
        let mut out = String::new();
        self.append(&mut out, &self.pieces, values, language);
        out
    }

    fn append(&self, out: &mut String, pieces: &[Piece], values: &Values<'_>, language: Language) {
        for piece in pieces {
            match piece {
                Piece::Html(html) => out.push_str(html),
                Piece::Value(name) => escape(out, self.value(values, name)),
                Piece::RawValue(name) => out.push_str(self.value(values, name)),
                Piece::Text(text) => escape(out, text.in_(language)),
                Piece::Section(name, wanted, pieces) => {
                    let is_there = values.get(name).is_some_and(|value| !value.is_empty());
                    if is_there == *wanted {
                        self.append(out, pieces, values, language);
                    }
                }
            }
        }
    }

    fn value<'v>(&self, values: &'v Values<'_>, name: &str) -> &'v str {
        let value = values.get(name);
        debug_assert!(value.is_some(), "{}: no value is set for {{{{ {name} }}}}", self.name);
        value.unwrap_or_default()
    }
}

/// Reads a source from front to back; `at` is how far it has got, in bytes.
struct Parser {
    name: &'static str,
    source: &'static str,
    at: usize,
}

impl Parser {
    /// The pieces up to the end of `section`, or of the source.
    fn pieces(&mut self, section: Option<&str>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        while let Some(html) = self.take_until("{{") {
            if !html.is_empty() {
                pieces.push(Piece::Html(html));
            }
            let tag = self.tag();
            if let Some(name) = tag.strip_prefix('/') {
                let name = self.word(name);
                if section != Some(name) {
                    self.refuse(&format!("{{{{/ {name} }}}} closes nothing"));
                }
                return pieces;
            }
            pieces.push(self.piece(tag));
        }
        if let Some(section) = section {
            self.refuse(&format!("the section {section} is not closed"));
        }
        pieces.push(Piece::Html(&self.source[self.at..]));
        pieces
    }

    fn piece(&mut self, tag: &'static str) -> Piece {
        if let Some(raw) = tag.strip_prefix('{') {
            return Piece::RawValue(self.word(raw));
        }
        if let Some(section) = tag.strip_prefix(['?', '!']) {
            let name = self.word(section);
            return Piece::Section(name, tag.starts_with('?'), self.pieces(Some(name)));
        }
        match tag.trim_start().strip_prefix("t.") {
            Some(key) => Piece::Text(self.text(self.word(key))),
            None => Piece::Value(self.word(tag)),
        }
    }

    fn text(&self, key: &str) -> Text {
        i18n::named(key).unwrap_or_else(|| self.refuse(&format!("no text is called {key}")))
    }

    /// What stands between the braces that were just opened and those that close them.
    fn tag(&mut self) -> &'static str {
        let raw = self.source[self.at..].starts_with('{');
        let end = if raw { "}}}" } else { "}}" };
        self.take_until(end).unwrap_or_else(|| self.refuse("a tag is not closed"))
    }

    fn word(&self, tag: &'static str) -> &'static str {
        let word = tag.trim();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if word.is_empty() || !word.bytes().all(plain) {
            self.refuse(&format!("{{{{{tag}}}}} is no tag"));
        }
        word
    }

    /// What comes before `mark`, which is passed over.
    fn take_until(&mut self, mark: &str) -> Option<&'static str> {
        let before = self.source[self.at..].split_once(mark)?.0;
        self.at += before.len() + mark.len();
        Some(before)
    }

    fn refuse(&self, complaint: &str) -> ! {
        let line = 1 + self.source[..self.at].matches('\n').count();
        panic!("{}, line {line}: {complaint}", self.name);
    }
}

/// Appends `text` so that it is text in HTML too, inside a quoted attribute as well as outside.
fn escape(out: &mut String, text: &str) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'')) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'&' => "&amp;",
            b'<' => "&lt;",
            b'>' => "&gt;",
            b'"' => "&quot;",
            _ => "&#39;",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rendered(source: &'static str, values: &Values<'_>) -> String {
        Template::parse("page.html", source).render(values, Language::Chinese)
    }

    #[test]
    fn values_and_texts_are_filled_in_and_escaped() {
        let values = Values::new().set("name", "<b>\"it's\" & you</b>").set("n", 7.to_string());
        for (source, page) in [
            ("", ""),
            ("no tags } {", "no tags } {"),
            ("a {{ n }}{{n}} b", "a 77 b"),
            ("{{ name }}", "&lt;b&gt;&quot;it&#39;s&quot; &amp; you&lt;/b&gt;"),
            ("{{{ name }}}", "<b>\"it's\" & you</b>"),
            ("<p>{{ t.send }}</p>", "<p>发送</p>"),
        ] {
            assert_eq!(rendered(source, &values), page, "{source}");
        }
        assert_eq!(rendered("{{ n }}", &values.set("n", "8")), "8");
    }

    #[test]
    fn sections_are_shown_by_whether_a_value_is_there() {
        let values = Values::new().set("yes", "1").set("empty", "");
        for (source, page) in [
            ("a{{? yes }}b{{ yes }}{{/ yes }}c", "ab1c"),
            ("a{{! yes }}b{{/ yes }}c", "ac"),
            ("a{{? empty }}b{{ missing }}{{/ empty }}{{! missing }}c{{/ missing }}", "ac"),
            ("{{?yes}}a{{!no}}b{{?yes}}c{{/yes}}d{{/no}}e{{/yes}}", "abcde"),
            ("{{!yes}}{{?yes}}a{{/yes}}b{{/yes}}", ""),
        ] {
            assert_eq!(rendered(source, &values), page, "{source}");
        }
    }

    #[test]
    fn a_mistake_in_a_template_is_named_with_file_and_line() {
        for (source, complaint) in [
            ("a\n{{ name", "page.html, line 2: a tag is not closed"),
            ("{{{ name }}", "page.html, line 1: a tag is not closed"),
            ("{{ }}", "page.html, line 1: {{ }} is no tag"),
            ("{{ a.b }}", "page.html, line 1: {{ a.b }} is no tag"),
            ("{{ t.nonsense }}", "page.html, line 1: no text is called nonsense"),
            ("{{? a }}\n{{/ b }}", "page.html, line 2: {{/ b }} closes nothing"),
            ("{{/ b }}", "page.html, line 1: {{/ b }} closes nothing"),
            ("{{? a }}", "page.html, line 1: the section a is not closed"),
            ("<p>{{ missing }}", "page.html: no value is set for {{ missing }}"),
        ] {
            let panic = std::panic::catch_unwind(|| rendered(source, &Values::new())).unwrap_err();
            assert_eq!(panic.downcast_ref::<String>().unwrap(), complaint);
        }
    }

    proptest! {
        #[test]
        fn no_value_gets_out_of_its_place(value in "([<>&\"']|\\PC){0,40}") {
            let page = rendered("{{ value }}", &Values::new().set("value", &*value));
            prop_assert!(!page.contains(['<', '>', '"', '\'']));
            let back = page.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"");
            prop_assert_eq!(back.replace("&#39;", "'").replace("&amp;", "&"), value);
        }
    }
}
