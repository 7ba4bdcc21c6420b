//! chromedriver as a child process, and the browsers it opens: a window each.

use std::cell::Cell;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Raw, Request, exchange};

use super::Window;

/// How long the browser may take for one command; starting it is one.
const COMMAND_WITHIN: Duration = Duration::from_secs(60);

/// No screen, and nothing that a container lacks.
const ARGUMENTS: [&str; 5] =
    ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--window-size=1200,800"];

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
        // The free port that chromedriver finds may be another's by the time it binds it.
        Driver::launch().or_else(|_| Driver::launch()).or_else(|_| Driver::launch())
    }

    fn launch() -> Result<Driver, String> {
        let mut command = Command::new("chromedriver");
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("chromedriver cannot be run: {error}"))?;
        let mut said = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut driver = Driver { child, port: 0, first: Cell::new(None) };
        driver.port = port_in(&mut said).ok_or("chromedriver did not say its port")?;
        // Reads on, so that chromedriver never waits for a reader.
        thread::spawn(move || said.lines().for_each(drop));
        driver.first.set(Some(driver.try_open_window()?));
        Ok(driver)
    }

    pub fn open_window(&self) -> Window {
        self.first.take().unwrap_or_else(|| self.try_open_window().expect("a window opens"))
    }

    fn try_open_window(&self) -> Result<Window, String> {
        let options = json!({"args": ARGUMENTS});
        let capabilities = json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": options}}});
        let session = command(self.port, "POST", "/session", &capabilities)?;
        let id = session["sessionId"].as_str().ok_or("a session without an id")?;
        Ok(Window::new(self.port, id))
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
pub fn command(port: u16, method: &str, path: &str, body: &Value) -> Result<Value, String> {
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
