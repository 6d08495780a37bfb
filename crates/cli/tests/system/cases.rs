//! Every case of `tests/cases`, through `POST /execute`, four at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::case::{Case, Observed, version};
use crate::harness::client::{Answer, execute};
use crate::harness::server::ADMIN_KEY;
use crate::harness::{Connection, Server, User, machine, skip, slowness, tell};

/// Cases that run at once: as many as a busy server has, on a machine with a few cores.
const AT_ONCE: usize = 4;

#[test]
fn good_programs_work() {
    hold("good", User::Ourselves, &[]);
}

#[test]
fn good_programs_work_for_an_ordinary_user() {
    match User::ordinary() {
        Ok(user) => hold("good", user, &[]),
        Err(why) => skip("good_programs_work_for_an_ordinary_user", &why),
    }
}

#[test]
fn hostile_programs_are_held() {
    hold("hostile", User::Ourselves, &[]);
}

#[test]
fn hostile_programs_are_held_for_an_ordinary_user() {
    match User::ordinary() {
        Ok(user) => hold("hostile", user, &[]),
        Err(why) => skip("hostile_programs_are_held_for_an_ordinary_user", &why),
    }
}

#[test]
fn good_programs_work_in_a_container() {
    match User::container() {
        Ok(user) => hold("good", user, &[]),
        Err(why) => skip("good_programs_work_in_a_container", &why),
    }
}

#[test]
fn hostile_programs_are_held_in_a_container() {
    match User::container() {
        Ok(user) => hold("hostile", user, &[]),
        Err(why) => skip("hostile_programs_are_held_in_a_container", &why),
    }
}

#[test]
fn good_programs_work_in_gvisor() {
    match gvisor() {
        Ok(()) => hold("good", User::Ourselves, &IN_GVISOR),
        Err(why) => skip("good_programs_work_in_gvisor", &why),
    }
}

#[test]
fn hostile_programs_are_held_in_gvisor() {
    match gvisor() {
        Ok(()) => hold("hostile", User::Ourselves, &IN_GVISOR),
        Err(why) => skip("hostile_programs_are_held_in_gvisor", &why),
    }
}

#[test]
fn good_programs_work_in_gvisor_for_an_ordinary_user() {
    match gvisor().and_then(|()| User::ordinary()) {
        Ok(user) => hold("good", user, &IN_GVISOR),
        Err(why) => skip("good_programs_work_in_gvisor_for_an_ordinary_user", &why),
    }
}

#[test]
fn hostile_programs_are_held_in_gvisor_for_an_ordinary_user() {
    match gvisor().and_then(|()| User::ordinary()) {
        Ok(user) => hold("hostile", user, &IN_GVISOR),
        Err(why) => skip(
            "hostile_programs_are_held_in_gvisor_for_an_ordinary_user",
            &why,
        ),
    }
}

/// The longest run, where no case says another. Milliseconds.
const WALL_MS: u32 = 10_000;

/// The settings for gVisor.
pub(crate) const IN_GVISOR: [(&str, &str); 1] = [("isolation", "gvisor")];
/// How many times longer a case may run in gVisor, whose system calls and page faults are so much dearer that a
/// program may reach the default time before the limit that it is about.
const GVISOR_SLOWNESS: u32 = 2;
/// Of how many cases one is run in gVisor, where each takes a second, unless all are asked for.
const ONE_OF: usize = 8;

/// The cases that are run with these settings: all, but in gVisor not each time. There, of those with the
/// default limits, which one server serves, every eighth, and each that differs there; all with
/// `HOGNOSE_ALL_TIERS=1`.
fn cases_for(folder: &str, others: &[(&str, &str)]) -> Vec<Case> {
    let mut cases = Case::all(folder);
    if others == IN_GVISOR && std::env::var_os("HOGNOSE_ALL_TIERS").is_none() {
        cases.retain(|case| case.limits.is_empty());
        let mut number = 0;
        cases.retain(|case| {
            number += 1;
            number % ONE_OF == 1 || case.differs("gvisor")
        });
    }
    cases
}

