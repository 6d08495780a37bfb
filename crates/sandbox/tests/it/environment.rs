//! The Python environment: made once, opened at once, never half made.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::environment::{Environment, EnvironmentError, Status, status};

/// Makes or opens an environment; nothing where the package index can't be reached.
///
/// The line on standard error is what the summary of skipped tests is counted from.
#[expect(clippy::print_stderr, reason = "a test that can't look must say so")]
fn open(data: &Path, steps: &mut Vec<String>) -> Option<Environment> {
    match Environment::open_or_make(data, None, None, &mut |step| steps.push(step.to_owned())) {
        Ok(environment) => Some(environment),
        Err(error @ EnvironmentError::NoNetwork { .. }) => {
            eprintln!("skipped: environment: {error}");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn an_environment_is_made_once_and_then_opened_at_once() {
    let data = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let Some(made) = open(data.path(), &mut steps) else {
        return;
    };
    assert!(
        steps.iter().any(|step| step.starts_with("fetching numpy ")),
        "{steps:?}"
    );

    let runtime = made.runtime();
    assert!(made.warnings().is_empty());
    assert!(runtime.executable.is_file() && runtime.loader.exists());
    assert!(runtime.standard_library.join("os.py").is_file());
    assert!(!runtime.library_folders.is_empty());
    for package in ["numpy", "PIL", "reportlab", "fpdf"] {
        let folder = runtime.site_packages.join(package);
        let mode = fs::metadata(&folder).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o755, "{}", folder.display());
    }
    let left: Vec<_> = data
        .path()
        .read_dir()
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "more than the environment and its lock: {left:?}"
    );

    steps.clear();
    let start = Instant::now();
    let opened = open(data.path(), &mut steps).unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(steps, Vec::<String>::new());
    assert_eq!(opened.runtime(), runtime);
    assert!(matches!(
        status(data.path(), None, None),
        Ok(Status::Ready(_))
    ));

    // Moved with its data folder, it still works: nothing in it names its place.
    let moved = data.path().join("moved");
    fs::create_dir_all(&moved).unwrap();
    fs::rename(data.path().join("environment"), moved.join("environment")).unwrap();
    let opened = open(&moved, &mut steps).unwrap();
    assert_eq!(steps, Vec::<String>::new());
    assert!(
        opened
            .runtime()
            .site_packages
            .starts_with(moved.canonicalize().unwrap())
    );

    // A touched package folder is looked at again, and kept because it still works.
    fs::write(opened.runtime().site_packages.join("extra.py"), "").unwrap();
    let renewed = open(&moved, &mut steps).unwrap();
    assert_eq!(steps.len(), 1, "{steps:?}");
    assert_eq!(renewed.runtime(), opened.runtime());

    // The settings may name it as somebody else's, and then it is not touched.
    let elsewhere = tempfile::tempdir().unwrap();
    let existing = Environment::open_or_make(
        elsewhere.path(),
        None,
        Some(renewed.folder()),
        &mut |_step| {},
    )
    .unwrap();
    assert_eq!(existing.runtime(), renewed.runtime());
    assert!(existing.warnings().is_empty(), "{:?}", existing.warnings());

    // A damaged one is made again.
    steps.clear();
    fs::remove_dir_all(renewed.runtime().site_packages.join("numpy")).unwrap();
    let again = open(&moved, &mut steps).unwrap();
    assert!(again.runtime().site_packages.join("numpy").is_dir());
    assert!(steps.len() > 2, "{steps:?}");

    // So is one of other packages.
    let record = moved.join("environment/hognose.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replacen("numpy==", "numpy==0", 1)).unwrap();
    steps.clear();
    open(&moved, &mut steps).unwrap();
    assert!(
        steps.iter().any(|step| step == "installing the packages"),
        "{steps:?}"
    );
}

#[test]
fn a_data_folder_that_cannot_be_made_is_refused_with_the_remedy() {
    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Environment::open_or_make(&file.join("data"), None, None, &mut |_step| {})
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("cannot write to the data folder "),
        "{error}"
    );
    assert!(error.ends_with("HOGNOSE_DATA_DIR or --data-dir"), "{error}");
}

#[test]
fn a_python_that_is_not_there_is_refused_and_nothing_is_left() {
    let data = tempfile::tempdir().unwrap();
    let python = Path::new("/nowhere/python3");
    let error = Environment::open_or_make(data.path(), Some(python), None, &mut |_step| {});
    assert!(
        matches!(error, Err(EnvironmentError::NoPython { .. })),
        "{error:?}"
    );
    assert!(!data.path().join("environment").exists());
}

#[test]
fn an_environment_made_elsewhere_is_used_as_it_is_and_what_it_lacks_is_said() {
    let data = tempfile::tempdir().unwrap();
    let mut steps = Vec::new();
    let Some(ours) = open(data.path(), &mut steps) else {
        return;
    };
    let elsewhere = data.path().join("elsewhere");
    let packages = elsewhere.join("lib").join(
        ours.runtime()
            .site_packages
            .strip_prefix(ours.folder().join("lib"))
            .unwrap(),
    );
    fs::create_dir_all(&packages).unwrap();
    fs::create_dir_all(elsewhere.join("bin")).unwrap();
    std::os::unix::fs::symlink(&ours.runtime().executable, elsewhere.join("bin/python3")).unwrap();
    let home = ours
        .runtime()
        .executable
        .parent()
        .unwrap()
        .display()
        .to_string();
    fs::write(elsewhere.join("pyvenv.cfg"), format!("home = {home}\n")).unwrap();

    let environment = Environment::open_or_make(data.path(), None, Some(&elsewhere), &mut |_| {});
    let environment = environment.unwrap();
    assert_eq!(
        environment.runtime().site_packages,
        packages.canonicalize().unwrap()
    );
    let warnings = environment.warnings();
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].starts_with("programs cannot import PIL, fpdf, numpy, reportlab ("));
    assert_eq!(packages.read_dir().unwrap().count(), 0);
}
