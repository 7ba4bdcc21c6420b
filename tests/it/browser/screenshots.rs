//! The pictures in the documents, taken of the real program. They are drawn into the target directory, or where
//! `PARLOR_SCREENSHOTS` says: `PARLOR_SCREENSHOTS=docs cargo test --test it screenshots -- --ignored`.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Launch, TempDir};

use super::{Driver, Person, Window};

/// Width and height in the page's own pixels, and whether it is a telephone.
const DESK: (u32, u32, bool) = (1280, 800, false);
const PHONE: (u32, u32, bool) = (390, 780, true);

/// A README is loaded by everybody; bytes of one picture.
const LARGEST: u64 = 150 * 1024;

#[test]
#[ignore = "draws pictures for the documents"]
fn screenshots_of_the_page() {
    let Some(driver) = Driver::start() else { return };
    let dir = TempDir::new();
    let db = dir.join("chat.db");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("chat.db.sample"), &db).expect("the sample is there");
    let server = Launch::new().db(&db).start();
    let _feste = server.sign_in("Feste").open_stream();
    let _matchmaker = server.sign_in("红娘").open_stream();
    let viola = Person::sign_in(&driver, &server, "Viola");
    viola.sees("Good morning!");
    viola.window.wait_for_text("#people", "红娘");
    viola.types("See you at eight");

    let directory = directory();
    for (name, (width, height, is_phone), scheme) in
        [("chat.png", DESK, "light"), ("chat-dark.png", DESK, "dark"), ("chat-phone.png", PHONE, "light")]
    {
        viola.window.look(width, height, is_phone, scheme);
        let picture = directory.join(name);
        fs::write(&picture, viola.window.picture()).expect("the picture can be written");
        let bytes = fs::metadata(&picture).expect("it was written").len();
        assert!((5_000..=LARGEST).contains(&bytes), "{name} has {bytes} bytes");
        println!("{}: {bytes} bytes", picture.display());
    }
}

fn directory() -> PathBuf {
    let chosen =
        env::var_os("PARLOR_SCREENSHOTS").map(|name| Path::new(env!("CARGO_MANIFEST_DIR")).join(name));
    let directory = chosen.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots"));
    fs::create_dir_all(&directory).expect("the directory can be made");
    directory
}

impl Window {
    /// Shows the page as a screen of this size does, in `light` or `dark`.
    #[track_caller]
    fn look(&self, width: u32, height: u32, is_phone: bool, scheme: &str) {
        let metrics = serde_json::json!({
            "width": width, "height": height, "deviceScaleFactor": if is_phone { 2 } else { 1 }, "mobile": is_phone,
        });
        self.tell_browser("Emulation.setDeviceMetricsOverride", &metrics);
        let media = serde_json::json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell_browser("Emulation.setEmulatedMedia", &media);
        self.wait("the screen to be that wide", || {
            let inner =
                self.run("return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]", &[]);
            (inner == serde_json::json!([width, scheme == "dark"])).then_some(())
        });
        let settled = "document.querySelector('[role=log]').scrollTop = 1e9; \
                       return new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.run(settled, &[]);
    }

    /// What it shows, as PNG.
    #[track_caller]
    fn picture(&self) -> Vec<u8> {
        let shot = self.tell_browser("Page.captureScreenshot", &serde_json::json!({"format": "png"}));
        from_base64(shot["data"].as_str().expect("a picture is base64"))
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(value).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let bits = group.iter().fold(0_u32, |bits, digit| bits << 6 | u32::from(*digit));
        let bits = bits << (6 * (4 - group.len()));
        bytes.extend_from_slice(&bits.to_be_bytes()[1..group.len()]);
    }
    bytes
}