/// Whether gVisor is here.
pub(crate) fn gvisor() -> Result<(), String> {
    let found = jail::gvisor::find(None);
    found.map(drop).map_err(|error| error.to_string())
}

/// What came of all cases.
#[derive(Debug, Default)]
struct Sum {
    held: usize,
    failed: BTreeMap<String, Vec<String>>,
    skipped: BTreeSet<String>,
    /// Only late, and that beside others: to be run again alone.
    late: Vec<String>,
}

/// Runs every case of a folder, with these settings beside those of each case.
pub(crate) fn hold(folder: &str, user: User, others: &[(&str, &str)]) {
    let _machine = machine();
    let start = Instant::now();
    let chosen = std::env::var_os("HOGNOSE_CASE").map(|name| name.to_string_lossy().into_owned());
    let known = |name: &String| Case::file(name).is_file();
    assert!(
        chosen.as_ref().is_none_or(known),
        "there is no case {chosen:?}"
    );
    let mut groups: BTreeMap<Vec<(String, String)>, Vec<Case>> = BTreeMap::new();
    let cases = match chosen {
        Some(_) => Case::all(folder),
        None => cases_for(folder, others),
    };
    for case in cases {
        if chosen.as_ref().is_none_or(|chosen| *chosen == case.name) {
            groups.entry(case.limits.clone()).or_default().push(case);
        }
    }
    let mut sum = Sum::default();
    let slowness = slowness()
        * if others == IN_GVISOR {
            GVISOR_SLOWNESS
        } else {
            1
        };
    let wall_ms = (WALL_MS * slowness).to_string();
    for (limits, cases) in &groups {
        let mut settings = settings(limits);
        settings.extend(others);
        if slowness > 1 && !limits.iter().any(|(key, _)| key == "wall_ms_max") {
            let keys = ["wall_ms_max", "admin_wall_ms_max"];
            settings.extend(keys.map(|key| (key, wall_ms.as_str())));
        }
        let server = Server::start(user, &settings);
        run_all(&server, cases, &mut sum);
        server.stop();
    }
    let skipped = if sum.skipped.is_empty() {
        String::new()
    } else {
        let names: Vec<_> = sum.skipped.iter().map(String::as_str).collect();
        format!(": {}", names.join(", "))
    };
    let mut report = format!(
        "{folder} cases{}{}: {} held, {} failed, {} skipped{skipped} ({:.1} s)",
        if others == IN_GVISOR {
            " in gvisor"
        } else {
            ""
        },
        user.words(),
        sum.held,
        sum.failed.len(),
        sum.skipped.len(),
        start.elapsed().as_secs_f64()
    );
    tell(&report);
    for (name, wrong) in &sum.failed {
        write!(report, "\n  {name}").expect("a text takes it");
        for line in wrong {
            write!(report, "\n    {line}").expect("a text takes it");
        }
    }
    assert!(sum.failed.is_empty(), "{report}");
}

/// The server's settings for a case's limits. A case's role must not matter for them.
fn settings(limits: &[(String, String)]) -> Vec<(&str, &str)> {
    let mut settings: Vec<(&str, &str)> = Vec::new();
    for (key, value) in limits {
        settings.push((key, value));
        if key == "wall_ms_max" {
            settings.push(("admin_wall_ms_max", value));
        }
    }
    settings
}

/// The cases that this server's Python is too old for, or has not the modules for, or that are of another
/// tier.
pub(crate) fn lacking(server: &Server, cases: &[Case]) -> BTreeSet<String> {
    let modules: BTreeSet<&String> = cases
        .iter()
        .flat_map(|case| &case.needs)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|module| server.run(&format!("import {module}")).status != 200)
        .collect();
    let print_version = "import platform; print(platform.python_version())";
    let python = server.run(print_version).json();
    let python = python.pointer("/execution_details/stdout");
    let python = python.and_then(Value::as_str).and_then(version);
    let python = python.expect("an admin's program learns the version");
    let isolation = server.isolation();
    let is_lacking = |case: &&Case| {
        let other_tier = !case.tiers.is_empty() && !case.tiers.iter().any(|tier| tier == isolation);
        other_tier
            || case.python.is_some_and(|oldest| python < oldest)
            || case.needs.iter().any(|module| modules.contains(module))
    };
    let names = cases
        .iter()
        .filter(is_lacking)
        .map(|case| case.name.clone());
    names.collect()
}

