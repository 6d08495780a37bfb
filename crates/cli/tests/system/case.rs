//! A case: a program, what goes with it, and what must come of it. `tests/cases/README.md` is the format.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

/// One file of `tests/cases`.
#[derive(Debug)]
pub(crate) struct Case {
    /// Folder and file without its ending, for instance `hostile/fork_bomb`.
    pub(crate) name: String,
    /// The whole file.
    pub(crate) code: String,
    pub(crate) public: bool,
    pub(crate) stdin: Option<String>,
    pub(crate) attachments: Vec<(String, String)>,
    pub(crate) returned: Vec<String>,
    /// Other settings than the default.
    pub(crate) limits: Vec<(String, String)>,
    pub(crate) needs: Vec<String>,
    /// The tiers it is for; all where none is named.
    pub(crate) tiers: Vec<String>,
    /// The oldest Python that it is for, major and minor.
    pub(crate) python: Option<(u32, u32)>,
    pub(crate) runs: usize,
    /// Whether each run must print something else.
    pub(crate) distinct: bool,
    expected: Expected,
    /// What is expected instead on a tier that differs.
    elsewhere: Vec<(String, Expected)>,
}

/// What must come of a case.
#[derive(Debug, Default)]
struct Expected {
    within: Option<Duration>,
    endings: Vec<String>,
    limits_hit: Vec<String>,
    wants: Vec<Want>,
}

/// Where all cases are.
fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases")
}

/// What came of one run.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    pub(crate) ending: String,
    /// The limit that the answer names, or `none`.
    pub(crate) limit_hit: String,
    /// Whether the host counts the processes of a run, so that it knows of a refused one.
    pub(crate) counts_processes: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// By name; a text if it came, an error if it did not.
    pub(crate) files: Vec<(String, Result<String, String>)>,
}

/// One thing that must hold.
#[derive(Debug)]
enum Want {
    Stream(Stream, Content),
    Bytes(Stream, usize),
    File(String, Content),
    FileTrouble(String),
}

#[derive(Debug, Clone, Copy)]
enum Stream {
    Out,
    Err,
}

#[derive(Debug)]
enum Content {
    Is(String),
    Matches(Regex),
    MatchesNowhere(Regex),
}

