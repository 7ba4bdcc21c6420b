//! A WebDriver client: chromedriver as a child process, a window for each browser it opens.

use std::cell::Cell;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Raw, Request, exchange, within};

/// How long the browser may take for one command; starting it is one.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// How long a page may take to show what is waited for.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const ENTER: char = '\u{e007}';
pub const SHIFT: char = '\u{e008}';
/// Lets go of every key that is held.
pub const RELEASE: char = '\u{e000}';

pub struct Driver {
    child: Child,
    port: u16,
    /// The window that showed that there is a browser, until somebody asks for one.
    first: Cell<Option<Window>>,
}

impl Driver {
    /// `None`, with the reason printed, where there is no browser and none is demanded.
    pub fn start() -> Option<Driver> {
        match Driver::try_start() {
            Ok(driver) => Some(driver),
            Err(reason) if env::var("PARLOR_BROWSER_TESTS").is_ok_and(|value| value == "required") => {
                panic!("a browser is required: {reason}")
            }
            Err(reason) => {
                eprintln!("ignored: {reason}");
                None
            }
        }
    }

    fn try_start() -> Result<Driver, String> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("chromedriver cannot be run: {error}"))?;
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let port = port_in(&mut said);
        // Reads on, so that chromedriver never waits for a reader.
        thread::spawn(move || said.lines().for_each(drop));
        let port = port.ok_or("chromedriver did not say its port")?;
        let driver = Driver { child, port, first: Cell::new(None) };
        driver.first.set(Some(driver.try_open_window()?));
        Ok(driver)
    }

    pub fn open_window(&self) -> Window {
        self.first.take().unwrap_or_else(|| self.try_open_window().expect("a window opens"))
    }

    fn try_open_window(&self) -> Result<Window, String> {
        let options =
            json!({"args": ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]});
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let session = command(self.port, "POST", "/session", &capabilities)?;
        let id = session["sessionId"].as_str().ok_or("a session without an id")?;
        Ok(Window { port: self.port, path: format!("/session/{id}") })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        drop(self.first.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The port in `ChromeDriver was started successfully on port N.`
fn port_in(said: &mut impl BufRead) -> Option<u16> {
    let mut lines = said.lines().map_while(Result::ok);
    lines.find_map(|line| line.split("successfully on port ").nth(1)?.trim_end_matches('.').parse().ok())
}

/// Sends one command and gives its value, or what went wrong.
fn command(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
    let mut request = Request::new(method, path);
    if method == "POST" {
        request = request.body("application/json", body.to_string());
    }
    let address = ([127, 0, 0, 1], port).into();
    let answer = Raw::try_connect(address).and_then(|mut raw| exchange(&mut raw, &request, COMMAND_WITHIN));
    let answer = answer.map_err(|error| format!("{method} {path}: {error}"))?;
    let value = answer.json()["value"].take();
    if answer.status == 200 { Ok(value) } else { Err(format!("{}: {}", value["error"], value["message"])) }
}

/// One browser with its own cookies.
pub struct Window {
    port: u16,
    path: String,
}

impl Window {
    fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        command(self.port, method, &format!("{}{path}", self.path), body)
    }

    #[track_caller]
    fn command(&self, path: &str, body: &Value) -> Value {
        self.try_command("POST", path, body).unwrap_or_else(|error| panic!("{path} {body}: {error}"))
    }

    #[track_caller]
    pub fn open(&self, url: &str) {
        self.command("/url", &json!({"url": url}));
    }

    /// The value of a script, which says `return`.
    #[track_caller]
    pub fn run(&self, script: &str, args: &[&str]) -> Value {
        self.command("/execute/sync", &json!({"script": script, "args": args}))
    }

    /// Has the browser itself do something, by the Chrome DevTools Protocol.
    #[track_caller]
    pub fn tell_browser(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// The path of the page that is shown.
    #[track_caller]
    pub fn location(&self) -> String {
        self.run("return location.pathname", &[]).as_str().expect("a path").to_owned()
    }

    #[track_caller]
    pub fn type_into(&self, css: &str, keys: &str) {
        self.on_element(css, "/value", &json!({"text": keys}));
    }

    #[track_caller]
    pub fn click(&self, css: &str) {
        self.on_element(css, "/click", &json!({}));
    }

    /// Does something to the first element, once it is there and lets itself be used.
    #[track_caller]
    fn on_element(&self, css: &str, path: &str, body: &Value) {
        let mut reason = String::new();
        self.wait(&format!("{css} to be usable"), || {
            let found = self.try_command("POST", "/element", &json!({"using": "css selector", "value": css}));
            let done = found.and_then(|element| {
                let id = element[ELEMENT].as_str().ok_or("an element without an id")?;
                self.try_command("POST", &format!("/element/{id}{path}"), body)
            });
            done.map_err(|error| reason = error).ok()
        });
    }

    /// The text of the first such element as a reader sees it, or nothing when there is none.
    #[track_caller]
    pub fn text(&self, css: &str) -> String {
        let script = "return document.querySelector(arguments[0])?.innerText ?? ''";
        self.run(script, &[css]).as_str().expect("text is text").to_owned()
    }

    /// How often `text` stands in the element, read as plain text.
    #[track_caller]
    pub fn count(&self, css: &str, text: &str) -> u64 {
        let script =
            "return (document.querySelector(arguments[0])?.textContent ?? '').split(arguments[1]).length - 1";
        self.run(script, &[css, text]).as_u64().expect("a count is a number")
    }

    #[track_caller]
    pub fn wait_for_text(&self, css: &str, text: &str) {
        self.wait(&format!("{text:?} in {css}"), || self.text(css).contains(text).then_some(()));
    }

    pub fn wait<T>(&self, what: &str, fact: impl FnMut() -> Option<T>) -> T {
        within(SHOWN_WITHIN, what, fact)
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.try_command("DELETE", "", &Value::Null);
    }
}
