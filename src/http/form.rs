//! The fields of a form or a query, whichever way they were encoded.

use percent_encoding::percent_decode;

use super::multipart::{self, MAX_FIELDS, NOT_UTF8, TOO_MANY};
use super::parameters::first_word;
use crate::error::{Error, Result};
use crate::i18n;

/// The body is in neither of the two encodings that browsers use for forms.
const NO_FORM: Error = Error::told(415, i18n::ERR_MEDIA_TYPE);

/// The fields of a POST, names and values decoded, in the order they were sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a whole body. No content type and no body is a form without fields.
    pub fn parse(content_type: Option<&str>, body: &[u8]) -> Result<Form> {
        let Some(content_type) = content_type else {
            return if body.is_empty() { Ok(Form::default()) } else { Err(NO_FORM) };
        };
        let media_type = first_word(content_type);
        if media_type.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return parse_urlencoded(body).map(Form);
        }
        if media_type.eq_ignore_ascii_case("multipart/form-data") {
            return multipart::parse(content_type, body).map(Form);
        }
        Err(NO_FORM)
    }

    /// The value of the first field of that name; a missing field counts as an empty one.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(its_name, _)| its_name == name).map_or("", |(_, value)| value)
    }
}

/// The fields of a URL's query, at most [`MAX_FIELDS`]. A link that somebody has mangled still leads somewhere:
/// what is not UTF-8 is replaced.
pub fn parse_query(query: &str) -> Vec<(String, String)> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    pairs(query.as_bytes()).take(MAX_FIELDS).map(|(name, value)| (text(name), text(value))).collect()
}

fn parse_urlencoded(body: &[u8]) -> Result<Vec<(String, String)>> {
    let mut fields = Vec::new();
    for (name, value) in pairs(body) {
        if fields.len() == MAX_FIELDS {
            return Err(TOO_MANY);
        }
        fields.push((text(name)?, text(value)?));
    }
    Ok(fields)
}

fn text(bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|_| NOT_UTF8)
}

/// The pairs of `name=value&name=value` as the WHATWG's URL standard reads them: no pair is malformed.
fn pairs(encoded: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    encoded.split(|&byte| byte == b'&').filter(|pair| !pair.is_empty()).map(|pair| {
        let mut halves = pair.splitn(2, |&byte| byte == b'=');
        (decoded(halves.next().unwrap_or_default()), decoded(halves.next().unwrap_or_default()))
    })
}

/// A plus is a space, `%41` is an `A`, and a broken escape stays as it is.
fn decoded(bytes: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = bytes.iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
    percent_decode(&spaced).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::collection::vec;
    use proptest::prelude::*;

    const URLENCODED: Option<&str> = Some("application/x-www-form-urlencoded");

    fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
        fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_urlencoded_form_is_read_as_browsers_write_it() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("username=Puck", &[("username", "Puck")]),
            ("a=1+2%203%2B&b=%E4%BD%A0%e5%a5%bd", &[("a", "1 2 3+"), ("b", "你好")]),
            ("a=100%&b=%zz%4&c=%%41", &[("a", "100%"), ("b", "%zz%4"), ("c", "%A")]),
            ("a=b=c&=x&lone&&&z=", &[("a", "b=c"), ("", "x"), ("lone", ""), ("z", "")]),
            ("a%3Db=1%26&a\0=\r\n", &[("a=b", "1&"), ("a\0", "\r\n")]),
            ("", &[]),
        ];
        for (body, fields) in cases {
            assert_eq!(Form::parse(URLENCODED, body.as_bytes()), Ok(Form(owned(fields))), "{body}");
            assert_eq!(parse_query(body), owned(fields), "{body}");
        }
    }

    #[test]
    fn the_first_field_of_a_name_wins_and_a_missing_one_is_empty() {
        let form = Form::parse(Some("Application/X-WWW-Form-URLencoded; charset=UTF-8"), b"a=1&a=2").unwrap();
        assert_eq!((form.get("a"), form.get("b")), ("1", ""));
        assert_eq!(Form::parse(None, b""), Ok(Form::default()));
    }

    #[test]
    fn what_is_no_form_of_ours_is_refused() {
        let broken = Error::told(400, i18n::ERR_FORM_BOUNDARY);
        let (most, more) = ("a&".repeat(MAX_FIELDS), "a&".repeat(MAX_FIELDS + 1));
        let cases: &[(Option<&str>, &[u8], Error)] = &[
            (None, b"a=1", NO_FORM),
            (Some("application/json"), b"{}", NO_FORM),
            (Some(""), b"", NO_FORM),
            (Some("multipart/form-data"), b"", broken),
            (URLENCODED, b"a=%ff", NOT_UTF8),
            (URLENCODED, b"\xed\xa0\x80=1", NOT_UTF8),
            (URLENCODED, more.as_bytes(), TOO_MANY),
        ];
        for (content_type, body, error) in cases {
            assert_eq!(Form::parse(*content_type, body).as_ref(), Err(error), "{content_type:?}");
        }
        assert!(Form::parse(URLENCODED, most.as_bytes()).is_ok());
        assert_eq!(parse_query("q=a%ffb"), owned(&[("q", "a\u{fffd}b")]));
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body: Vec<u8>, content_type: String) {
            let _ = Form::parse(Some(&content_type), &body);
            let _ = Form::parse(URLENCODED, &body);
            parse_query(&String::from_utf8_lossy(&body));
        }

        #[test]
        fn fields_survive_being_urlencoded(fields in vec((any::<String>(), any::<String>()), 0..8)) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let pairs: Vec<_> = fields.iter().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
            prop_assert_eq!(Form::parse(URLENCODED, pairs.join("&").as_bytes()), Ok(Form(fields)));
        }

        #[test]
        fn fields_survive_a_multipart_body(fields in vec(("[^%\\\\]*", any::<String>()), 0..8)) {
            let mut body = String::new();
            for (name, value) in &fields {
                let name = name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
                body += &format!("--4a9f-5\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            }
            body += "--4a9f-5--\r\n";
            let parsed = Form::parse(Some("multipart/form-data; boundary=4a9f-5"), body.as_bytes());
            prop_assert_eq!(parsed, Ok(Form(fields)));
        }
    }
}
