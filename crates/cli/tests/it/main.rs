//! The program as people start it.

mod bench;
mod provisioning;
mod tidy;
mod words;

use std::process::{Command, Output};

/// The program under test, with none of this process's settings.
#[expect(clippy::disallowed_methods, reason = "a test starts what it tests")]
fn hognose() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hognose"));
    let ours = |name: &str| name.starts_with("HOGNOSE_") || name == "PYTHON_EXE_KEY";
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(ours) {
            command.env_remove(name);
        }
    }
    command
}

/// Everything a finished program said on standard error.
fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
