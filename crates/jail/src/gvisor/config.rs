//! What runsc is told: its command line, and the sandbox's description in the form of the Open Container
//! Initiative.

use std::ffi::{CStr, CString};
use std::fmt::Write as _;

use crate::confine::HOST_NAME;
use crate::walls::template;

/// Where runsc itself is, in the root of the sandbox's init.
pub(crate) const RUNSC: &CStr = c"/runsc";
/// Where it keeps what it needs to find the sandbox again: in memory that dies with the init.
pub(crate) const STATE: &str = "/run/state";
/// Where it says why its kernel broke, if it does; not there, or empty, if not.
pub(crate) const PANIC: &str = "/run/panic";
/// Where the description is.
pub(crate) const BUNDLE: &str = "/run/bundle";
/// The one sandbox of its init.
const NAME: &CStr = c"run";

/// The environment of runsc.
pub(crate) const ENVIRONMENT: [&CStr; 2] = [c"PATH=/", c"TMPDIR=/tmp"];

/// The command line; `maps_nobody` is whether its user namespace has a user beside its root.
pub(crate) fn command(maps_nobody: bool) -> Vec<&'static CStr> {
    let mut words = vec![
        c"runsc",
        c"--root=/run/state",
        // Ours is none with an address, but this one has its own.
        c"--network=none",
        // What any host can do; others need devices.
        c"--platform=ptrace",
        // The init has joined the run's.
        c"--ignore-cgroups",
        // Nobody else changes the root, which is read-only, nor the box while the program runs: what the server writes
        // there comes before it. Where the files may change at any time, runsc of 2022 could be crashed by fifos
        // and folders that come and go.
        c"--file-access=exclusive",
        c"--file-access-mounts=exclusive",
        c"--panic-log=/run/panic",
        c"--host-uds=none",
        c"--host-fifo=none",
        c"--overlay2=none",
    ];
    if !maps_nobody {
        words.push(c"--rootless");
    }
    words.extend([c"run", c"--bundle=/run/bundle", NAME]);
    words
}

/// The description of a sandbox in which `user` executes this. Shared memory may have so many bytes.
pub(crate) fn description(
    arguments: &[CString],
    environment: &[CString],
    user: u32,
    shared_bytes_max: u64,
) -> String {
    let list = |strings: &[CString]| {
        let quoted: Vec<_> = strings
            .iter()
            .map(|text| quoted(&text.to_string_lossy()))
            .collect();
        quoted.join(",")
    };
    let (arguments, environment) = (list(arguments), list(environment));
    let host_name = quoted(&HOST_NAME.to_string_lossy());
    let (root, own) = (template::ROOT, template::BOX);
    // Semaphores lie in /dev/shm, and two processes that open one wait for each other in vain if it is not the
    // sandbox's own. Without a mount of its own /tmp would be memory without a bound. A device folder that is read-only
    // would refuse writing to /dev/null. An empty /sys hides this kernel's.
    format!(
        r#"{{"ociVersion":"1.0.2",
"process":{{"terminal":false,"user":{{"uid":{user},"gid":{user}}},"args":[{arguments}],"env":[{environment}],"cwd":"/",
"noNewPrivileges":true,
"capabilities":{{"bounding":[],"effective":[],"inheritable":[],"permitted":[],"ambient":[]}}}},
"root":{{"path":"{root}","readonly":true}},"hostname":{host_name},
"mounts":[
{{"destination":"/proc","type":"proc","source":"proc"}},
{{"destination":"/dev","type":"devtmpfs","source":"none"}},
{{"destination":"/sys","type":"tmpfs","source":"none","options":["ro","size=4096","mode=755"]}},
{{"destination":"{own}","type":"bind","source":"{own}","options":["rw","nosuid","nodev","noexec"]}},
{{"destination":"/tmp","type":"bind","source":"{own}/tmp","options":["rw","nosuid","nodev","noexec"]}},
{{"destination":"/dev/shm","type":"tmpfs","source":"none","options":["nosuid","nodev","noexec","mode=1777","size={shared_bytes_max}"]}}],
"linux":{{"namespaces":[{{"type":"pid"}},{{"type":"mount"}},{{"type":"ipc"}},{{"type":"uts"}},{{"type":"network"}}]}}}}"#
    )
}

/// A text as JSON writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            character if character < ' ' => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_get_out_of_its_quotes() {
        assert_eq!(quoted("a\"b\\c\nd é"), "\"a\\\"b\\\\c\\u000ad é\"");
    }

    #[test]
    fn who_maps_nobody_else_says_so() {
        let has = |maps| command(maps).contains(&c"--rootless");
        assert!(has(false) && !has(true));
    }

    #[test]
    fn the_program_and_its_user_are_in_the_description() {
        let text = description(&[c"/a \"b".into()], &[c"X=1".into()], 7, 4096);
        assert!(
            text.contains(r#""args":["/a \"b"],"env":["X=1"]"#),
            "{text}"
        );
        assert!(text.contains(r#""user":{"uid":7,"gid":7}"#), "{text}");
    }
}
