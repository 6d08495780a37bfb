//! Builds the shared library that interpreters load, so that it can be embedded in the program.
//!
//! It is the crate `confine` of this workspace, built by the same cargo with the profile `jail`
//! (it aborts, it never unwinds into the interpreter) into a target folder of its own, because
//! the outer build holds the lock of the usual one.
#![expect(
    clippy::disallowed_methods,
    reason = "a build script is told what to do by the environment, and has to run cargo"
)]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let manifest = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let root = manifest
        .ancestors()
        .nth(2)
        .ok_or("the workspace has no root")?;
    for crate_name in ["confine", "jail", "wire"] {
        println!(
            "cargo::rerun-if-changed={}",
            root.join("crates").join(crate_name).display()
        );
    }
    println!(
        "cargo::rerun-if-changed={}",
        root.join("Cargo.lock").display()
    );

    // One folder for all profiles of the outer build: `target/confine`.
    let target = out
        .ancestors()
        .nth(4)
        .ok_or("OUT_DIR is too short")?
        .join("confine");
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo
        .args([
            "build",
            "--profile",
            "jail",
            "--package",
            "confine",
            "--locked",
        ])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target);
    // What the outer cargo says to its build scripts and its clippy is not meant for the inner one.
    for (name, _) in env::vars_os() {
        let inherited = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_")
                && !name.starts_with("CARGO_HOME")
                && !name.starts_with("CARGO_NET")
                && !name.starts_with("CARGO_HTTP")
                && !name.starts_with("CARGO_REGISTR")
                || name == "RUSTC_WORKSPACE_WRAPPER"
                || name == "RUSTC_WRAPPER"
                || name == "RUSTFLAGS"
        });
        if inherited {
            cargo.env_remove(name);
        }
    }
    // Every run can read the library: where it was built is none of its business.
    let flags: Vec<_> = [
        (cargo_home(), "/crates"),
        (Some(root.to_owned()), "/hognose"),
    ]
    .into_iter()
    .filter_map(|(path, name)| Some(format!("--remap-path-prefix={}={name}", path?.to_str()?)))
    .collect();
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"));
    if !cargo.status()?.success() {
        return Err("the crate `confine` does not build; its errors are above".into());
    }
    let library = target.join("jail").join("libconfine.so");
    copy_if_changed(&library, &out.join("libconfine.so"))?;
    Ok(())
}

/// Where cargo keeps the sources of other crates.
fn cargo_home() -> Option<PathBuf> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".cargo"));
    env::var_os("CARGO_HOME").map(PathBuf::from).or_else(home)
}

fn copy_if_changed(from: &Path, to: &Path) -> std::io::Result<()> {
    let new = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    fs::write(to, new)
}
