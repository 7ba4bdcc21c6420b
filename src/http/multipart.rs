//! `multipart/form-data` by hand (RFC 7578 over RFC 2046): text fields only, a file is refused.

use super::parameters::{first_word, parameter, parameters};
use crate::error::{Error, Result};
use crate::i18n;

/// More fields than any of our forms has, few enough that no form is worth attacking with.
pub const MAX_FIELDS: usize = 100;

/// Longest boundary, in characters (RFC 2046).
const MAX_BOUNDARY: usize = 70;

/// A name or a value is not UTF-8, or announces that it is something else.
pub const NOT_UTF8: Error = Error::told(400, i18n::ERR_FORM_UTF8);
/// There are more than [`MAX_FIELDS`].
pub const TOO_MANY: Error = Error::told(400, i18n::ERR_FORM);
/// A part has no readable head, or no name.
const BAD_PART: Error = Error::told(400, i18n::ERR_FORM);
/// The boundary is missing or not allowed, or the body does not keep to it.
const BAD_BOUNDARY: Error = Error::told(400, i18n::ERR_FORM_BOUNDARY);
/// A file was sent where text is due.
const A_FILE: Error = Error::told(400, i18n::ERR_FORM_FILE);

/// The fields of a form, in their order; `content_type` is the header that names the boundary. Line ends
/// inside a value stay as they came. Takes time in proportion to the body, whatever is in it.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>> {
    let mark = format!("\r\n--{}", boundary(content_type).ok_or(BAD_BOUNDARY)?);
    let mark = mark.as_bytes();
    // The first delimiter may open the body, and then lacks the line end that belongs to all the others.
    let mut delimiter =
        delimiter_at(body, 0, &mark[2..]).or_else(|| next_delimiter(body, 0, mark)).ok_or(BAD_BOUNDARY)?;
    let mut fields = Vec::new();
    while !delimiter.closes {
        let next = next_delimiter(body, delimiter.end, mark).ok_or(BAD_BOUNDARY)?;
        if fields.len() == MAX_FIELDS {
            return Err(TOO_MANY);
        }
        fields.push(field(&body[delimiter.end..next.start])?);
        delimiter = next;
    }
    Ok(fields)
}

/// The `boundary` of a content type, when it is there and allowed.
fn boundary(content_type: &str) -> Option<String> {
    let boundary = parameter(&parameters(content_type)?, "boundary")?.to_owned();
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    let fits = (1..=MAX_BOUNDARY).contains(&boundary.len()) && !boundary.ends_with(' ');
    (fits && boundary.bytes().all(allowed)).then_some(boundary)
}

/// A line that ends a part, with the line end before it.
struct Delimiter {
    start: usize,
    end: usize,
    /// No part follows.
    closes: bool,
}

/// The next delimiter from `at` on. Only a carriage return starts one and none is inside, so that a near
/// miss is never read twice.
fn next_delimiter(body: &[u8], mut at: usize, mark: &[u8]) -> Option<Delimiter> {
    loop {
        at += body[at..].iter().position(|&byte| byte == b'\r')?;
        if let Some(delimiter) = delimiter_at(body, at, mark) {
            return Some(delimiter);
        }
        at += 1;
    }
}

/// The delimiter that starts just here. A line that goes on in another way only begins like one: it is content.
fn delimiter_at(body: &[u8], start: usize, mark: &[u8]) -> Option<Delimiter> {
    let after = body[start..].strip_prefix(mark)?;
    let (closes, padding) = after.strip_prefix(b"--").map_or((false, after), |padding| (true, padding));
    let line_end = &padding[padding.iter().take_while(|byte| b" \t".contains(byte)).count()..];
    let rest = line_end.strip_prefix(b"\r\n").or((closes && line_end.is_empty()).then_some(line_end))?;
    Some(Delimiter { start, end: body.len() - rest.len(), closes })
}

/// Name and value of one part.
fn field(part: &[u8]) -> Result<(String, String)> {
    let (head, content) = match part.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        // A part may end after its head; then it is empty.
        None => (part.strip_suffix(b"\r\n").ok_or(BAD_PART)?, &[][..]),
    };
    let head = std::str::from_utf8(head).map_err(|_| NOT_UTF8)?;
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':').ok_or(BAD_PART)?;
        match &*header.to_ascii_lowercase() {
            "content-disposition" => name = Some(name_of(value)?),
            "content-type" if !is_utf8(value) => return Err(NOT_UTF8),
            // Deprecated by RFC 7578. What does not encode is welcome; Base64 stored as text helps nobody.
            "content-transfer-encoding" if !is_identity(value) => return Err(NOT_UTF8),
            _ => {}
        }
    }
    let content = std::str::from_utf8(content).map_err(|_| NOT_UTF8)?;
    Ok((name.ok_or(BAD_PART)?, content.to_owned()))
}

