//! `multipart/form-data` by hand (RFC 7578 over RFC 2046): text fields only, a file is refused.

use std::fmt;

use super::parameters::{first_word, parameter, parameters};

/// More fields than any of our forms has, few enough that no form is worth attacking with.
pub const MAX_FIELDS: usize = 100;

/// Longest boundary, in characters (RFC 2046).
const MAX_BOUNDARY: usize = 70;

/// Why a form, in either encoding, was not understood; it prints as a sentence for the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormError {
    /// The body is in neither of the two encodings that browsers use for forms.
    MediaType,
    /// A name or a value is not UTF-8, or announces that it is something else.
    Encoding,
    /// The boundary is missing or not allowed, or the body does not keep to it.
    Boundary,
    /// A part has no readable head, or no name.
    Part,
    /// A file was sent where text is due.
    File,
    /// There are more than [`MAX_FIELDS`].
    TooManyFields,
}

impl fmt::Display for FormError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            FormError::MediaType => {
                "send the form as application/x-www-form-urlencoded or as multipart/form-data"
            }
            FormError::Encoding => "the form is not in UTF-8: send names and values as plain UTF-8 text",
            FormError::Boundary => "the multipart form is broken: its body does not keep to its boundary",
            FormError::Part => {
                "the multipart form is broken: each part needs a Content-Disposition with a name"
            }
            FormError::File => "send text: files are not taken here",
            FormError::TooManyFields => {
                return write!(out, "the form has too many fields: send at most {MAX_FIELDS}");
            }
        })
    }
}

/// The fields of a form, in their order; `content_type` is the header that names the boundary. Line ends
/// inside a value stay as they came. Takes time in proportion to the body, whatever is in it.
pub fn parse(content_type: &str, body: &[u8]) -> Result<Vec<(String, String)>, FormError> {
    let mark = format!("\r\n--{}", boundary(content_type).ok_or(FormError::Boundary)?);
    let mark = mark.as_bytes();
    // The first delimiter may open the body, and then lacks the line end that belongs to all the others.
    let mut delimiter = delimiter_at(body, 0, &mark[2..])
        .or_else(|| next_delimiter(body, 0, mark))
        .ok_or(FormError::Boundary)?;
    let mut fields = Vec::new();
    while !delimiter.closes {
        let next = next_delimiter(body, delimiter.end, mark).ok_or(FormError::Boundary)?;
        if fields.len() == MAX_FIELDS {
            return Err(FormError::TooManyFields);
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
fn field(part: &[u8]) -> Result<(String, String), FormError> {
    let (head, content) = match part.windows(4).position(|four| four == b"\r\n\r\n") {
        Some(at) => (&part[..at], &part[at + 4..]),
        // A part may end after its head; then it is empty.
        None => (part.strip_suffix(b"\r\n").ok_or(FormError::Part)?, &[][..]),
    };
    let head = std::str::from_utf8(head).map_err(|_| FormError::Encoding)?;
    let mut name = None;
    for line in head.split("\r\n") {
        let (header, value) = line.split_once(':').ok_or(FormError::Part)?;
        match &*header.to_ascii_lowercase() {
            "content-disposition" => name = Some(name_of(value)?),
            "content-type" if !is_utf8(value) => return Err(FormError::Encoding),
            // Deprecated by RFC 7578. What does not encode is welcome; Base64 stored as text helps nobody.
            "content-transfer-encoding" if !is_identity(value) => return Err(FormError::Encoding),
            _ => {}
        }
    }
    let content = std::str::from_utf8(content).map_err(|_| FormError::Encoding)?;
    Ok((name.ok_or(FormError::Part)?, content.to_owned()))
}

/// The field's name in a `Content-Disposition`. Browsers escape three characters by percent, and only those.
fn name_of(disposition: &str) -> Result<String, FormError> {
    let parameters = parameters(disposition).ok_or(FormError::Part)?;
    if !first_word(disposition).eq_ignore_ascii_case("form-data") {
        return Err(FormError::Part);
    }
    if parameter(&parameters, "filename").or(parameter(&parameters, "filename*")).is_some() {
        return Err(FormError::File);
    }
    let name = parameter(&parameters, "name").ok_or(FormError::Part)?;
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

    fn one(head: &str) -> Result<Vec<(String, String)>, FormError> {
        parse(TYPE, format!("--XX\r\n{head}\r\n\r\nhi\r\n--XX--\r\n").as_bytes())
    }

    fn fields(body: &str) -> Result<Vec<(String, String)>, FormError> {
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
            ("Content-Disposition: form-data; name=a; filename=\"\"", FormError::File),
            ("Content-Disposition: form-data; name=a; filename*=UTF-8''x", FormError::File),
            ("Content-Disposition: form-data", FormError::Part),
            ("Content-Disposition: attachment; name=a", FormError::Part),
            ("Content-Disposition: form-data; name=\"a", FormError::Part),
            ("Content-Type: text/plain", FormError::Part),
            ("no colon", FormError::Part),
            ("", FormError::Part),
            (
                "Content-Disposition: form-data; name=a\r\nContent-Type: text/plain; charset=big5",
                FormError::Encoding,
            ),
            (
                "Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64",
                FormError::Encoding,
            ),
        ] {
            assert_eq!(one(head), Err(why), "{head}");
        }
        let latin1 = b"--XX\r\nContent-Disposition: form-data; name=a\r\n\r\n\xe9\r\n--XX--";
        assert_eq!(parse(TYPE, latin1), Err(FormError::Encoding));
        let part = "--XX\nContent-Disposition: form-data; name=a\n\n\n";
        assert_eq!(fields(&(part.repeat(100) + "--XX--")).unwrap().len(), 100);
        assert_eq!(fields(&(part.repeat(101) + "--XX--")), Err(FormError::TooManyFields));
    }

    #[test]
    fn a_broken_boundary_is_refused() {
        let part = "--XX\nContent-Disposition: form-data; name=a\n\nhi\n";
        for body in
            ["", "hi", part, &format!("{part}--XX"), &format!("{part}--XX-\n"), &format!("{part}--YY--")]
        {
            assert_eq!(fields(body), Err(FormError::Boundary), "{body}");
        }
        for (parameters, good) in [
            ("; boundary=a", true),
            (";charset=utf-8;BOUNDARY=\"a b'()+_,-./:=?\";", true),
            (&format!("; boundary={}", "a".repeat(70)), true),
            (&format!("; boundary={}", "a".repeat(71)), false),
            ("; boundary=\"a \"", false),
            ("; boundary=\"\"", false),
            ("; boundary=a\"b", false),
            ("; boundary=é", false),
            ("; x=\"; boundary=a\"", false),
            ("", false),
        ] {
            assert_eq!(boundary(&format!("multipart/form-data{parameters}")).is_some(), good, "{parameters}");
        }
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
