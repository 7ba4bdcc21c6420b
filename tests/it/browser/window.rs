//! A window of a browser, as WebDriver speaks of it: what is done in it, and what it shows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::within;

use super::driver::command;

/// How long a page may take to show what is waited for.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);

/// The name under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub const ENTER: char = '\u{e007}';
pub const SHIFT: char = '\u{e008}';
pub const CONTROL: char = '\u{e009}';
pub const ESCAPE: char = '\u{e00c}';
pub const UP: char = '\u{e013}';
/// Lets go of every key that is held.
pub const RELEASE: char = '\u{e000}';

/// One of several tabs of a window.
pub struct Tab(Value);

/// One browser with its own cookies.
pub struct Window {
    port: u16,
    path: String,
}

impl Window {
    pub fn new(port: u16, session: &str) -> Window {
        Window { port, path: format!("/session/{session}") }
    }

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
        let deadline = Instant::now() + SHOWN_WITHIN;
        let act = || {
            let found = json!({"using": "css selector", "value": css});
            let element = self.try_command("POST", "/element", &found)?;
            let id = element[ELEMENT].as_str().ok_or("an element without an id")?;
            // chromedriver would do so itself, but loses its way in a log that is turned over.
            let scroll = "arguments[0].scrollIntoView({block: 'nearest'})";
            self.try_command("POST", "/execute/sync", &json!({"script": scroll, "args": [element]}))?;
            self.try_command("POST", &format!("/element/{id}{path}"), body)
        };
        while let Err(reason) = act() {
            assert!(Instant::now() < deadline, "{css} cannot be used: {reason}");
        }
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

    /// Waits until the first such element can be seen.
    #[track_caller]
    pub fn wait_shown(&self, css: &str) {
        self.wait(&format!("{css} to be seen"), || self.is_shown(css).then_some(()));
    }

    /// Waits until no such element can be seen, or there is none.
    #[track_caller]
    pub fn wait_hidden(&self, css: &str) {
        self.wait(&format!("{css} to be gone"), || (!self.is_shown(css)).then_some(()));
    }

    /// Waits until the page has so many such elements.
    #[track_caller]
    pub fn wait_for_elements(&self, css: &str, count: u64) {
        self.wait(&format!("{count} of {css}"), || (self.elements(css) == count).then_some(()));
    }

    /// Waits until the text stands nowhere in the element.
    #[track_caller]
    pub fn wait_without_text(&self, css: &str, text: &str) {
        self.wait(&format!("{css} without {text:?}"), || (self.count(css, text) == 0).then_some(()));
    }

    pub fn wait<T>(&self, what: &str, fact: impl FnMut() -> Option<T>) -> T {
        within(SHOWN_WITHIN, what, fact)
    }

    /// Has the browser itself do something, by the Chrome DevTools Protocol.
    #[track_caller]
    pub fn tell_browser(&self, command: &str, parameters: &Value) -> Value {
        self.command("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Shows the page as large as this, in CSS pixels.
    #[track_caller]
    pub fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false});
        self.tell_browser("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Makes it a phone: small, and touched instead of pointed at.
    #[track_caller]
    pub fn become_phone(&self) {
        let metrics = json!({"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": true});
        self.tell_browser("Emulation.setDeviceMetricsOverride", &metrics);
        self.tell_browser("Emulation.setTouchEmulationEnabled", &json!({"enabled": true}));
    }

    /// `light` or `dark`.
    #[track_caller]
    pub fn prefer(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.tell_browser("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Asks for pages in these languages, as `Accept-Language` has them.
    #[track_caller]
    pub fn speak(&self, languages: &str) {
        let agent = self.run("return navigator.userAgent", &[]);
        let agent = json!({"userAgent": agent, "acceptLanguage": languages});
        self.tell_browser("Emulation.setUserAgentOverride", &agent);
    }

    /// The pages' own scripts no longer run; a test's still do.
    #[track_caller]
    pub fn switch_scripts_off(&self) {
        self.tell_browser("Emulation.setScriptExecutionDisabled", &json!({"value": true}));
    }

    /// Runs a script in every page from now on, before the page's own.
    #[track_caller]
    pub fn run_first(&self, script: &str) {
        self.tell_browser("Page.addScriptToEvaluateOnNewDocument", &json!({"source": script}));
    }

    /// Puts the page out of sight, as another window in front of it does.
    #[track_caller]
    pub fn hide(&self) {
        self.command("/window/minimize", &json!({}));
        assert_eq!(self.run("return document.visibilityState", &[]), "hidden");
    }

    #[track_caller]
    pub fn show(&self) {
        self.command("/window/rect", &json!({"width": 1200, "height": 800}));
        self.wait("the page to be seen", || {
            (self.run("return document.visibilityState", &[]) == "visible").then_some(())
        });
    }

    /// Another tab, with the same cookies; commands go to it from now on.
    #[track_caller]
    pub fn open_tab(&self) -> Tab {
        let handle = self.command("/window/new", &json!({"type": "window"}))["handle"].take();
        let tab = Tab(handle);
        self.switch_to(&tab);
        tab
    }

    #[track_caller]
    pub fn switch_to(&self, tab: &Tab) {
        self.command("/window", &json!({"handle": tab.0}));
    }

    /// What a script's promise comes to.
    #[track_caller]
    pub fn run_to_end(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0]; (async () => {{ {script} }})().then(done, (e) => done(`${{e}}`))"
        );
        self.command("/execute/async", &json!({"script": script, "args": []}))
    }

    /// Types what no key stands for, as an input method or a paste does.
    #[track_caller]
    pub fn insert(&self, css: &str, text: &str) {
        self.run("document.querySelector(arguments[0]).focus()", &[css]);
        self.tell_browser("Input.insertText", &json!({"text": text}));
    }

    /// Whether a script's value comes to be `true`.
    #[track_caller]
    pub fn wait_until(&self, script: &str) {
        self.wait(script, || (self.run(&format!("return {script}"), &[]) == true).then_some(()));
    }

    /// Whether the first such element is there and can be seen.
    #[track_caller]
    pub fn is_shown(&self, css: &str) -> bool {
        self.run("return Boolean(document.querySelector(arguments[0])?.checkVisibility())", &[css]) == true
    }

    #[track_caller]
    pub fn wait_for_path(&self, path: &str) {
        self.wait(path, || (self.location() == path).then_some(()));
    }

    /// Empties a field and writes into it anew.
    #[track_caller]
    pub fn fill(&self, css: &str, keys: &str) {
        self.run("document.querySelector(arguments[0]).value = ''", &[css]);
        self.type_into(css, keys);
    }

    /// How many such elements the page has.
    #[track_caller]
    pub fn elements(&self, css: &str) -> u64 {
        let script = "return document.querySelectorAll(arguments[0]).length";
        self.run(script, &[css]).as_u64().expect("a count is a number")
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        let _ = self.try_command("DELETE", "", &Value::Null);
    }
}
