//! How a program ended, in words: Python's, from what it wrote last, or ours.

use sandbox::{Captured, Limits};

use crate::figures::size;

/// How the guard inside a run ends a public program that imports what it may not.
const FORBIDDEN_AT_RUN_TIME: &str = "ForbiddenImportError: ";

/// How a traceback begins, at the start of a line.
pub(super) const TRACEBACK: &str = "Traceback (most recent call last):";
/// How the traceback of an exception group begins.
pub(super) const GROUP_TRACEBACK: &str = "  + Exception Group Traceback (most recent call last):";
/// What stands before each line of an exception group.
const GROUP_INDENT: &str = "  | ";
/// What a program that does not compile ends with, where there is no traceback.
const UNCOMPILED: [&str; 3] = ["SyntaxError: ", "IndentationError: ", "TabError: "];

/// Longest part of a program's own words in a message. Characters.
const MESSAGE_CHARACTERS_MAX: usize = 500;

/// The names the guard inside the run refused, if that is how the program ended.
pub(super) fn forbidden_at_run_time(code: i32, stderr: &Captured) -> Option<Vec<String>> {
    if code != 1 || stderr.dropped > 0 {
        return None;
    }
    let text = str::from_utf8(stderr.bytes.trim_ascii_end()).ok()?;
    let names = text
        .lines()
        .next_back()?
        .strip_prefix(FORBIDDEN_AT_RUN_TIME)?;
    let mut found: Vec<String> = Vec::new();
    for name in cut(names).split(", ") {
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') {
            return None; // Not from our guard: it says names only.
        }
        if !name.is_empty() && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The line that names the exception which ended the program, as Python wrote it.
pub(super) fn exception_line(stderr: &Captured) -> Option<String> {
    if stderr.dropped > 0 {
        return None;
    }
    let text = with_plain_newlines(String::from_utf8_lossy(&stderr.bytes).into_owned());
    let lines: Vec<&str> = text.lines().collect();
    let starts = |line: &&str| *line == TRACEBACK || *line == GROUP_TRACEBACK;
    let Some(header) = lines.iter().rposition(starts) else {
        let last = lines.iter().rfind(|line| !line.is_empty())?;
        let names_it = UNCOMPILED.iter().any(|name| last.starts_with(name));
        return names_it.then(|| cut(last));
    };
    let is_group = lines.get(header) == Some(&GROUP_TRACEBACK);
    let indent = if is_group { GROUP_INDENT } else { "" };
    let mut after = lines
        .iter()
        .skip(header + 1)
        .filter_map(|line| line.strip_prefix(indent));
    let line = after.find(|line| !line.starts_with(' ') && !line.is_empty())?;
    // What begins with an empty line says more in the next.
    if line.ends_with(": ")
        && let Some(more) = after.find(|line| !line.trim().is_empty())
    {
        return Some(cut(&format!("{line}{}", more.trim())));
    }
    Some(cut(line))
}

/// The part of a program's own words that a message has.
pub(super) fn cut(text: &str) -> String {
    text.chars().take(MESSAGE_CHARACTERS_MAX).collect()
}

/// Turns `\r\n` and `\r` into `\n`, as Python's universal newlines do.
pub(super) fn with_plain_newlines(text: String) -> String {
    if text.contains('\r') {
        text.replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    }
}

/// What a program was ended for by us, if it was.
pub(super) fn exceeded(
    signal: i32,
    hit: Option<sandbox::LimitHit>,
    limits: Limits,
) -> Option<String> {
    use sandbox::LimitHit::{Cpu, Disk, Processes};
    let exceeded = match (signal, hit?) {
        (_, Cpu) => format!("processor time limit of {} s", limits.cpu_seconds_max),
        (sandbox::SIGKILL, Disk) => format!(
            "limit of {} in {} files",
            size(limits.workspace_bytes_max),
            limits.workspace_files_max
        ),
        (sandbox::SIGKILL, Processes) => format!(
            "limit of {} child processes and threads",
            limits.processes_max
        ),
        _ => return None,
    };
    Some(format!("{exceeded} exceeded"))
}

/// By which signal it ended.
pub(super) fn killed_by(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return format!("killed by signal {signal}"),
    };
    format!("killed by signal {signal} ({name})")
}
