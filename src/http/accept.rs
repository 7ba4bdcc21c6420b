//! What a visitor would rather have: a page or JSON, lines or events, which language.

use std::cmp::Reverse;

/// Whether an HTML page is a better answer than JSON. A browser names HTML; a script names nothing, anything
/// (`*/*`) or JSON. Where both weigh the same, the one that is named more exactly is meant.
pub fn prefers_html(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    let html = weight(accept, "text/html", "text/*");
    html.0 > 0 && html > weight(accept, "application/json", "application/*")
}

/// Whether a stream is to be lines of plain text: somebody at a shell asked for just that.
pub fn wants_plain_text(accept: Option<&str>) -> bool {
    let Some(accept) = accept else { return false };
    let lists = |kind| range_weight(accept, kind).is_some_and(|weight| weight > 0);
    lists("text/plain") && !lists("text/event-stream") && !lists("text/html")
}

/// The language among those `offered` that an `Accept-Language` likes best: by weight, then by its own order;
/// `zh-CN` and `zh-Hans` are happy with `zh`, and `zh` with `zh-Hans`. None when none is acceptable.
pub fn best_language<'a>(accept_language: &str, offered: &[&'a str]) -> Option<&'a str> {
    let wishes = || weighed(accept_language).enumerate().map(|(n, (range, q))| (range, (q, Reverse(n))));
    let wish = |language: &str| {
        let named = wishes().filter(|(range, _)| is_kin(range, language)).map(|(_, wish)| wish).max();
        let any = || wishes().filter(|(range, _)| *range == "*").map(|(_, wish)| wish).max();
        named.or_else(any).filter(|(q, _)| *q > 0)
    };
    let ranked = offered.iter().enumerate().filter_map(|(n, its)| Some((wish(its)?, Reverse(n), *its)));
    ranked.max().map(|(_, _, language)| language)
}

/// The weight of a media type and how exactly it was named: itself, its family, or anything at all. The most
/// exact range decides, so that `text/html;q=0, */*` refuses HTML.
fn weight(accept: &str, kind: &str, family: &str) -> (u16, u8) {
    let exactly = [(kind, 2), (family, 1), ("*/*", 0)];
    exactly.iter().find_map(|(range, exact)| Some((range_weight(accept, range)?, *exact))).unwrap_or_default()
}

fn range_weight(accept: &str, range: &str) -> Option<u16> {
    weighed(accept).filter(|(its, _)| its.eq_ignore_ascii_case(range)).map(|(_, weight)| weight).max()
}

/// The items of a list like `a;q=0.5, b`, each with its weight in thousandths. One with a broken weight is
/// passed over.
fn weighed(header: &str) -> impl Iterator<Item = (&str, u16)> {
    header.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next().filter(|range| !range.is_empty())?;
        let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
        Some((range, q.map_or(Some(1000), thousandths)?))
    })
}

fn thousandths(q: &str) -> Option<u16> {
    let plain = !q.is_empty() && q.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value: f32 = plain.then(|| q.parse().ok())??;
    (value <= 1.0).then_some((value * 1000.0) as u16)
}

/// Whether one of two language tags is the other or begins with it, at a hyphen.
fn is_kin(one: &str, other: &str) -> bool {
    let mut tags = one.split('-').zip(other.split('-'));
    tags.all(|(one, other)| one.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_browser_gets_html_and_a_script_json() {
        for accept in [
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            "TEXT/HTML; charset=utf-8",
            "text/html, text/*;q=0.5, image/*, application/*",
            "application/json;q=0.9, text/html",
        ] {
            assert!(prefers_html(Some(accept)), "{accept}");
        }
        for accept in [
            "application/json, text/html;q=0.9",
            "application/json, text/html",
            "application/json, text/plain, */*",
            "*/*",
            "text/html;q=0, */*",
            "text/html;q=nan, */*;q=0.1",
            "text/htmlx",
            "",
        ] {
            assert!(!prefers_html(Some(accept)), "{accept}");
        }
        assert!(!prefers_html(None));
    }

    #[test]
    fn plain_text_is_for_those_who_ask_for_just_that() {
        assert!(["text/plain", "text/plain, */*;q=0.1"].iter().all(|accept| wants_plain_text(Some(accept))));
        for accept in
            ["text/plain;q=0", "text/plain, text/event-stream", "text/html, text/plain", "text/*", "*/*"]
        {
            assert!(!wants_plain_text(Some(accept)), "{accept}");
        }
        assert!(!wants_plain_text(None));
    }

    #[test]
    fn the_best_language_is_found_by_weight_and_kinship() {
        for (wishes, best) in [
            ("zh-CN,zh;q=0.9,en;q=0.8", Some("zh")),
            ("zh-Hans", Some("zh")),
            ("en-GB,en;q=0.9,zh;q=0.8", Some("en")),
            ("en;q=0.5, zh;q=0.7", Some("zh")),
            ("de, fr;q=0.9, zh;q=0.1", Some("zh")),
            ("*", Some("en")),
            ("en;q=0, *", Some("zh")),
            ("en;q=0.2, *;q=0.5", Some("zh")),
            ("zho, english", None),
            ("en;q=0", None),
            (";;,,q=1,=", None),
            ("", None),
        ] {
            assert_eq!(best_language(wishes, &["en", "zh"]), best, "{wishes}");
        }
        assert_eq!(best_language("zh", &["en", "zh-Hans"]), Some("zh-Hans"));
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "([*a-z/-]{0,9}|;q=|,|[0-9.]|\\PC){0,12}") {
            prefers_html(Some(&header));
            wants_plain_text(Some(&header));
            best_language(&header, &["en", "zh"]);
        }
    }
}
