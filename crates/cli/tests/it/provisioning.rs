//! The first start, interrupted and repeated.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};

use crate::{errors, hognose};

/// What the first start says when it is done.
const COMPLETE: &str = "hognose: the Python environment is complete\n";

fn start(data: &Path) -> Child {
    hognose()
        .args(["run", "/dev/null", "--data-dir"])
        .arg(data)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo has built it")
}

/// Tells whether the package index can't be reached; says so, to be counted.
#[expect(clippy::print_stderr, reason = "a test that can't look must say so")]
fn skipped(name: &str, said: &str) -> bool {
    let unreachable = said.contains("cannot reach the package index");
    if unreachable {
        eprintln!("skipped: {name}: {said}");
    }
    unreachable
}

#[test]
fn a_killed_maker_leaves_nothing_that_is_used() {
    let data = tempfile::tempdir().unwrap();
    let mut killed = start(data.path());
    let lines = BufReader::new(killed.stderr.take().unwrap()).lines();
    let fetching = lines
        .map_while(Result::ok)
        .find(|line| line.contains("fetching numpy"));
    killed.kill().unwrap();
    killed.wait().unwrap();
    if fetching.is_none() {
        let said = errors(&start(data.path()).wait_with_output().unwrap());
        assert!(skipped("provisioning", &said), "{said}");
        return;
    }
    assert!(!data.path().join("environment").exists());

    let said = errors(&start(data.path()).wait_with_output().unwrap());
    assert!(said.contains(COMPLETE), "{said}");
    let mut left: Vec<_> = data
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["environment", "environment.lock"]);
}

#[test]
fn of_two_first_starts_one_makes_and_the_other_waits() {
    let data = tempfile::tempdir().unwrap();
    let both = [start(data.path()), start(data.path())];
    let said = both.map(|child| errors(&child.wait_with_output().unwrap()));
    if skipped("provisioning", &said[0]) {
        return;
    }
    let makers = said.iter().filter(|said| said.contains(COMPLETE)).count();
    assert_eq!(makers, 1, "{said:?}");
    assert!(data.path().join("environment/hognose.json").is_file());
}

#[test]
fn pip_settings_that_would_lead_elsewhere_are_not_followed() {
    let data = tempfile::tempdir().unwrap();
    let home = tempfile::tempdir().unwrap();
    let elsewhere = home.path().join("elsewhere");
    let settings = home.path().join(".config/pip");
    fs::create_dir_all(&settings).unwrap();
    let text = format!(
        "[global]\nuser = true\nrequire-virtualenv = true\n[install]\nno-binary = :all:\ntarget = {}\n",
        elsewhere.display()
    );
    fs::write(settings.join("pip.conf"), text).unwrap();
    let output = hognose()
        .args(["prepare", "--data-dir"])
        .arg(data.path())
        .env("HOME", home.path())
        .env("PIP_TARGET", &elsewhere)
        .env("PIP_USER", "1")
        .output()
        .unwrap();
    let said = errors(&output);
    if skipped("provisioning", &said) {
        return;
    }
    assert!(output.status.success() && said.contains(COMPLETE), "{said}");
    let place = data.path().join("environment");
    let ending = format!("hognose: programs will run on {}\n", place.display());
    assert!(said.ends_with(&ending), "{said}");
    assert!(!elsewhere.exists());
}

#[test]
fn an_index_that_does_not_answer_is_named_as_such() {
    let data = tempfile::tempdir().unwrap();
    let output = hognose()
        .args(["run", "/dev/null", "--data-dir"])
        .arg(data.path())
        .env("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        .env("PIP_NO_CACHE_DIR", "1")
        .env("PIP_RETRIES", "0")
        .env("no_proxy", "127.0.0.1")
        .output()
        .unwrap();
    let said = errors(&output);
    assert!(
        said.contains("cannot reach the package index (Connection refused): connect"),
        "{said}"
    );
    assert_eq!(output.status.code(), Some(125));
    assert!(!data.path().join("environment").exists());
}
