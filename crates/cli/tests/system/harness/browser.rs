//! A real Chromium without a window, driven over `WebDriver`, and everything it said and asked for.
//!
//! The protocol is JSON over HTTP, which the tests' own client speaks: see
//! `docs/decisions/0302-chromium-is-driven-by-hand.md`.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Connection, request};
use super::{Server, new_command, skip, wait_for};

/// Longest time for anything on the page that needs no program to run.
const SHOWN_MAX: Duration = Duration::from_secs(10);

/// The keys of `WebDriver` that tests press.
pub(crate) mod key {
    pub(crate) const BACKSPACE: char = '\u{e003}';
    pub(crate) const TAB: char = '\u{e004}';
    pub(crate) const ENTER: char = '\u{e007}';
    pub(crate) const SHIFT: char = '\u{e008}';
    pub(crate) const CONTROL: char = '\u{e009}';
    pub(crate) const ESCAPE: char = '\u{e00c}';
    pub(crate) const SPACE: char = ' ';
}

/// The checker of accessibility rules.
const AXE: &str = include_str!("../axe/axe.min.js");

/// A browser with a profile of its own, at one server's page.
#[derive(Debug)]
pub(crate) struct Browser {
    driver: Child,
    address: SocketAddr,
    session: String,
    origin: String,
    /// Where it keeps its profile, and nothing else knows of.
    _folder: TempDir,
    /// What it said for itself, by the log it was in.
    heard: Vec<Value>,
    asked: Vec<String>,
}

