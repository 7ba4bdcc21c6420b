//! JSON written straight into a buffer, with its keys in the order the protocol names them.

/// Appends `text` as a JSON string.
pub fn push_string(out: &mut Vec<u8>, text: &str) {
    serde_json::to_writer(out, text).expect("a vector takes all that is written to it");
}

/// Appends a number; quicker than formatting it.
pub fn push_number(out: &mut Vec<u8>, number: i64) {
    serde_json::to_writer(out, &number).expect("a vector takes all that is written to it");
}

/// `text` as a JSON string.
pub fn string(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}
