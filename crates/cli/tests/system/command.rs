//! `hognose run` and `hognose doctor`, as people use them.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::harness::traces::Traces;
use crate::harness::{Connection, Server, User, machine, new_command, request, skip, wait_for};

/// A folder with a program in it, and the command that runs it there.
fn run(user: User, code: &str, words: &[&str]) -> (TempDir, Output) {
    let (folder, mut command) = command(user, code, words);
    let output = command.stdin(Stdio::null()).output();
    (folder, output.expect("cargo has built it"))
}

fn command(user: User, code: &str, words: &[&str]) -> (TempDir, Command) {
    let environment = user.environment();
    let folder = user.folder();
    fs::write(folder.path().join("program.py"), code).expect("the folder is ours");
    let mut command = user.hognose();
    command
        .current_dir(folder.path())
        .args(["run", "program.py", "--data-dir"])
        .arg(folder.path().join("data"))
        .arg("--environment")
        .arg(environment)
        .args(words);
    (folder, command)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What it said beside the program's own output, without what a first look at the environment says.
fn said(output: &Output) -> String {
    let said = text(&output.stderr);
    let lines = said
        .lines()
        .filter(|line| !line.contains("looking at the Python environment"));
    lines.map(|line| format!("{line}\n")).collect()
}

#[test]
fn serve_tells_a_person_on_a_terminal_where_to_click() {
    let _machine = machine();
    let folder = User::Ourselves.folder();
    let said = folder.path().join("said");
    let serve = format!(
        "exec {} serve --listen 127.0.0.1:0 --environment {} --data-dir {}",
        env!("CARGO_BIN_EXE_hognose"),
        User::Ourselves.environment().display(),
        folder.path().join("data").display(),
    );
    let mut terminal = new_command("script")
        .args(["--quiet", "--flush", "--return", "--command", &serve])
        .arg(&said)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("script is in every Debian");
    let read = || fs::read_to_string(&said).unwrap_or_default();
    let url = wait_for("the welcome", Duration::from_secs(30), || {
        let read = read();
        let (_, rest) = read.split_once("play     http://")?;
        read.contains("data     ")
            .then(|| rest.split_once('/').map(|(url, _)| url.to_owned()))?
    });
    let address = url.parse().expect("it is an address");
    let page = Connection::open(address)
        .and_then(|mut connection| connection.ask(&request("GET", "/docs", &[], b"")))
        .expect("the server listens where it says");
    assert_eq!(page.status, 200);
    assert!(!read().contains("listening on"), "{}", read());

    // Ctrl+C, as the terminal hands it on.
    let mut keys = terminal.stdin.take().expect("it is piped");
    keys.write_all(b"\x03").expect("the terminal is there");
    let status = terminal.wait().expect("it is our child");
    assert!(status.success(), "{status}: {}", read());
}

#[test]
fn run_hands_over_output_and_exit_code() {
    let _machine = machine();
    let code = "import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(3)";
    let (_folder, output) = run(User::Ourselves, code, &[]);
    assert_eq!(text(&output.stdout), "out\n");
    assert_eq!(said(&output), "err\n");
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn run_tells_a_death_by_signal_as_a_shell_does() {
    let _machine = machine();
    let (_folder, output) = run(User::Ourselves, "import os\nos.kill(os.getpid(), 9)", &[]);
    assert_eq!(output.status.code(), Some(137));
}

#[test]
fn run_ends_a_program_at_its_time_with_124() {
    let _machine = machine();
    let (_folder, output) = run(User::Ourselves, "while True: pass", &["--timeout", "0.5"]);
    assert_eq!(output.status.code(), Some(124));
    let expected = "hognose: the program ran longer than it may (--timeout) and was killed\n";
    assert_eq!(said(&output), expected);
}

#[test]
fn run_names_the_limit_that_cut_a_program() {
    let _machine = machine();
    let full =
        "try:\n    open('f', 'wb').write(bytes(65 << 20))\nexcept OSError:\n    print('full')";
    let (_folder, output) = run(User::Ourselves, full, &[]);
    assert_eq!(output.status.code(), Some(0));
    let expected = "hognose: the program's files took all the room there is \
                    (workspace_bytes_max, workspace_files_max)\n";
    assert_eq!(said(&output), expected);
}

#[test]
fn run_takes_files_and_brings_files_back() {
    let _machine = machine();
    carries(User::Ourselves);
    match User::ordinary() {
        Ok(user) => carries(user),
        Err(why) => skip(
            "run_takes_files_and_brings_files_back, for an ordinary user",
            &why,
        ),
    }
}

fn carries(user: User) {
    let code = "import sys\nopen('made.bin', 'wb').write(open('given.bin', 'rb').read() * 2)\n\
                print(sys.stdin.read().upper())";
    let words = ["--file", "given.bin", "--out", "made.bin", "--stdin", "-"];
    let (folder, mut command) = command(user, code, &words);
    fs::write(folder.path().join("given.bin"), b"\0\xff").expect("the folder is ours");
    let before = Traces::now(user.throw_away());
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("cargo has built it");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all("grüße".as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stdout), "GRÜSSE\n");
    let made = fs::read(folder.path().join("made.bin")).expect("it came back");
    assert_eq!(made, b"\0\xff\0\xff");
    let left = Traces::now(user.throw_away()).since(&before);
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn run_reads_standard_input_from_a_file_and_fails_where_a_file_does_not_come() {
    let _machine = machine();
    let code = "print(input())";
    let (folder, mut command) = command(
        User::Ourselves,
        code,
        &["--stdin", "words.txt", "--out", "missing.txt"],
    );
    fs::write(folder.path().join("words.txt"), "from a file").expect("the folder is ours");
    let output = command.output().expect("cargo has built it");
    assert_eq!(text(&output.stdout), "from a file\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("missing.txt"), "{}", said(&output));
}

/// In a user namespace that may have no user namespaces below it, one required wall cannot be raised.
#[test]
fn a_wall_that_cannot_be_raised_stops_the_start_with_a_sentence() {
    let _machine = machine();
    let name = "a_wall_that_cannot_be_raised_stops_the_start_with_a_sentence";
    let mut try_it = new_command("unshare");
    if !try_it
        .args(["-Ur", "true"])
        .status()
        .is_ok_and(|s| s.success())
    {
        skip(name, "`unshare -Ur` does not work here");
        return;
    }
    let folder = User::Ourselves.folder();
    let script = "echo 0 > /proc/sys/user/max_user_namespaces && exec \"$@\"";
    let output = new_command("unshare")
        .args(["-Ur", "sh", "-c", script, "sh"])
        .arg(User::Ourselves.hognose().get_program())
        .args(["serve", "--set", "isolation_min=native"])
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(folder.path().join("data"))
        .arg("--environment")
        .arg(User::Ourselves.environment())
        .output()
        .expect("it worked above");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(last.contains("user namespace"), "{said}");
    assert!(last.contains("hognose doctor"), "{said}");
}

#[test]
fn a_weaker_tier_is_told_and_refused_below_the_floor() {
    let _machine = machine();
    let user = match User::container() {
        Ok(user) => user,
        Err(why) => return skip("a_weaker_tier_is_told_and_refused_below_the_floor", &why),
    };
    let server = Server::start(user, &[]);
    assert_eq!(server.isolation(), "landlock");
    let answer = server.run("print(1)");
    assert_eq!(answer.text("/server_status/isolation"), "landlock");
    let log = server.log();
    assert!(log.contains("a weaker isolation is in force"), "{log}");
    assert!(log.contains("cannot make a user namespace"), "{log}");
    server.stop();

    let folder = user.folder();
    for setting in ["isolation_min=native", "isolation=native"] {
        let output = user
            .hognose()
            .args(["serve", "--set", setting])
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--environment")
            .arg(user.environment())
            .output()
            .expect("cargo has built it");
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot make a user namespace"), "{said}");
    }
}

/// It could not step back to where runs are, as nobody may step forward.
#[test]
fn who_is_nicer_than_a_run_runs_programs_too() {
    let _machine = machine();
    let user = match User::container() {
        Ok(user) => user,
        Err(why) => return skip("who_is_nicer_than_a_run_runs_programs_too", &why),
    };
    let (_folder, command) = command(
        user,
        "import os; print(os.getpriority(os.PRIO_PROCESS, 0))",
        &[],
    );
    let mut nicer = new_command("nice");
    nicer
        .args(["-n", "10"])
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().expect("it has one"))
        .env_remove("HOGNOSE_ISOLATION");
    let output = nicer.stdin(Stdio::null()).output();
    let output = output.expect("coreutils are there");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert_eq!(text(&output.stdout), "10\n");
}

#[test]
fn doctor_finds_a_host_fit_on_which_programs_run() {
    let _machine = machine();
    let mut users = vec![(User::Ourselves, "native")];
    for (user, tier) in [
        (User::ordinary(), "native"),
        (User::container(), "landlock"),
    ] {
        match user {
            Ok(user) => users.push((user, tier)),
            Err(why) => skip(
                "doctor_finds_a_host_fit_on_which_programs_run, for another user",
                &why,
            ),
        }
    }
    for (user, tier) in users {
        let folder = user.folder();
        let output = user
            .hognose()
            .args(["doctor", "--listen", "127.0.0.1:0", "--data-dir"])
            .arg(folder.path().join("data"))
            .arg("--environment")
            .arg(user.environment())
            .output()
            .expect("cargo has built it");
        let report = text(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{report}");
        assert!(
            report.ends_with("`hognose serve` would start.\n"),
            "{report}"
        );
        assert!(
            report.contains(&format!(
                "a program ran behind all walls of the tier `{tier}`"
            )),
            "{report}"
        );
    }
}
