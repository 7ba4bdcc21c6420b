//! A header's value with parameters: `form-data; name="a name"; x=y`.

/// What stands before the first semicolon.
pub fn first_word(header: &str) -> &str {
    header.split(';').next().unwrap_or_default().trim()
}

/// The value of one of the `parameters`, its name in any case; the first wins.
pub fn parameter<'a>(parameters: &'a [(&str, String)], name: &str) -> Option<&'a str> {
    parameters.iter().find(|(its_name, _)| its_name.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
}

/// What follows the first semicolon: `name=token; name="quoted string"`. None when it is malformed.
pub fn parameters(header: &str) -> Option<Vec<(&str, String)>> {
    let mut rest = header.split_once(';').map_or("", |(_, rest)| rest).trim();
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (name, after) = rest.split_once('=')?;
        let (value, after) = match after.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => {
                let (token, after) = after.split_at(after.find(';').unwrap_or(after.len()));
                (token.trim_end().to_owned(), after)
            }
        };
        found.push((name.trim_end(), value));
        rest = after.trim_start();
        if !rest.is_empty() {
            rest = rest.strip_prefix(';')?.trim_start();
        }
    }
    Some(found)
}

/// The string up to its closing quote, and what follows that. Browsers leave a backslash as it is, others
/// escape with it: so it escapes only a quote and itself.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut rest = text;
    loop {
        let special = rest.find(['"', '\\'])?;
        value.push_str(&rest[..special]);
        let after = &rest[special + 1..];
        if rest[special..].starts_with('"') {
            return Some((value, after));
        }
        let escaped = after.starts_with(['"', '\\']);
        value.push_str(if escaped { &after[..1] } else { "\\" });
        rest = &after[usize::from(escaped)..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn a(header: &str) -> Option<String> {
        parameter(&parameters(header)?, "a").map(str::to_owned)
    }

    #[test]
    fn parameters_are_tokens_or_quoted_strings() {
        for (header, value) in [
            ("x; a=1", Some("1")),
            ("x;A=1;a=2", Some("1")),
            ("x ; b=\"; a=no\" ; a = \"1;2\" ; ", None),
            ("x ; b=\"; a=no\" ; a =\"1;2\" ; ", Some("1;2")),
            (r#"x; a="\"\\\n""#, Some("\"\\\\n")),
            ("x; a=\"1", None),
            ("x; a=\"1\"2", None),
            ("x; lone; a=1", None),
            ("x; a=", Some("")),
            ("a=1", None),
            ("", None),
        ] {
            assert_eq!(a(header).as_deref(), value, "{header}");
        }
        assert_eq!(first_word(" form-data ; a=1"), "form-data");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in "([;=\"\\\\ ax]|\\PC){0,40}") {
            first_word(&header);
            let _ = parameters(&header);
        }

        #[test]
        fn any_value_survives_being_quoted(value: String) {
            let quoted = value.replace('\\', "\\\\").replace('"', "\\\"");
            prop_assert_eq!(a(&format!("x; b=\"1\"; a=\"{quoted}\"; c=2")), Some(value));
        }
    }
}