impl Browser {
    /// Opens a browser for a test, or skips the test by name where there is none.
    #[track_caller]
    pub(crate) fn open(test: &str, server: &Server) -> Option<Self> {
        let lacks = |program: &str| {
            let version = new_command(program).arg("--version").output();
            version.is_err().then(|| program.to_owned())
        };
        if let Some(program) = lacks("chromedriver").or_else(|| lacks("chromium")) {
            skip(
                test,
                &format!("there is no {program} (Debian: chromium, chromium-driver)"),
            );
            return None;
        }
        let folder = tempfile::tempdir().expect("the folder for temporary files can be written");
        let mut command = new_command("chromedriver");
        // No number of our choice: the machine may have given it to anybody.
        command.arg("--port=0").env("TMPDIR", folder.path());
        let mut driver = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it told its version");
        let said = driver.stdout.take().expect("it is piped");
        let port = BufReader::new(said)
            .lines()
            .map_while(Result::ok)
            .find_map(|line| {
                let (_, rest) = line.split_once("started successfully on port ")?;
                rest.trim_end_matches('.').parse::<u16>().ok()
            });
        let mut browser = Self {
            driver,
            address: SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_default())),
            session: String::new(),
            origin: format!("http://{}", server.address),
            _folder: folder,
            heard: Vec::new(),
            asked: Vec::new(),
        };
        assert!(port.is_some(), "chromedriver did not start");
        browser.begin();
        Some(browser)
    }

    #[track_caller]
    fn begin(&mut self) {
        // Root has no sandbox in Chromium, and containers little shared memory.
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--window-size=1280,900",
        ];
        let downloads = self._folder.path().join("downloads");
        let options = json!({
            "args": arguments,
            "prefs": {
                "download.default_directory": downloads,
                "profile.content_settings.exceptions.clipboard": {"*": {"setting": 1}},
            },
        });
        let wanted = json!({
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
        });
        let made = self.command(
            "POST",
            "/session",
            &json!({"capabilities": {"alwaysMatch": wanted}}),
        );
        let id = made.get("sessionId").and_then(Value::as_str);
        self.session = format!("/session/{}", id.expect("a session has an id"));
        self.size(1280, 900);
    }

    /// One command of `WebDriver`; panics with what it answers if it fails.
    #[track_caller]
    fn command(&self, method: &str, path: &str, body: &Value) -> Value {
        match self.try_command(method, path, body) {
            Ok(value) => value,
            Err(trouble) => panic!("{method} {path}: {trouble}"),
        }
    }

    fn try_command(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let body = if method == "POST" {
            body.to_string()
        } else {
            String::new()
        };
        let json = [
            ("Content-Type", "application/json"),
            ("Connection", "close"),
        ];
        let bytes = request(method, path, &json, body.as_bytes());
        let asked = Connection::open(self.address).and_then(|mut driver| driver.ask(&bytes));
        let answer = asked.map_err(|error| error.to_string())?;
        let value: Value =
            serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
        let value = value.get("value").cloned().unwrap_or_default();
        if answer.status == 200 {
            Ok(value)
        } else {
            Err(value.to_string())
        }
    }

    /// The same, of this session.
    #[track_caller]
    fn here(&self, method: &str, path: &str, body: &Value) -> Value {
        self.command(method, &[&self.session, path].concat(), body)
    }

    /// A command of the browser's own protocol for its tools.
    #[track_caller]
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        let body = json!({"cmd": command, "params": parameters});
        self.here("POST", "/goog/cdp/execute", &body)
    }

    /// Makes the page this large. CSS pixels.
    #[track_caller]
    pub(crate) fn size(&self, width: u32, height: u32) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Goes to the page, with a fragment or none, anew; returns when the server has told its limits.
    #[track_caller]
    pub(crate) fn visit(&mut self, fragment: &str) {
        // Another fragment alone would not load it again.
        self.here("POST", "/url", &json!({"url": "about:blank"}));
        let url = [&self.origin, "/", fragment].concat();
        self.here("POST", "/url", &json!({"url": url}));
        self.wait(
            "the limits",
            "return document.getElementById('version').textContent !== ''",
        );
    }

    /// Goes to another path of the server's.
    #[track_caller]
    pub(crate) fn go(&self, path: &str) {
        let url = [&self.origin, path].concat();
        self.here("POST", "/url", &json!({"url": url}));
    }

    /// Runs a script in the page, as a function's body, and tells what it returns.
    #[track_caller]
    pub(crate) fn script(&self, body: &str, arguments: &[Value]) -> Value {
        let body = json!({"script": body, "args": arguments});
        self.here("POST", "/execute/sync", &body)
    }

    /// The same, whose last argument is called with what it tells.
    #[track_caller]
    pub(crate) fn script_async(&self, body: &str, arguments: &[Value]) -> Value {
        let body = json!({"script": body, "args": arguments});
        self.here("POST", "/execute/async", &body)
    }

    /// The same as [`Self::script`], which returns text.
    #[track_caller]
    pub(crate) fn tells(&self, body: &str) -> String {
        match self.script(body, &[]) {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    /// Waits until a script returns true.
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, body: &str) {
        let start = std::time::Instant::now();
        while self.script(body, &[]) != Value::Bool(true) {
            if start.elapsed() > SHOWN_MAX {
                let page = self.tells("return document.body.innerText");
                panic!("waited in vain for {what}; the page:\n{page}");
            }
            std::thread::sleep(super::LOOK_EVERY);
        }
    }

    /// What an element of the page shows.
    #[track_caller]
    pub(crate) fn text(&self, selector: &str) -> String {
        let body = "return document.querySelector(arguments[0])?.innerText ?? 'nothing is there'";
        let text = self.script(body, &[json!(selector)]);
        text.as_str().unwrap_or_default().to_owned()
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let body = json!({"using": "css selector", "value": selector});
        let found = self.here("POST", "/element", &body);
        let id = found.as_object().and_then(|object| object.values().next());
        id.and_then(Value::as_str)
            .expect("an element has an id")
            .to_owned()
    }

    /// Clicks as a mouse does: what lies below something else is not clicked.
    #[track_caller]
    pub(crate) fn click(&self, selector: &str) {
        let path = format!("/element/{}/click", self.element(selector));
        self.here("POST", &path, &json!({}));
    }

    /// Gives files to a field that takes them, as the browser's dialog does.
    #[track_caller]
    pub(crate) fn choose_files(&self, selector: &str, paths: &[&str]) {
        let path = format!("/element/{}/value", self.element(selector));
        self.here("POST", &path, &json!({"text": paths.join("\n")}));
    }

    /// Presses the keys of a text, one after the other, wherever the focus is.
    #[track_caller]
    pub(crate) fn keys(&self, text: &str) {
        let strokes = text.chars().flat_map(|key| {
            ["keyDown", "keyUp"].map(|what| json!({"type": what, "value": key.to_string()}))
        });
        self.act(&strokes.collect::<Vec<_>>());
    }

    /// Presses a key while another one is held.
    #[track_caller]
    pub(crate) fn chord(&self, held: char, key: char) {
        let stroke = |what: &str, key: char| json!({"type": what, "value": key.to_string()});
        self.act(&[
            stroke("keyDown", held),
            stroke("keyDown", key),
            stroke("keyUp", key),
            stroke("keyUp", held),
        ]);
    }

    #[track_caller]
    fn act(&self, strokes: &[Value]) {
        let keyboard = json!({"type": "key", "id": "keyboard", "actions": strokes});
        self.here("POST", "/actions", &json!({"actions": [keyboard]}));
    }

    /// What axe-core finds wrong with the page as it is now, a line each.
    #[track_caller]
    pub(crate) fn accessibility_troubles(&self) -> Vec<String> {
        let there = self.script("return typeof axe !== 'undefined'", &[]);
        if there != Value::Bool(true) {
            self.devtools("Runtime.evaluate", &json!({"expression": AXE}));
        }
        let body = "const done = arguments[0]; \
            axe.run(document, {resultTypes: ['violations']}).then(({violations}) => done(violations \
            .flatMap(({id, help, nodes}) => nodes.map(({target}) => `${id}: ${help}: ${target}`))))";
        let found = self.script_async(body, &[]);
        let lines = found.as_array().expect("a list of lines").iter();
        lines
            .map(|line| line.as_str().unwrap_or("?").to_owned())
            .collect()
    }

    /// What is in view, as a PNG.
    #[track_caller]
    pub(crate) fn picture(&self) -> Vec<u8> {
        let text = self.here("GET", "/screenshot", &json!({}));
        let text = text.as_str().expect("a picture is a text");
        api::base64::decode(text, 16 << 20).expect("it is Base64")
    }

    /// Waits until the downloads are there, and tells their bytes.
    #[track_caller]
    pub(crate) fn downloaded(&self, name: &str) -> Vec<u8> {
        let path = self._folder.path().join("downloads").join(name);
        wait_for("the download", SHOWN_MAX, || std::fs::read(&path).ok())
    }

    /// Fetches what the browser has said and asked for since the last time.
    #[track_caller]
    fn listen(&mut self) {
        let entries = |log: Value| log.as_array().cloned().unwrap_or_default();
        let said = self.here("POST", "/se/log", &json!({"type": "browser"}));
        self.heard.extend(entries(said));
        let events = self.here("POST", "/se/log", &json!({"type": "performance"}));
        for event in entries(events) {
            let message = event
                .get("message")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let message: Value = serde_json::from_str(message).unwrap_or_default();
            let text = |pointer| message.pointer(pointer).and_then(Value::as_str);
            if text("/message/method") == Some("Network.requestWillBeSent")
                && let Some(url) = text("/message/params/request/url")
            {
                self.asked.push(url.to_owned());
            }
        }
    }

    /// Ends the browser; sees that it said nothing was wrong and asked nobody but the server.
    ///
    /// Chromium writes a line for every answer of 400 and more, which no page can keep it from.
    #[track_caller]
    pub(crate) fn close(mut self) {
        self.listen();
        let execute = [&self.origin, "/execute - Failed to load resource"].concat();
        let refused = |entry: &Value| {
            let text = |name| entry.get(name).and_then(Value::as_str).unwrap_or_default();
            text("source") == "network" && text("message").starts_with(&execute)
        };
        let troubles: Vec<_> = self.heard.iter().filter(|entry| !refused(entry)).collect();
        assert!(troubles.is_empty(), "the browser said: {troubles:?}");
        let own = |url: &&String| {
            let rest = url.strip_prefix(&self.origin);
            rest.is_some_and(|rest| rest.starts_with('/'))
                || ["blob:", "data:", "about:"]
                    .iter()
                    .any(|scheme| url.starts_with(scheme))
        };
        let strange: Vec<_> = self.asked.iter().filter(|url| !own(url)).collect();
        assert!(strange.is_empty(), "the page asked for {strange:?}");
        let script = [&self.origin, "/page/page.js"].concat();
        assert!(self.asked.contains(&script), "what it asks for is seen");
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if !self.session.is_empty() {
            drop(self.try_command("DELETE", &self.session, &json!({})));
        }
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A command for a snippet: it asks the server itself, whatever proxy the machine has.
pub(crate) fn snippet_command(program: &str) -> Command {
    let mut command = new_command(program);
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    command.stdin(Stdio::null());
    command
}
