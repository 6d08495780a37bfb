//! Who starts the server, and the Python environment that is theirs.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, OnceLock, PoisonError};

use syscalls::x86_64::Sysno;
use tempfile::TempDir;

/// A user that is nobody's; also the group.
const ORDINARY: u32 = 65_001;

/// Who a server is started as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum User {
    /// Whoever runs the tests.
    Ourselves,
    /// An ordinary user, where root runs the tests.
    Ordinary,
    /// An ordinary user in what a container is by default: no namespaces, no capabilities.
    Container,
}

/// What container engines let nobody call that has no capability for it, beside `clone` with the flags of
/// namespaces and `clone3`: the calls that Docker's default profile leaves out.
const CONTAINER_REFUSES: [Sysno; 62] = {
    use Sysno::*;
    [
        _sysctl,
        acct,
        add_key,
        afs_syscall,
        bpf,
        chroot,
        clock_settime,
        create_module,
        delete_module,
        fanotify_init,
        finit_module,
        fsconfig,
        fsmount,
        fsopen,
        fspick,
        get_kernel_syms,
        get_mempolicy,
        getpmsg,
        init_module,
        io_uring_enter,
        io_uring_register,
        io_uring_setup,
        ioperm,
        iopl,
        kcmp,
        kexec_file_load,
        kexec_load,
        keyctl,
        lookup_dcookie,
        mbind,
        migrate_pages,
        mount,
        mount_setattr,
        move_mount,
        move_pages,
        nfsservctl,
        open_by_handle_at,
        open_tree,
        perf_event_open,
        pidfd_getfd,
        pivot_root,
        process_madvise,
        putpmsg,
        query_module,
        quotactl,
        quotactl_fd,
        reboot,
        request_key,
        set_mempolicy,
        setdomainname,
        sethostname,
        setns,
        settimeofday,
        swapoff,
        swapon,
        syslog,
        umount2,
        unshare,
        uselib,
        userfaultfd,
        vhangup,
        vserver,
    ]
};

/// The program and its environment, where one user reaches them.
#[derive(Debug)]
struct Place {
    program: PathBuf,
    /// What lasts from one run of the tests to the next.
    data: PathBuf,
    python: Option<PathBuf>,
}

impl User {
    /// The number of the user that exists for these tests only.
    pub(crate) fn throw_away(self) -> Option<u32> {
        match self {
            Self::Ourselves => None,
            Self::Ordinary => Some(ORDINARY),
            Self::Container => rustix::process::geteuid().is_root().then_some(ORDINARY),
        }
    }

    /// Words for a line about this user.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Ourselves => "",
            Self::Ordinary => ", for an ordinary user",
            Self::Container => ", in a container",
        }
    }

    /// Whether the host gives this user namespaces.
    pub(crate) fn has_namespaces(self) -> bool {
        static OURS: OnceLock<bool> = OnceLock::new();
        let try_one = || {
            let tried = new_command("unshare").args(["--user", "true"]).output();
            tried.is_ok_and(|output| output.status.success())
        };
        match self {
            Self::Ourselves => *OURS.get_or_init(try_one),
            Self::Ordinary => true,
            Self::Container => false,
        }
    }

    /// The other user to test as, or why there is none.
    pub(crate) fn ordinary() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("we are an ordinary user already".to_owned());
        }
        let mut namespaces = as_ordinary("unshare");
        namespaces.args(["--user", "--map-root-user", "true"]);
        let output = namespaces
            .output()
            .map_err(|error| format!("setpriv (of util-linux) does not start: {error}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(format!(
                "this host gives ordinary users no namespaces: {}",
                said.trim()
            ));
        }
        python_for_all().ok_or("no python3 that an ordinary user reaches")?;
        Ok(Self::Ordinary)
    }

    /// A container to test in, or why there is none.
    pub(crate) fn container() -> Result<Self, String> {
        let abi = jail::sys::landlock_abi().unwrap_or(0);
        if abi < jail::walls::landlock::ABI_MIN_ALONE {
            return Err(format!("this kernel has Landlock ABI {abi}"));
        }
        if rustix::process::geteuid().is_root() {
            python_for_all().ok_or("no python3 that an ordinary user reaches")?;
        }
        let made = Self::Container.command("true").output();
        match made {
            Ok(output) if output.status.success() => Ok(Self::Container),
            Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// An ordinary user to test as, whoever we are; or why there is none.
    pub(crate) fn no_root() -> Result<Self, String> {
        if rustix::process::geteuid().is_root() {
            Self::ordinary()
        } else {
            Ok(Self::Ourselves)
        }
    }

    /// Another program, started as this user.
    pub(crate) fn command(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Ourselves => new_command(program),
            Self::Ordinary => as_ordinary(program),
            Self::Container => in_container(program),
        }
    }

    /// The program under test, started as this user, with none of this process's settings.
    pub(crate) fn hognose(self) -> Command {
        let mut command = self.command(&self.place().program);
        let ours = |name: &str| name.starts_with("HOGNOSE_") || name == "PYTHON_EXE_KEY";
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(ours) {
                command.env_remove(name);
            }
        }
        command
    }

    /// A folder for one test, which the user may write to.
    pub(crate) fn folder(self) -> TempDir {
        let data = &self.place().data;
        let folder = tempfile::Builder::new().prefix("test-").tempdir_in(data);
        let folder = folder.expect("our own folder can be written");
        self.give(folder.path());
        folder
    }

    fn give(self, path: &Path) {
        if let Some(user) = self.throw_away() {
            chown(path, Some(user), Some(user)).expect("root gives away what it made");
        }
    }

    /// The environment to run programs on, made on the first use and kept for the next time.
    pub(crate) fn environment(self) -> PathBuf {
        static MADE: Mutex<Vec<User>> = Mutex::new(Vec::new());
        let place = self.place();
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if !made.contains(&self) {
            let mut command = self.hognose();
            command.args(["run", "/dev/null", "--data-dir"]);
            command.arg(&place.data);
            if let Some(python) = &place.python {
                command.arg("--python").arg(python);
            }
            // Progress goes to the terminal: the first time takes ten seconds.
            let status = command.stdin(Stdio::null()).status();
            let status = status.expect("cargo has built it");
            assert!(
                status.success(),
                "hognose cannot run an empty program, see above"
            );
            made.push(self);
        }
        place.data.join("environment")
    }

    /// A folder that lasts from one run of the tests to the next, where this user may read.
    pub(crate) fn lasting(self, name: &str) -> PathBuf {
        self.place().data.join(name)
    }

    fn place(self) -> &'static Place {
        static OURSELVES: OnceLock<Place> = OnceLock::new();
        static ORDINARY_USER: OnceLock<Place> = OnceLock::new();
        match self {
            Self::Ourselves => OURSELVES.get_or_init(|| Place {
                program: PathBuf::from(env!("CARGO_BIN_EXE_hognose")),
                data: made(&kept("ourselves")),
                python: None,
            }),
            Self::Container if self.throw_away().is_none() => Self::Ourselves.place(),
            Self::Ordinary | Self::Container => ORDINARY_USER.get_or_init(|| {
                let folder = reachable_folder();
                let program = folder.join("hognose");
                // Renamed into place: the one that is there may be running.
                let beside = folder.join(format!("hognose-{}", std::process::id()));
                fs::copy(env!("CARGO_BIN_EXE_hognose"), &beside).expect("cargo has built it");
                let all = fs::Permissions::from_mode(0o755);
                fs::set_permissions(&beside, all).expect("it is ours");
                fs::rename(&beside, &program).expect("it is ours");
                Place {
                    program,
                    data: folder,
                    python: python_for_all(),
                }
            }),
        }
    }
}

