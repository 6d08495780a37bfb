//! What is refused, and in which words.

use crate::{errors, hognose};

#[test]
fn help_teaches_by_examples() {
    for task in ["serve", "run", "prepare", "doctor", "settings", "bench"] {
        let output = hognose().args([task, "--help"]).output().unwrap();
        assert!(output.status.success());
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.contains("hognose"), "{task}: {help}");
    }
}

#[test]
fn a_bad_setting_stops_the_start_and_is_named() {
    for task in ["serve", "doctor"] {
        let output = hognose()
            .args([task, "--concurrent-max", "0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(
            errors(&output),
            "hognose: cannot use concurrent_max from the command line: \
             it must be a whole number from 1 to 1000\n"
        );
    }
}

#[test]
fn settings_that_are_printed_are_a_file_that_is_taken() {
    let output = hognose().arg("settings").output().unwrap();
    assert!(output.status.success(), "{}", errors(&output));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, &output.stdout).unwrap();
    let refused = hognose()
        .args(["serve", "--concurrent-max", "0", "--config"])
        .arg(file.path())
        .output()
        .unwrap();
    // The file's turn comes first.
    assert!(
        errors(&refused).contains("concurrent_max from the command line"),
        "{}",
        errors(&refused)
    );
}

#[test]
fn a_program_that_is_not_there_is_named_and_nothing_is_made() {
    let data = tempfile::tempdir().unwrap();
    let output = hognose()
        .args(["run", "/nowhere/program.py", "--data-dir"])
        .arg(data.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(125));
    let expected =
        "hognose: cannot read /nowhere/program.py: No such file or directory (os error 2)\n";
    assert_eq!(errors(&output), expected);
    assert_eq!(data.path().read_dir().unwrap().count(), 0);
}

#[test]
fn doctor_changes_nothing_and_names_a_python_that_will_not_do() {
    let data = tempfile::tempdir().unwrap();
    let output = hognose()
        .args([
            "doctor",
            "--python",
            "/nowhere/python3",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data.path().join("data"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(
        report.contains("there is no Python at /nowhere/python3: install"),
        "{report}"
    );
    assert!(report.contains("user namespaces"), "{report}");
    assert!(
        report.ends_with("`hognose serve` would not start.\n"),
        "{report}"
    );
    assert!(!data.path().join("data").exists());
}