fn run_all(server: &Server, cases: &[Case], sum: &mut Sum) {
    let lacking = lacking(server, cases);
    let is_lacking = |case: &Case| lacking.contains(&case.name);
    let queue: Mutex<VecDeque<&Case>> = Mutex::new(cases.iter().collect());
    let shared = Mutex::new(std::mem::take(sum));
    let next = || {
        queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = next() {
                    let skipped = is_lacking(case);
                    let wrong = if skipped { Ok(()) } else { run(server, case) };
                    let mut sum = shared.lock().unwrap_or_else(PoisonError::into_inner);
                    match wrong {
                        Ok(()) if skipped => drop(sum.skipped.insert(case.name.clone())),
                        Ok(()) => sum.held += 1,
                        Err(Wrong::Late(_)) => sum.late.push(case.name.clone()),
                        Err(Wrong::Else(lines)) => {
                            sum.failed.insert(case.name.clone(), lines);
                        }
                    }
                }
            });
        }
    });
    *sum = shared.into_inner().unwrap_or_else(PoisonError::into_inner);
    for name in std::mem::take(&mut sum.late) {
        let case = cases.iter().find(|case| case.name == name);
        match run(server, case.expect("it ran before")) {
            Ok(()) => sum.held += 1,
            Err(Wrong::Late(took)) => {
                let line = format!("took {} ms, even alone", took.as_millis());
                sum.failed.insert(name, vec![line]);
            }
            Err(Wrong::Else(lines)) => {
                sum.failed.insert(name, lines);
            }
        }
    }
}

/// How a case did not hold.
pub(crate) enum Wrong {
    /// It came as it must, but late.
    Late(Duration),
    Else(Vec<String>),
}

pub(crate) fn run(server: &Server, case: &Case) -> Result<(), Wrong> {
    let request = request(case);
    let mut outputs = BTreeSet::new();
    let mut slowest = Duration::ZERO;
    for number in 1..=case.runs {
        let start = Instant::now();
        let answer =
            Connection::open(server.address).and_then(|mut connection| connection.ask(&request));
        let answer = answer.map_err(|error| Wrong::Else(vec![format!("no answer: {error}")]))?;
        slowest = slowest.max(start.elapsed());
        let observed = observe(&answer).map_err(|error| Wrong::Else(vec![error]))?;
        let mut wrong = case.compare(server.isolation(), &observed);
        if case.distinct && !outputs.insert(observed.stdout.clone()) {
            wrong.push(format!("run {number} printed what an earlier one did"));
        }
        if !wrong.is_empty() {
            if !observed.stderr.is_empty() {
                let end: Vec<_> = observed.stderr.lines().rev().take(3).collect();
                wrong.push(format!("its standard error ended: {end:?} (last first)"));
            }
            return Err(Wrong::Else(wrong));
        }
    }
    match case.within(server.isolation()) {
        Some(within) if slowest > within * slowness() => Err(Wrong::Late(slowest)),
        _ => Ok(()),
    }
}

/// The request of a case; each caller who counts is another one.
fn request(case: &Case) -> Vec<u8> {
    static CALLERS: AtomicU32 = AtomicU32::new(0);
    let mut body = json!({"code": case.code, "return_files": case.returned});
    if let Some(fields) = body.as_object_mut() {
        if let Some(stdin) = &case.stdin {
            fields.insert("stdin_data".to_owned(), json!(stdin));
        }
        if !case.attachments.is_empty() {
            let attachments = case.attachments.iter().map(|(name, text)| {
                json!({"filename": name, "content_base_64": api::base64::encode(text.as_bytes())})
            });
            fields.insert("attachments".to_owned(), attachments.collect());
        }
        if !case.public {
            fields.insert("api_key".to_owned(), json!(ADMIN_KEY));
        }
    }
    let number = CALLERS.fetch_add(1, Ordering::Relaxed);
    let address = std::net::Ipv4Addr::from_bits(0x0A00_0000 + number).to_string();
    execute(&[("X-Forwarded-For", &address)], &body)
}