/// A folder below cargo's, which lasts.
fn kept(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn made(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).expect("cargo's folder can be written");
    folder.to_owned()
}

/// A folder of the ordinary user's: cargo's where they reach it, else one that a reboot removes.
fn reachable_folder() -> PathBuf {
    for folder in [
        kept("ordinary"),
        std::env::temp_dir().join("system-tests-of-an-ordinary-user"),
    ] {
        made(&folder);
        User::Ordinary.give(&folder);
        let reaches = as_ordinary("test").arg("-w").arg(&folder).status();
        if reaches.is_ok_and(|status| status.success()) {
            return folder;
        }
    }
    panic!("an ordinary user can write nowhere")
}

/// A python3 that will do and that every user reaches.
fn python_for_all() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let folders = ["/usr/bin", "/usr/local/bin", "/bin"];
        let mut candidates = folders
            .iter()
            .map(|folder| Path::new(folder).join("python3"));
        candidates.find(|python| {
            let mut old_enough = as_ordinary(python);
            old_enough.args(["-c", "import sys; sys.exit(sys.version_info < (3, 10))"]);
            let status = old_enough.stderr(Stdio::null()).status();
            status.is_ok_and(|status| status.success())
        })
    };
    FOUND.get_or_init(find).clone()
}

/// A command that gives up being root first.
fn as_ordinary(program: impl AsRef<OsStr>) -> Command {
    let mut command = new_command("setpriv");
    command
        .arg(format!("--reuid={ORDINARY}"))
        .arg(format!("--regid={ORDINARY}"))
        .args(["--clear-groups", "--"])
        .arg(program);
    command.env("HOME", "/nonexistent").current_dir("/");
    command
}

/// A command that gives up what a container's processes do not have first.
fn in_container(program: impl AsRef<OsStr>) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/system/harness/container.py");
    let script = fs::read_to_string(script).expect("it stands beside this file");
    let numbers = CONTAINER_REFUSES
        .map(|call| call.id().to_string())
        .join(",");
    let python = python_for_all().unwrap_or_else(|| PathBuf::from("python3"));
    // By the shell's search, since nothing is searched for later.
    let program = match Path::new(program.as_ref()).is_absolute() {
        true => program.as_ref().to_owned(),
        false => Path::new("/bin").join(program.as_ref()).into_os_string(),
    };
    let mut command = new_command(python);
    command.args(["-I", "-c", &script, &ORDINARY.to_string(), &numbers]);
    command
        .arg(program)
        .env("HOME", "/nonexistent")
        .current_dir("/");
    command
}

#[expect(clippy::disallowed_methods, reason = "a test starts what it tests")]
pub(crate) fn new_command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}
