//! Settings: any file, variables and flags make a configuration or one sentence, and neither has the
//! admin key in it.
//!
//! An input is the file, a line `---`, lines of variables, a line `---`, lines of flags. A line `@`
//! stands for the admin key, well or badly written.
#![no_main]

use std::error::Error;
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use server::config::{Flags, load};

const KEY: &str = "quite-secret-key";

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut parts = text.split("\n---\n");
    let mut lines = || parts.next().unwrap_or_default().split('\n');
    let mut file = String::new();
    for line in lines() {
        match line {
            "@" => file += &format!("admin_key = \"{KEY}\""),
            "@@" => file += &format!("admin_key = \"{KEY}"),
            "@@@" => file += &format!("admin_key = {KEY}"),
            "@@@@" => file += &format!("admin_key.{KEY}"),
            line => file += line,
        }
        file.push('\n');
    }
    let pair = |line: &str| {
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        match line {
            "@" => ("HOGNOSE_ADMIN_KEY".to_owned(), KEY.to_owned()),
            "@@" => ("PYTHON_EXE_KEY".to_owned(), KEY.to_owned()),
            _ => (name.to_owned(), value.to_owned()),
        }
    };
    let environment: Vec<(OsString, OsString)> = lines()
        .map(pair)
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let flags: Flags = lines().map(pair).collect();

    // Kept open: to close a file that was just cut waits for the disk.
    let (path, opened) = FILE.get_or_init(|| {
        let path = format!("hognose-fuzz-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(path);
        let opened = File::create(&path).expect("there is a temporary folder");
        (path, opened)
    });
    opened.set_len(0).expect("it is open");
    opened
        .write_all_at(file.as_bytes(), 0)
        .expect("there is room");
    match load(Some(path), &flags, environment) {
        Ok(config) => {
            let said = format!("{config:?}");
            assert!(!said.contains(KEY), "{said}");
            let hour = Duration::from_secs(3600);
            for role in [config.public, config.admin] {
                assert!((1..=100_000).contains(&role.code_characters_max));
                assert!(role.wall_max <= hour);
                let wall_s = role.wall_max.as_secs();
                assert!(u64::from(config.limits.cpu_seconds_max) > wall_s);
            }
            // They go to the zygote as one argument, with commas between.
            for name in &config.imports_allowed {
                assert!(!name.is_empty() && !name.contains([',', ' ', '\0']));
            }
        }
        Err(error) => {
            let mut said = format!("{error:?}");
            let mut next: Option<&dyn Error> = Some(&error);
            while let Some(error) = next {
                said += &error.to_string();
                next = error.source();
            }
            assert!(!said.contains(KEY), "{said}");
        }
    }
});

static FILE: OnceLock<(PathBuf, File)> = OnceLock::new();