impl Case {
    /// Every case of a folder, in the order of their names.
    pub(crate) fn all(folder: &str) -> Vec<Self> {
        let entries = fs::read_dir(cases().join(folder)).expect("the folder of cases is there");
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.expect("it can be read").path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "py"))
            .collect();
        paths.sort();
        paths
            .iter()
            .map(|path| {
                let stem = path.file_stem().expect("a file has a name");
                let name = format!("{folder}/{}", stem.to_string_lossy());
                let code = fs::read_to_string(path).expect("a case is UTF-8");
                Self::read(&name, &code)
                    .unwrap_or_else(|error| panic!("{name} is not a case: {error}"))
            })
            .collect()
    }

    /// The file of the case with this name.
    pub(crate) fn file(name: &str) -> PathBuf {
        cases().join(format!("{name}.py"))
    }

    fn read(name: &str, code: &str) -> Result<Self, String> {
        let mut case = Self {
            name: name.to_owned(),
            code: code.to_owned(),
            public: false,
            stdin: None,
            attachments: Vec::new(),
            returned: Vec::new(),
            limits: Vec::new(),
            needs: Vec::new(),
            tiers: Vec::new(),
            python: None,
            runs: 1,
            distinct: false,
            expected: Expected::default(),
            elsewhere: Vec::new(),
        };
        if !code.starts_with("# ") {
            return Err("its first line is no sentence".to_owned());
        }
        let said: Vec<&str> = code
            .trim_end()
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .map_while(|line| line.strip_prefix("# "))
            .collect();
        for line in said.iter().rev() {
            case.hear(line)?;
        }
        let mut all = case.elsewhere.iter().map(|(_, expected)| expected);
        if all.any(|e| e.endings.is_empty()) || case.expected.endings.is_empty() {
            return Err("it expects no ending".to_owned());
        }
        Ok(case)
    }

    /// Takes one line of the comments at the end.
    fn hear(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = line.split_once(": ").ok_or_else(|| unknown(line))?;
        let (word, name) = word.split_once(' ').unwrap_or((word, ""));
        match (word, name) {
            ("role", "") => {
                self.public = match rest {
                    "public" => true,
                    "admin" => false,
                    _ => return Err(unknown(line)),
                }
            }
            ("stdin", "") => {
                let (text, after) = leading_text(rest)?;
                let times = match after.trim().strip_prefix("* ") {
                    Some(times) => times.parse().map_err(|_not_a_number| unknown(line))?,
                    None if after.trim().is_empty() => 1,
                    None => return Err(unknown(line)),
                };
                self.stdin = Some(text.repeat(times));
            }
            ("return", "") => self.returned.push(rest.to_owned()),
            ("needs", "") => self.needs.push(rest.to_owned()),
            ("tiers", "") => {
                self.tiers
                    .extend(rest.split_whitespace().map(str::to_owned));
            }
            ("python", "") => {
                self.python = Some(version(rest).ok_or_else(|| unknown(line))?);
            }
            ("attach", name) if !name.is_empty() => {
                self.attachments.push((name.to_owned(), whole_text(rest)?));
            }
            ("limits", "") => {
                for limit in rest.split_whitespace() {
                    let (key, value) = limit.split_once('=').ok_or_else(|| unknown(line))?;
                    self.limits.push((key.to_owned(), value.to_owned()));
                }
            }
            ("runs", "") => {
                let (count, more) = rest.split_once(' ').unwrap_or((rest, ""));
                self.runs = count.parse().map_err(|_not_a_number| unknown(line))?;
                self.distinct = more == "distinct";
            }
            ("file", name) if !name.is_empty() => self.expected.wants.push(if rest == "error" {
                Want::FileTrouble(name.to_owned())
            } else if let Some(pattern) = rest.strip_prefix('~') {
                Want::File(
                    name.to_owned(),
                    Content::Matches(regex(&whole_text(pattern)?)?),
                )
            } else {
                Want::File(name.to_owned(), Content::Is(whole_text(rest)?))
            }),
            ("expect", "") => self.expected.expect(rest)?,
            ("expect", on) if on.starts_with("on ") => {
                let mut expected = Expected::default();
                expected.expect(rest)?;
                let tier = on.trim_start_matches("on ").to_owned();
                self.elsewhere.push((tier, expected));
            }
            _ => return Err(unknown(line)),
        }
        Ok(())
    }

    fn on(&self, tier: &str) -> &Expected {
        let mut others = self.elsewhere.iter();
        let other = others.find(|(name, _)| name == tier);
        other.map_or(&self.expected, |(_, expected)| expected)
    }

    /// Whether something else is expected on this tier.
    pub(crate) fn differs(&self, tier: &str) -> bool {
        self.elsewhere.iter().any(|(name, _)| name == tier)
    }

    /// In which time it must come.
    pub(crate) fn within(&self, tier: &str) -> Option<Duration> {
        self.on(tier).within
    }

    /// What did not come as it must on this tier, a line each.
    pub(crate) fn compare(&self, tier: &str, observed: &Observed) -> Vec<String> {
        self.on(tier).compare(observed)
    }
}