/// The field's name in a `Content-Disposition`. Browsers escape three characters by percent, and only those.
fn name_of(disposition: &str) -> Result<String> {
    let parameters = parameters(disposition).ok_or(BAD_PART)?;
    if !first_word(disposition).eq_ignore_ascii_case("form-data") {
        return Err(BAD_PART);
    }
    if parameter(&parameters, "filename").or(parameter(&parameters, "filename*")).is_some() {
        return Err(A_FILE);
    }
    let name = parameter(&parameters, "name").ok_or(BAD_PART)?;
    Ok(name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// Whether a part's content type says UTF-8 (of which ASCII is a part) or leaves it open.
fn is_utf8(content_type: &str) -> bool {
    let Some(parameters) = parameters(content_type) else { return false };
    let named = parameter(&parameters, "charset").unwrap_or("utf-8").to_ascii_lowercase();
    matches!(&*named, "utf-8" | "utf8" | "us-ascii")
}

fn is_identity(transfer_encoding: &str) -> bool {
    ["7bit", "8bit", "binary"].iter().any(|kind| first_word(transfer_encoding).eq_ignore_ascii_case(kind))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TYPE: &str = "multipart/form-data; boundary=XX";

    fn one(head: &str) -> Result<Vec<(String, String)>> {
        parse(TYPE, format!("--XX\r\n{head}\r\n\r\nhi\r\n--XX--\r\n").as_bytes())
    }

    fn fields(body: &str) -> Result<Vec<(String, String)>> {
        parse(TYPE, body.replace('\n', "\r\n").as_bytes())
    }

    #[test]
    fn a_form_as_browsers_send_it_is_read() {
        let part = |name: &str, value: &str| {
            format!("--XX\nContent-Disposition: form-data; name=\"{name}\"\n\n{value}\n")
        };
        let body = part("content", "a\n\nb --XX\n--XXX\n--XX-\n--") + &part("empty", "") + "--XX--\n";
        let read = vec![
            ("content".to_owned(), "a\r\n\r\nb --XX\r\n--XXX\r\n--XX-\r\n--".to_owned()),
            ("empty".to_owned(), String::new()),
        ];
        assert_eq!(fields(&body), Ok(read.clone()));
        assert_eq!(fields(&format!("preamble\n--XXX\n{body}epilogue\n--XX\n")), Ok(read.clone()));
        assert_eq!(fields(&body.replace("--XX\nC", "--XX \t\nC")), Ok(read));
        assert_eq!(fields("--XX--"), Ok(vec![]));
        assert_eq!(fields("--XX\nContent-Disposition: form-data; name=a\n\n--XX--").unwrap()[0].1, "");
    }

    #[test]
    fn names_are_read_with_every_escape_in_use() {
        for (head, name) in [
            (r#"Content-Disposition: form-data; name="a""#, "a"),
            ("content-DISPOSITION:form-data ;NAME=a ; x=y", "a"),
            (r#"Content-Disposition: form-data; name="\"\\\n%22%0D%0A%41""#, "\"\\\\n\"\r\n%41"),
            ("X-Other: 1\r\nContent-Disposition: form-data; name=\"é\"\r\nContent-Type: text/plain", "é"),
            ("Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=\"UTF-8\"", "a"),
            ("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: 8BIT", "a"),
        ] {
            assert_eq!(one(head), Ok(vec![(name.to_owned(), "hi".to_owned())]), "{head}");
        }
    }

    #[test]
    fn a_part_that_cannot_be_a_text_field_is_refused() {
        for (head, why) in [
            ("Content-Disposition: form-data; name=a; filename=\"\"", A_FILE),
            ("Content-Disposition: form-data; name=a; filename*=UTF-8''x", A_FILE),
            ("Content-Disposition: form-data", BAD_PART),
            ("Content-Disposition: attachment; name=a", BAD_PART),
            ("Content-Disposition: form-data; name=\"a", BAD_PART),
            ("Content-Type: text/plain", BAD_PART),
            ("no colon", BAD_PART),
            ("", BAD_PART),
            ("Content-Disposition: form-data; name=a\r\nContent-Type: a/b; charset=big5", NOT_UTF8),
            ("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64", NOT_UTF8),
        ] {
            assert_eq!(one(head), Err(why), "{head}");
        }
        let latin1 = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\xe9\r\n--XX--";
        assert_eq!(parse(TYPE, latin1), Err(NOT_UTF8));
        let part = "--XX\nContent-Disposition: form-data; name=a\n\n\n";
        assert_eq!(fields(&(part.repeat(100) + "--XX--")).unwrap().len(), 100);
        assert_eq!(fields(&(part.repeat(101) + "--XX--")), Err(TOO_MANY));
    }

    #[test]
    fn a_broken_boundary_is_refused() {
        let part = "--XX\nContent-Disposition: form-data; name=a\n\nhi\n";
        for end in ["", "--XX", "--XX-\n", "--YY--"] {
            assert_eq!(fields(&format!("{part}{end}")), Err(BAD_BOUNDARY), "{end}");
        }
        assert_eq!(fields("hi"), Err(BAD_BOUNDARY));
        let longest = "a".repeat(MAX_BOUNDARY);
        for good in
            ["boundary=a", "charset=utf-8;BOUNDARY=\"a b'()+_,-./:=?\";", &format!("boundary={longest}")]
        {
            assert!(boundary(&format!("multipart/form-data; {good}")).is_some(), "{good}");
        }
        for bad in
            ["boundary=\"a \"", "boundary=\"\"", "boundary=a\"b", "boundary=é", "x=\"; boundary=a\"", ""]
        {
            assert!(boundary(&format!("multipart/form-data; {bad}")).is_none(), "{bad}");
        }
        assert!(boundary(&format!("multipart/form-data; boundary={longest}a")).is_none());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(before: Vec<u8>, mark in "[\r\n-]{0,4}(XX)?[ \r\n-]{0,4}", after: Vec<u8>) {
            let body = [&before[..], mark.as_bytes(), &after, mark.as_bytes()].concat();
            let _ = parse(TYPE, &body);
            let _ = parse(&String::from_utf8_lossy(&before), &after);
        }
    }
}
