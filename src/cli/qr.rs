//! A QR code in a terminal: half blocks, two modules in each character.

use qrcodegen::{QrCode, QrCodeEcc};

/// The light border that a scanner needs, in modules.
const BORDER: i32 = 4;

/// The link as lines of text; none when it is too long for a QR code. Light modules are drawn and dark ones are left
/// out, as terminals are mostly dark; with `colours` the terminal is told to be.
pub fn draw(link: &str, colours: bool) -> Option<String> {
    let code = QrCode::encode_text(link, QrCodeEcc::Low).ok()?;
    let is_light = |x, y| !code.get_module(x, y); // beyond its edge everything is light
    let (before, after) = if colours { ("\x1b[40;97m", "\x1b[0m\n") } else { ("", "\n") };
    let mut text = String::new();
    for y in (-BORDER..code.size() + BORDER).step_by(2) {
        text.push_str(before);
        for x in -BORDER..code.size() + BORDER {
            text.push(match (is_light(x, y), is_light(x, y + 1)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str(after);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the text as a camera would read its picture.
    fn scan(text: &str) -> String {
        let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
        let side = rows[0].len();
        let is_dark = |x: usize, y: usize| {
            let light = if y.is_multiple_of(2) { "█▀" } else { "█▄" };
            rows.get(y / 2).is_some_and(|row| !light.contains(row[x]))
        };
        // Eight pixels for each module, as far as a detector needs them.
        let mut picture = rqrr::PreparedImage::prepare_from_greyscale(side * 8, side * 8, |x, y| {
            if is_dark(x / 8, y / 8) { 0 } else { 255 }
        });
        let grids = picture.detect_grids();
        assert_eq!(grids.len(), 1, "one code is seen");
        grids[0].decode().unwrap().1
    }

    #[test]
    fn what_is_drawn_fits_a_terminal_and_can_be_scanned() {
        let longest = "http://192.168.100.205:8000/lobby/?invite=k3Jx90aBcDeFgHiJkLmNoPqRsTuVwXyZ";
        for link in ["http://192.168.1.5:8000/", "http://[2001:db8::7]:80/", longest] {
            let text = draw(link, false).unwrap();
            assert!(text.lines().count() < 24);
            assert_eq!(scan(&text), link);
        }
        let coloured = draw(longest, true).unwrap();
        assert!(coloured.lines().all(|line| line.starts_with("\x1b[40;97m") && line.ends_with("\x1b[0m")));
        assert_eq!(draw(&"x".repeat(3_000), false), None);
    }
}