impl Expected {
    /// Takes the keys of `expect`.
    fn expect(&mut self, mut keys: &str) -> Result<(), String> {
        while !keys.trim_start().is_empty() {
            keys = keys.trim_start();
            let end = keys.find(['=', '~', '!']).ok_or_else(|| unknown(keys))?;
            let (key, rest) = keys.split_at(end);
            let operator = ["!~", "~", "="]
                .into_iter()
                .find(|operator| rest.starts_with(operator))
                .ok_or_else(|| unknown(keys))?;
            let rest = rest.strip_prefix(operator).unwrap_or_default();
            if rest.starts_with('"') {
                let (text, after) = leading_text(rest)?;
                keys = after;
                let content = match operator {
                    "=" => Content::Is(text),
                    "~" => Content::Matches(regex(&text)?),
                    _ => Content::MatchesNowhere(regex(&text)?),
                };
                self.wants.push(Want::Stream(stream(key)?, content));
                continue;
            }
            let (value, after) = rest.split_once(' ').unwrap_or((rest, ""));
            keys = after;
            match key {
                "ending" => self.endings = value.split('|').map(str::to_owned).collect(),
                "limit_hit" => self.limits_hit = value.split('|').map(str::to_owned).collect(),
                "within_ms" => self.within = Some(Duration::from_millis(number(value)?)),
                _ => {
                    let name = key.strip_suffix("_bytes").ok_or_else(|| unknown(key))?;
                    let bytes =
                        usize::try_from(number(value)?).map_err(|_not_a_number| unknown(value))?;
                    self.wants.push(Want::Bytes(stream(name)?, bytes));
                }
            }
        }
        Ok(())
    }

    fn compare(&self, observed: &Observed) -> Vec<String> {
        let mut wrong = Vec::new();
        if !self.endings.contains(&observed.ending) {
            let wanted = self.endings.join(" or ");
            wrong.push(format!("ended {}, not {wanted}", observed.ending));
        }
        let is_wanted = |limit: &String| {
            *limit == observed.limit_hit
                || (limit == "processes"
                    && !observed.counts_processes
                    && observed.limit_hit == "none")
        };
        // Some endings are a limit's.
        let implied = match observed.ending.as_str() {
            "timed_out" => Some("wall"),
            "out_of_memory" => Some("memory"),
            _ => None,
        };
        let wanted = match implied {
            Some(limit) => vec![limit.to_owned()],
            None => self.limits_hit.clone(),
        };
        if !wanted.is_empty() && !wanted.iter().any(is_wanted) {
            let wanted = wanted.join(" or ");
            wrong.push(format!("limit_hit is {}, not {wanted}", observed.limit_hit));
        }
        let text = |stream: Stream| match stream {
            Stream::Out => ("stdout", &observed.stdout),
            Stream::Err => ("stderr", &observed.stderr),
        };
        for want in &self.wants {
            match want {
                Want::Stream(stream, content) => {
                    let (name, text) = text(*stream);
                    wrong.extend(content.compare(name, text));
                }
                Want::Bytes(stream, bytes) => {
                    let (name, text) = text(*stream);
                    if text.len() != *bytes {
                        wrong.push(format!("{name} has {} bytes, not {bytes}", text.len()));
                    }
                }
                Want::File(name, content) => match observed.file(name) {
                    Some(Ok(text)) => wrong.extend(content.compare(name, text)),
                    Some(Err(error)) => wrong.push(format!("file {name} did not come: {error}")),
                    None => wrong.push(format!("nothing was said of file {name}")),
                },
                Want::FileTrouble(name) => match observed.file(name) {
                    Some(Err(_)) => {}
                    Some(Ok(text)) => wrong.push(format!("file {name} came: {}", shown(text))),
                    None => wrong.push(format!("nothing was said of file {name}")),
                },
            }
        }
        wrong
    }
}

impl Observed {
    fn file(&self, name: &str) -> Option<&Result<String, String>> {
        let mut files = self.files.iter();
        files.find(|(known, _)| known == name).map(|(_, file)| file)
    }
}

impl Content {
    fn compare(&self, name: &str, text: &str) -> Option<String> {
        let (held, wanted) = match self {
            Self::Is(wanted) => (text == wanted, shown(wanted)),
            Self::Matches(regex) => (regex.is_match(text), format!("a match of {regex}")),
            Self::MatchesNowhere(regex) => (!regex.is_match(text), format!("no match of {regex}")),
        };
        (!held).then(|| format!("{name} is {}\n      and not {wanted}", shown(text)))
    }
}