/// What an answer tells of the run.
fn observe(answer: &Answer) -> Result<Observed, String> {
    let body = String::from_utf8_lossy(&answer.body);
    let json: Value = serde_json::from_slice(&answer.body)
        .map_err(|error| format!("no JSON ({error}): status {}, {body}", answer.status))?;
    let at = |pointer: &str| json.pointer(pointer);
    let text = |pointer: &str| at(pointer).and_then(Value::as_str).unwrap_or_default();
    let kind = text("/error_details/type");
    let (ending, result) = match (answer.status, kind) {
        (200, "") => ("exited:0".to_owned(), "/execution_details"),
        (400, "TimeoutError") => ("timed_out".to_owned(), "/execution_result"),
        (400, "SyntaxError") => ("unparsable".to_owned(), "/execution_result"),
        (400, "ForbiddenImportError") => ("forbidden_import".to_owned(), "/execution_result"),
        (400, "RuntimeError") => {
            let code = at("/execution_result/exit_code").and_then(Value::as_i64);
            let code = code.ok_or_else(|| format!("no exit code: {body}"))?;
            let ending = if text("/error_details/message").starts_with("memory limit of ") {
                "out_of_memory".to_owned()
            } else if code < 0 {
                format!("signal:{}", -code)
            } else {
                format!("exited:{code}")
            };
            (ending, "/execution_result")
        }
        (status, _) => return Err(format!("status {status}: {body}")),
    };
    let stream = |name: &str| {
        let stream = text(&format!("{result}/{name}"));
        // What was cut says so at its end.
        let note = stream.rfind("\n[output truncated: ");
        let cut = at(&format!("{result}/{name}_truncated")) == Some(&Value::Bool(true));
        let kept = note.filter(|_| cut).and_then(|note| stream.get(..note));
        kept.unwrap_or(stream).to_owned()
    };
    // Where the original's clients expect an empty result, what was used stands beside it.
    let is_empty = at(result)
        .and_then(Value::as_object)
        .is_some_and(serde_json::Map::is_empty);
    let told = if is_empty {
        "/execution_details"
    } else {
        result
    };
    let usage = |key: &str| at(&format!("{told}/usage/{key}"));
    let ran = ending != "unparsable" && ending != "forbidden_import";
    if ran && !usage("wall_ms").is_some_and(Value::is_number) {
        return Err(format!("nothing is said of what was used: {body}"));
    }
    let hit = text(&format!("{told}/limit_hit"));
    let mut observed = Observed {
        ending,
        limit_hit: if hit.is_empty() { "none" } else { hit }.to_owned(),
        counts_processes: usage("processes_peak").is_some_and(Value::is_number),
        stdout: stream("stdout"),
        stderr: stream("stderr"),
        files: Vec::new(),
    };
    if let Some(names) = at("/error_details/disallowed").and_then(Value::as_array) {
        // The answer stands for the line with which the guard inside the run would have ended it.
        let names: Vec<_> = names.iter().filter_map(Value::as_str).collect();
        observed.stderr = format!("ForbiddenImportError: {}\n", names.join(", "));
    }
    let files = at("/execution_details/output_files").and_then(Value::as_object);
    for (name, file) in files.into_iter().flatten() {
        let said = |key: &str| file.get(key).and_then(Value::as_str);
        let file = match (said("content_base64"), said("error")) {
            (Some(content), None) => {
                let bytes = api::base64::decode(content, usize::MAX)
                    .map_err(|error| format!("file {name} is no Base64: {error:?}"))?;
                Ok(String::from_utf8_lossy(&bytes).into_owned())
            }
            (None, Some(error)) => Err(error.to_owned()),
            _ => return Err(format!("file {name} both came and did not: {file}")),
        };
        observed.files.push((name.clone(), file));
    }
    Ok(observed)
}
