//! Cookies by hand: one value out of a `Cookie` header, and one `Set-Cookie` line.

use std::fmt;
use std::time::Duration;

/// The first well-formed value of the cookie `name` in a `Cookie` header. Whatever else stands there
/// (garbage, cookies of other programs on the same host, the same name again) is skipped.
pub fn get<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    header.split(';').find_map(|pair| {
        let (its_name, value) = pair.split_once('=')?;
        let value = unquoted(value.trim_matches([' ', '\t']));
        (its_name.trim_matches([' ', '\t']) == name && is_well_formed(value)).then_some(value)
    })
}

fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Whether each byte is a `cookie-octet` of RFC 6265: visible ASCII without `"`, `,`, `;` and `\`.
fn is_well_formed(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte))
}

/// The value of a `Set-Cookie` header, for the whole site and never sent along from another one's form.
/// Name and value are our own words or tokens: they must not need any escaping.
#[derive(Debug, Clone, Copy)]
pub struct SetCookie<'a> {
    pub name: &'a str,
    pub value: &'a str,
    /// How long the browser keeps it, in whole seconds; zero deletes it.
    pub max_age: Duration,
    /// Out of reach of scripts.
    pub http_only: bool,
    /// Sent over HTTPS only.
    pub secure: bool,
}

impl fmt::Display for SetCookie<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_assert!(is_well_formed(self.value), "a cookie's value needs no escaping");
        let SetCookie { name, value, max_age, .. } = self;
        write!(out, "{name}={value}; Path=/; SameSite=Lax; Max-Age={}", max_age.as_secs())?;
        if self.http_only {
            out.write_str("; HttpOnly")?;
        }
        if self.secure {
            out.write_str("; Secure")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const AN_HOUR: Duration = Duration::from_secs(3_600);

    #[test]
    fn the_first_well_formed_value_counts() {
        let cases: &[(&str, Option<&str>)] = &[
            ("sessionid=abc", Some("abc")),
            ("a=1; sessionid=abc; b=2", Some("abc")),
            ("  sessionid = abc  ", Some("abc")),
            ("sessionid=\"abc\"", Some("abc")),
            ("sessionid=a=b==", Some("a=b==")),
            ("sessionid=a b; sessionid=two", Some("two")),
            ("sessionid=a\\b; sessionid=\"; sessionid=\"x; sessionid=three", Some("three")),
            ("sessionid=", Some("")),
            (";;; =; =x; sessionid; {\"json\": 1}; sessionid=abc", Some("abc")),
            ("név=érték; sessionid=abc", Some("abc")),
            ("SESSIONID=abc", None),
            ("xsessionid=abc; sessionidx=abc", None),
            ("a=\"; sessionid=quoted\"", None),
            ("", None),
        ];
        for (header, value) in cases {
            assert_eq!(get(header, "sessionid"), *value, "{header}");
        }
    }

    #[test]
    fn a_cookie_is_set_with_the_flags_asked_for() {
        let bare = SetCookie { name: "a", value: "x1", max_age: AN_HOUR, http_only: false, secure: false };
        assert_eq!(bare.to_string(), "a=x1; Path=/; SameSite=Lax; Max-Age=3600");
        let full = SetCookie { max_age: Duration::ZERO, http_only: true, secure: true, ..bare };
        assert_eq!(full.to_string(), "a=x1; Path=/; SameSite=Lax; Max-Age=0; HttpOnly; Secure");
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header: String, name: String) {
            get(&header, &name);
        }

        #[test]
        fn what_is_set_comes_back(value in "[!#-+\\--:<-\\[\\]-~]{0,80}", before in "[^;]{0,40}") {
            let set = SetCookie { name: "sessionid", value: &value, max_age: AN_HOUR, http_only: true, secure: true };
            let set = set.to_string();
            let pair = set.split(';').next().unwrap();
            let header = format!("b={before}; {pair}");
            prop_assert_eq!(get(&header, "sessionid"), Some(&*value));
        }
    }
}