/// A text as a string of Rust, its end left out where it is long.
fn shown(text: &str) -> String {
    let start: String = text.chars().take(600).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{start:?}{more}")
}

fn unknown(what: &str) -> String {
    format!("cannot read `{what}`")
}

fn stream(name: &str) -> Result<Stream, String> {
    match name {
        "stdout" => Ok(Stream::Out),
        "stderr" => Ok(Stream::Err),
        _ => Err(unknown(name)),
    }
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_not_a_number| unknown(text))
}

/// Major and minor of a version, however it goes on.
pub(crate) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.trim().split('.').map(str::parse);
    Some((parts.next()?.ok()?, parts.next()?.ok()?))
}

fn regex(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|error| error.to_string())
}

/// A JSON string that is all there is.
fn whole_text(text: &str) -> Result<String, String> {
    serde_json::from_str(text).map_err(|error| format!("{error} in `{text}`"))
}

/// The JSON string at the start, and what follows it.
fn leading_text(text: &str) -> Result<(String, &str), String> {
    let mut texts = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    match texts.next() {
        Some(Ok(Value::String(found))) => {
            Ok((found, text.get(texts.byte_offset()..).unwrap_or_default()))
        }
        _ => Err(unknown(text)),
    }
}

#[test]
fn what_a_case_says_is_heard() {
    let text = "# Says it.\nprint(1)\n# role: public\n# file a b: ~\"x\"\n# runs: 3 distinct\n\
                # python: 3.12\n# stdin: \"ab\" * 2\n# expect: ending=exited:0|signal:9  stdout=\"a  b\\n\"  stderr!~\"\\\\d\"  \
                limit_hit=none|processes  within_ms=5\n";
    let case = Case::read("good/it", text).unwrap();
    assert!(case.public && case.distinct && case.runs == 3);
    assert_eq!(case.python, Some((3, 12)));
    assert_eq!(case.stdin.as_deref(), Some("abab"));
    assert_eq!(case.within("native"), Some(Duration::from_millis(5)));
    let observed = |ending: &str, stdout: &str, stderr: &str| Observed {
        ending: ending.to_owned(),
        limit_hit: "none".to_owned(),
        counts_processes: true,
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        files: vec![("a b".to_owned(), Ok("axb".to_owned()))],
    };
    let held = case.compare("native", &observed("signal:9", "a  b\n", "none"));
    assert_eq!(held, Vec::<String>::new());
    // An ending, two streams, and the limit that goes with such an ending.
    assert_eq!(
        case.compare("native", &observed("timed_out", "", "7"))
            .len(),
        4
    );
    let hit = |limit_hit: &str, counts_processes| Observed {
        limit_hit: limit_hit.to_owned(),
        counts_processes,
        ..observed("signal:9", "a  b\n", "none")
    };
    assert_eq!(case.compare("native", &hit("processes", true)).len(), 0);
    assert_eq!(case.compare("native", &hit("disk", true)).len(), 1);
    let text = text.replace("none|", "");
    let case = Case::read("good/it", &text).unwrap();
    assert_eq!(case.compare("native", &hit("none", false)).len(), 0);
    assert_eq!(case.compare("native", &hit("none", true)).len(), 1);
}

#[test]
fn what_a_case_says_wrongly_is_told() {
    for text in [
        "print(1)\n# expect: ending=exited:0\n",
        "# Says it.\nprint(1)\n",
        "# Says it.\n# python: new\n# expect: ending=exited:0\n",
        "# Says it.\n# rolle: public\n# expect: ending=exited:0\n",
        "# Says it.\n# expect: ending=exited:0  stdout=\"a\n",
        "# Says it.\n# expect: ending=exited:0  output=\"a\"\n",
    ] {
        assert!(Case::read("good/it", text).is_err(), "{text}");
    }
}
