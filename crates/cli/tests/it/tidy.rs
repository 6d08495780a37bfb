//! What the repository says of itself in two places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

fn text(path: impl AsRef<Path>) -> String {
    let path = Path::new(ROOT).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the repository is whole");
    let path = |entry: std::io::Result<fs::DirEntry>| entry.expect("it can be read").path();
    entries.map(path).collect()
}

/// The last part of a path, without its ending.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

/// Every Rust file in a folder and below.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        entries(folder).into_iter().partition(|path| path.is_dir());
    files.retain(|path| path.extension().is_some_and(|ending| ending == "rs"));
    files.extend(folders.iter().flat_map(|folder| sources(folder)));
    files
}

fn crates() -> Vec<PathBuf> {
    entries(&Path::new(ROOT).join("crates"))
}

#[test]
fn every_promise_names_a_test_that_there_is() {
    let function = Regex::new(r"\bfn (\w+)").unwrap();
    let mut tests: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for folder in crates() {
        for source in sources(&folder) {
            let text = text(source);
            let functions = function
                .captures_iter(&text)
                .map(|found| found[1].to_owned());
            tests.entry(stem(&folder)).or_default().extend(functions);
        }
    }
    let there = |path: String| Path::new(ROOT).join(path).exists();
    let hostile = |name: &str| there(format!("tests/cases/hostile/{name}.py"));
    let specification = text("SPECIFICATION.md");
    let (in_code, of_crate, plain) = (
        Regex::new("`([^`]+)`").unwrap(),
        Regex::new(r"^(\w+): (\w+)$").unwrap(),
        Regex::new(r"^[a-z][a-z0-9_]*$").unwrap(),
    );
    let mut named = 0;
    let mut missing = Vec::new();
    for row in specification.lines().filter(|line| line.starts_with('|')) {
        let kept_by = row.trim_end_matches(['|', ' ']).rsplit('|').next();
        let mut in_fuzz = false;
        for name in in_code.captures_iter(kept_by.unwrap_or_default()) {
            let name = &name[1];
            let is_there = if let Some(pair) = of_crate.captures(name) {
                in_fuzz = &pair[1] == "fuzz";
                match tests.get(&pair[1]) {
                    Some(tests) => tests.contains(&pair[2]),
                    None => in_fuzz && there(format!("fuzz/fuzz_targets/{}.rs", &pair[2])),
                }
            } else if plain.is_match(name) && in_fuzz {
                there(format!("fuzz/fuzz_targets/{name}.rs")) || name == "python3"
            } else if plain.is_match(name) {
                hostile(name)
            } else {
                // A command, a folder, a family of cases.
                continue;
            };
            named += 1;
            if !is_there {
                missing.push(name.to_owned());
            }
        }
    }
    assert!(named > 200, "{named} are read as names of tests");
    assert_eq!(missing, [""; 0], "SPECIFICATION.md names them");
}

#[test]
fn what_the_server_and_the_guest_both_say_is_the_same() {
    let listed = |text: &str, begin: &str, end: &str| -> BTreeSet<String> {
        let (_, list) = text.split_once(begin).unwrap();
        let (list, _) = list.split_once(end).unwrap();
        let names = list.split(|character: char| !character.is_alphanumeric());
        let names = names.filter(|name| !name.is_empty());
        names.map(str::to_owned).collect()
    };
    let settings = text("crates/server/default.toml");
    let in_settings = listed(&settings, "imports_allowed = [", "]");
    let guard = text("guest/guard.py");
    let in_guest = listed(&guard, "PUBLIC_IMPORTS = frozenset(", ".split()");
    assert_eq!(in_settings, in_guest);
    assert_eq!(in_guest.len(), 36);

    let code = |text: &str| {
        let line = Regex::new(r"EXIT_NO_JOB(?:: i32)? = (\d+)").unwrap();
        line.captures(text).unwrap()[1].to_owned()
    };
    assert_eq!(
        code(&text("crates/wire/src/job.rs")),
        code(&text("guest/unit.py"))
    );
}

/// A module that needs one that needs it cannot be read without the other.
#[test]
fn no_module_needs_one_that_needs_it() {
    let path = Regex::new(r"\bcrate::(\w+)").unwrap();
    let grouped = Regex::new(r"use crate::\{([^;]*)\};").unwrap();
    for folder in crates() {
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for top in entries(&folder.join("src")) {
            let files = if top.is_dir() {
                sources(&top)
            } else {
                vec![top.clone()]
            };
            for file in files {
                let text = text(file);
                let code = text
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap_or_default();
                let single = path.captures_iter(code).map(|found| found[1].to_owned());
                let first_of = |item: &str| item.trim().split("::").next().unwrap_or("").to_owned();
                let lists = grouped.captures_iter(code);
                let lists =
                    lists.flat_map(|found| found[1].split(',').map(first_of).collect::<Vec<_>>());
                needs
                    .entry(stem(&top))
                    .or_default()
                    .extend(single.chain(lists));
            }
        }
        let modules: BTreeSet<String> = needs.keys().cloned().collect();
        for (module, needed) in &mut needs {
            needed.retain(|other| other != module && modules.contains(other));
        }
        // Whoever needs nobody that is left is taken away, until nobody is left.
        while !needs.is_empty() {
            let free: Vec<String> = needs
                .iter()
                .filter(|(_, needed)| needed.iter().all(|other| !needs.contains_key(other)))
                .map(|(module, _)| module.clone())
                .collect();
            assert!(!free.is_empty(), "{folder:?}: a circle among {needs:#?}");
            needs.retain(|module, _| !free.contains(module));
        }
    }
}
