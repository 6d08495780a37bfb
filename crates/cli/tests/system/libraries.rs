//! An environment of the operator's own: pandas, scipy, matplotlib and polars work behind the walls unchanged.
//!
//! It is made once, with wheels from the package index that pip is set to, below the target folder.
//! Where the index cannot be reached, the tests are skipped by name.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::cases::{IN_GVISOR, gvisor, hold};
use crate::harness::{User, new_command, skip, tell};

/// What is installed beside what it needs, as one line of pip's.
const PACKAGES: &str = "pandas scipy matplotlib polars";

/// What is imported once outside: a run cannot keep the compiled files, as an installation does.
const IMPORTS: &str = "import polars, matplotlib.pyplot, matplotlib.backends.backend_pdf, \
    matplotlib.backends.backend_svg, pandas, scipy.fft, scipy.integrate, scipy.interpolate, \
    scipy.linalg, scipy.ndimage, scipy.optimize, scipy.signal, scipy.sparse.linalg, scipy.spatial, \
    scipy.special, scipy.stats";

#[test]
fn large_libraries_work() {
    match environment() {
        Ok(environment) => hold(
            "libraries",
            User::Ourselves,
            &[("environment", environment)],
        ),
        Err(why) => skip("large_libraries_work", why),
    }
}

#[test]
fn large_libraries_work_for_an_ordinary_user() {
    let name = "large_libraries_work_for_an_ordinary_user";
    match (User::ordinary(), environment()) {
        (Ok(user), Ok(environment)) => hold("libraries", user, &[("environment", environment)]),
        (Err(why), _) => skip(name, &why),
        (_, Err(why)) => skip(name, why),
    }
}

#[test]
fn large_libraries_work_in_a_container() {
    let name = "large_libraries_work_in_a_container";
    match (User::container(), environment()) {
        (Ok(user), Ok(environment)) => hold("libraries", user, &[("environment", environment)]),
        (Err(why), _) => skip(name, &why),
        (_, Err(why)) => skip(name, why),
    }
}

#[test]
fn large_libraries_work_in_gvisor() {
    let name = "large_libraries_work_in_gvisor";
    match (gvisor(), environment()) {
        (Ok(()), Ok(environment)) => {
            let settings = [IN_GVISOR.as_slice(), &[("environment", environment)]].concat();
            hold("libraries", User::Ourselves, &settings);
        }
        (Err(why), _) => skip(name, &why),
        (_, Err(why)) => skip(name, why),
    }
}

/// The environment that these tests run on, or why there is none.
fn environment() -> Result<&'static str, &'static str> {
    static MADE: OnceLock<Result<String, String>> = OnceLock::new();
    let made = MADE.get_or_init(|| {
        // One for both: where there is an ordinary user, it is made of what they reach.
        let user = User::ordinary().unwrap_or(User::Ourselves);
        let python = user.environment().join("bin/python3");
        let folder = make(&python, &user.lasting("libraries"))?;
        let text = folder.into_os_string().into_string();
        text.map_err(|path| format!("{} is no text", path.display()))
    });
    made.as_deref().map_err(String::as_str)
}

fn make(python: &Path, folder: &Path) -> Result<PathBuf, String> {
    let made = folder.join("made");
    if fs::read_to_string(&made).is_ok_and(|packages| packages == PACKAGES) {
        return Ok(folder.to_owned());
    }
    tell(&format!("installing {PACKAGES} for the tests of libraries"));
    if folder.exists() {
        fs::remove_dir_all(folder).expect("an older one is ours");
    }
    let mut venv = new_command(python);
    venv.args(["-I", "-m", "venv", "--without-pip"]).arg(folder);
    works(&run(&mut venv));
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../environment");
    let wheels = fs::read_dir(&ours).expect("the environment's recipe is there");
    let pip = wheels
        .map(|entry| entry.expect("it can be read").path())
        .find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    let python = folder.join("bin/python3");
    let mut install = new_command(&python);
    install
        .args(["-I".as_ref(), ours.join("install.py").as_os_str()])
        .arg(pip.expect("pip lies beside its recipe"))
        .args(["install", "--quiet", "--only-binary", ":all:"])
        .args(["--no-compile", "--disable-pip-version-check"])
        .args(PACKAGES.split(' '));
    let output = run(&mut install);
    if !output.status.success() {
        return Err(format!("pip cannot fetch {PACKAGES}: {}", said(&output)));
    }
    works(&run(new_command(&python)
        .args(["-I", "-c", IMPORTS])
        .env("MPLCONFIGDIR", folder)));
    fs::write(made, PACKAGES).expect("the folder is ours");
    Ok(folder.to_owned())
}

fn run(command: &mut Command) -> Output {
    command.output().expect("the environment's Python starts")
}

#[track_caller]
fn works(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// The last line of what it complained of.
fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.trim().lines().last().unwrap_or_default().to_owned()
}
