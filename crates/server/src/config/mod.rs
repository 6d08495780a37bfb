//! Settings: read once, at start, from defaults, a file, the environment and flags.
//!
//! `default.toml` is the documentation of every key. This is the only place that looks at the
//! environment, and it is given it, so that tests own it.

mod admin_key;
mod contradictions;
mod layers;

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use sandbox::{CollectLimits, Isolation, Kind, Limits, PoolSettings, Runtime, Setup, Tier};

pub use admin_key::AdminKey;
use layers::Layers;
pub use layers::{ConfigError, Flags, admin_key_to_send};

/// Every setting, checked.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The folder of what outlives the process.
    pub data_dir: PathBuf,
    /// The python3 that makes our own environment; `None` is the first on the PATH.
    pub python: Option<PathBuf>,
    /// An existing environment to run programs on, instead of our own.
    pub environment: Option<PathBuf>,
    /// What is logged.
    pub log: tracing::level_filters::LevelFilter,
    /// The admin key's digest, if there is an admin.
    pub admin_key: Option<AdminKey>,
    /// Networks whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Requests a minute and public caller.
    pub requests_per_minute: u32,
    /// Requests a UTC day and public caller.
    pub requests_per_day: u32,
    /// Programs at once.
    pub concurrent_max: usize,
    /// What holds for a public caller.
    pub public: RoleLimits,
    /// What holds for an admin.
    pub admin: RoleLimits,
    /// Files that come with a request.
    pub attachments_max: usize,
    /// Largest of them, decoded. Bytes.
    pub attachment_bytes_max: usize,
    /// Top-level modules a public program may import.
    pub imports_allowed: Vec<String>,
    /// What may wall programs in.
    pub isolation: Isolation,
    /// gVisor's program, if not where packages put it.
    pub runsc: Option<PathBuf>,
    /// What the jail enforces.
    pub limits: Limits,
    /// Whether the limit on processor time is the wall clock's, as none was set.
    pub cpu_follows_wall: bool,
    /// Kept of each of stdout and stderr. Bytes.
    pub output_bytes_max: usize,
    /// Bounds on the files that come back.
    pub collect: CollectLimits,
    /// Whether answers have `usage` and `limit_hit`.
    pub usage_in_answers: bool,
    /// Units kept ready.
    pub pool: PoolSettings,
    /// What holds for connections.
    pub http: HttpLimits,
    /// What to tell the operator once there is a log: settings that were seen and not used.
    pub remarks: Vec<String>,
}

impl Config {
    /// Where a browser on this host finds the server.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            // Every address of the host is meant; this one is always there.
            address.set_ip(match address {
                SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        format!("http://{address}")
    }

    /// What the description of the service tells of the settings.
    #[must_use]
    pub const fn told(&self) -> api::Told {
        api::Told {
            code_characters_max: self.public.code_characters_max,
            admin_code_characters_max: self.admin.code_characters_max,
            attachments_max: self.attachments_max,
            attachment_bytes_max: self.attachment_bytes_max,
            body_bytes_max: self.http.body_bytes_max,
        }
    }
}

/// Limits that can differ by role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoleLimits {
    /// Longest program. Unicode code points; enforced by `policy`.
    pub code_characters_max: usize,
    /// Longest run. Enforced by the jail.
    pub wall_max: Duration,
}

/// What holds for connections. Enforced by `http`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Largest request body. Bytes; beyond it: 413.
    pub body_bytes_max: usize,
    /// All request bodies at hand together. Bytes; beyond it: 503.
    pub bodies_bytes_max: usize,
    /// All answers that wait to be read, together, but for small ones. Bytes; beyond it: 503.
    pub answers_bytes_max: usize,
    /// Connections at once.
    pub connections_max: usize,
    /// Connections of one address at once, but of trusted proxies.
    pub connections_by_address_max: usize,
    /// Longest wait for the head of a request.
    pub header_max: Duration,
    /// Longest time a body may take to arrive.
    pub body_max: Duration,
    /// Longest time a client may leave an answer unread, and read it slower than a body may come.
    pub write_stall_max: Duration,
}

/// Reads every setting: defaults, then `file`, then `environment`, then `flags`; the later wins.
///
/// `flags` maps keys of `default.toml` to values written as in a variable.
///
/// # Errors
///
/// [`ConfigError`] names the key, where its value came from, and what would be valid.
pub fn load(
    file: Option<&Path>,
    flags: &Flags,
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, ConfigError> {
    let environment: Vec<(OsString, OsString)> = environment.into_iter().collect();
    let mut layers = Layers::defaults();
    if let Some(file) = file {
        layers.overlay_file(file)?;
    }
    let mut remarks = layers.overlay_environment(&environment)?;
    layers.overlay_flags(flags)?;
    let admin_key = layers.text_up_to("admin_key", admin_key::KEY_BYTES_MAX)?;
    if (1..admin_key::SHORT_BYTES).contains(&admin_key.len()) {
        remarks
            .push("the admin key is short enough to be guessed; take a long random one".to_owned());
    }

    let public = role(&layers, "code_characters_max", "wall_ms_max")?;
    let admin = role(&layers, "admin_code_characters_max", "admin_wall_ms_max")?;
    let concurrent_max = layers.number("concurrent_max", 1..=1000)?;
    let (limits, cpu_follows_wall) = limits(&layers, public.wall_max.max(admin.wall_max))?;
    let data_dir = match layers.path("data_dir")? {
        Some(path) => path,
        None => default_data_dir(&environment)?,
    };
    let mut config = Config {
        listen: layers.parsed(
            "listen",
            "an address and a port, for instance 127.0.0.1:5000",
        )?,
        data_dir,
        python: layers.path("python")?,
        environment: layers.path("environment")?,
        log: layers.parsed("log", "off, error, warn, info, debug or trace")?,
        admin_key: AdminKey::new(admin_key),
        trusted_proxies: layers.list("trusted_proxies", "networks as CIDR, or none", |text| {
            let address = text
                .parse()
                .map(|ip: std::net::IpAddr| IpNet::from(ip))
                .ok();
            address.or_else(|| text.parse().ok())
        })?,
        requests_per_minute: layers.number("requests_per_minute", 1..=1_000_000)?,
        requests_per_day: layers.number("requests_per_day", 1..=1_000_000_000)?,
        concurrent_max,
        public,
        admin,
        attachments_max: layers.number("attachments_max", 0..=64)?,
        attachment_bytes_max: layers.number("attachment_bytes_max", 1..=1 << 30)?,
        imports_allowed: imports_allowed(&layers)?,
        isolation: isolation(&layers)?,
        runsc: layers.path("runsc")?,
        limits,
        cpu_follows_wall,
        output_bytes_max: layers.number("output_bytes_max", 1024..=1 << 30)?,
        collect: CollectLimits {
            file_bytes_max: layers.number("return_file_bytes_max", 0..=1 << 30)?,
            total_bytes_max: layers.number("return_total_bytes_max", 0..=1 << 30)?,
            names_max: layers.number("return_names_max", 0..=10_000)?,
        },
        usage_in_answers: layers.truth("usage_in_answers")?,
        pool: pool(&layers, concurrent_max)?,
        http: http(&layers)?,
        remarks,
    };
    config.remarks.extend(contradictions::of(&config));
    Ok(config)
}

fn role(layers: &Layers, code: &str, wall: &str) -> Result<RoleLimits, ConfigError> {
    Ok(RoleLimits {
        code_characters_max: layers.number(code, 1..=CODE_CHARACTERS_MAX)?,
        wall_max: layers.milliseconds(wall, 10..=HOUR_MS)?,
    })
}

/// What the jail enforces, and whether the limit on processor time follows from the longest run.
fn limits(layers: &Layers, wall_max: Duration) -> Result<(Limits, bool), ConfigError> {
    let cpu_seconds = layers.number("cpu_seconds_max", 0..=HOUR_MS / 1000)?;
    let follows_wall = cpu_seconds == 0;
    let limits = Limits {
        memory_bytes_max: layers.number("memory_bytes_max", 64 << 20..=1 << 40)?,
        processes_max: layers.number("processes_max", 0..=10_000)?,
        workspace_bytes_max: layers.number("workspace_bytes_max", 1 << 20..=1 << 40)?,
        workspace_files_max: layers.number("workspace_files_max", 16..=10_000_000)?,
        cpu_seconds_max: if follows_wall {
            cpu_seconds_max(wall_max)
        } else {
            cpu_seconds
        },
    };
    Ok((limits, follows_wall))
}

fn isolation(layers: &Layers) -> Result<Isolation, ConfigError> {
    let isolation = Isolation {
        tier: tier(layers, "isolation", Some("auto"))?,
        min: tier(layers, "isolation_min", None)?.unwrap_or(Tier::Landlock),
    };
    if isolation.candidates().next().is_none() {
        let least = isolation.min.name();
        let wanted = format!("no weaker than isolation_min, which is {least}");
        return Err(layers.refuse("isolation", wanted));
    }
    Ok(isolation)
}

fn imports_allowed(layers: &Layers) -> Result<Vec<String>, ConfigError> {
    let modules = layers.list("imports_allowed", "top-level module names", module_name)?;
    if modules.iter().map(String::len).sum::<usize>() > IMPORTS_BYTES_MAX {
        let wanted = format!("at most {IMPORTS_BYTES_MAX} bytes of module names");
        return Err(layers.refuse("imports_allowed", wanted));
    }
    Ok(modules)
}

fn pool(layers: &Layers, concurrent_max: usize) -> Result<PoolSettings, ConfigError> {
    let core = Some(layers.number("pool_core", 0..=1000)?).filter(|units| *units > 0);
    Ok(PoolSettings {
        core: core.unwrap_or(POOL_CORE_MIN),
        core_with_running: match core {
            Some(_) => 0,
            None => concurrent_max.min(POOL_CORE_MAX),
        },
        numpy: layers.number("pool_numpy", 0..=1000)?,
        full: layers.number("pool_full", 0..=1000)?,
    })
}

fn http(layers: &Layers) -> Result<HttpLimits, ConfigError> {
    Ok(HttpLimits {
        body_bytes_max: layers.number("body_bytes_max", 1024..=1 << 30)?,
        bodies_bytes_max: layers.number("bodies_bytes_max", 1024..=1 << 40)?,
        answers_bytes_max: layers.number("answers_bytes_max", 1024..=1 << 40)?,
        connections_max: layers.number("connections_max", 1..=1_000_000)?,
        connections_by_address_max: layers.number("connections_by_address_max", 1..=1_000_000)?,
        header_max: layers.milliseconds("header_ms_max", 10..=HOUR_MS)?,
        body_max: layers.milliseconds("body_ms_max", 10..=HOUR_MS)?,
        write_stall_max: layers.milliseconds("write_stall_ms_max", 10..=HOUR_MS)?,
    })
}

impl Config {
    /// What a keeper of this tier is told, by these settings.
    #[must_use]
    pub fn setup(&self, tier: Tier, runtime: &Runtime, kinds: &[Kind]) -> Setup {
        Setup {
            tier,
            runsc: self.runsc.clone(),
            scratch: self.data_dir.clone(),
            runtime: runtime.clone(),
            limits: self.limits,
            imports_allowed: self.imports_allowed.clone(),
            kinds: kinds.to_vec(),
        }
    }
}

/// A tier by its name; `none` names the choice of no tier in particular, if there is one.
fn tier(layers: &Layers, key: &str, none: Option<&str>) -> Result<Option<Tier>, ConfigError> {
    let names = none.into_iter().chain(Tier::ALL.map(Tier::name));
    let wanted = names.collect::<Vec<_>>().join(" or ");
    let text = layers.text(key)?;
    if Some(text) == none {
        return Ok(None);
    }
    let named = Tier::ALL.into_iter().find(|tier| tier.name() == text);
    named.map(Some).ok_or_else(|| layers.refuse(key, wanted))
}

/// `default.toml`: every key with its unit, its default and the reason for it.
pub const DEFAULTS: &str = include_str!("../../default.toml");

/// Longest program that may be allowed. Code points; the import scan's stack grows with it.
const CODE_CHARACTERS_MAX: u64 = 100_000;

/// Longest list of modules, without what stands between them. Bytes; the keeper is told all in one message.
const IMPORTS_BYTES_MAX: usize = 6 << 10;

/// Longest time of any kind. Milliseconds.
const HOUR_MS: u64 = 3_600_000;

/// How many units of the core kind wait at least where no setting says so.
const POOL_CORE_MIN: usize = 5;
/// How many of them there are then for a burst. A process on the host has ten descriptors for each, and a thousand where
/// nobody raised its limit.
const POOL_CORE_MAX: usize = 50;

/// Processor time of one process: the longest wall clock and one second more.
fn cpu_seconds_max(wall_max: Duration) -> u32 {
    u32::try_from(wall_max.as_millis().div_ceil(1000) + 1).unwrap_or(u32::MAX)
}

fn module_name(text: &str) -> Option<String> {
    let plain = text.chars().all(|c| c.is_alphanumeric() || c == '_');
    (plain && !text.is_empty()).then(|| text.to_owned())
}

/// Where data lies unless told: by who runs the server.
fn default_data_dir(environment: &[(OsString, OsString)]) -> Result<PathBuf, ConfigError> {
    if rustix::process::geteuid().is_root() {
        return Ok(PathBuf::from("/var/lib/hognose"));
    }
    let folder = |name: &str| {
        let found = environment.iter().find(|(key, _)| key == name);
        let path = found.map(|(_, value)| PathBuf::from(value));
        path.filter(|path| path.is_absolute())
    };
    folder("XDG_DATA_HOME")
        .or_else(|| folder("HOME").map(|home| home.join(".local/share")))
        .map(|base| base.join("hognose"))
        .ok_or(ConfigError::NoDataDir)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        let home = ("HOME", "/home/someone");
        let all = variables.iter().chain([&home]);
        load(
            None,
            &Flags::new(),
            all.map(|(key, value)| (OsString::from(key), OsString::from(value))),
        )
    }

    fn refusal(key: &str, value: &str) -> String {
        with(&[(key, value)]).unwrap_err().to_string()
    }

    #[test]
    fn isolation_is_named_or_chosen_down_to_a_floor() {
        let isolation = |variables: &[_]| with(variables).unwrap().isolation;
        let (native, landlock) = (Tier::Native, Tier::Landlock);
        let expected = |tier, min| Isolation { tier, min };
        assert_eq!(isolation(&[]), expected(None, landlock));
        let named = isolation(&[("HOGNOSE_ISOLATION", "landlock")]);
        assert_eq!(named, expected(Some(landlock), landlock));
        let floor = isolation(&[("HOGNOSE_ISOLATION_MIN", "native")]);
        assert_eq!(floor, expected(None, native));
        let strongest = isolation(&[("HOGNOSE_ISOLATION", "gvisor")]);
        assert_eq!(strongest, expected(Some(Tier::Gvisor), landlock));
        let all = "gvisor or native or landlock";
        let refused = refusal("HOGNOSE_ISOLATION", "docker");
        assert!(refused.contains(&format!("auto or {all}")), "{refused}");
        let refused = refusal("HOGNOSE_ISOLATION_MIN", "auto");
        assert!(refused.contains(all), "{refused}");
    }

    #[test]
    fn settings_that_contradict_each_other_are_told_before_the_start() {
        let below = [
            ("HOGNOSE_ISOLATION", "landlock"),
            ("HOGNOSE_ISOLATION_MIN", "native"),
        ];
        let refused = with(&below).unwrap_err().to_string();
        let expected = "cannot use isolation from HOGNOSE_ISOLATION: it must be no weaker than isolation_min, which is native";
        assert_eq!(refused, expected);
        let many: Vec<_> = (0..1000).map(|n| format!("module{n}")).collect();
        let refused = refusal("HOGNOSE_IMPORTS_ALLOWED", &many.join(","));
        assert!(refused.contains("at most 6144 bytes"), "{refused}");
    }

    #[test]
    fn settings_that_leave_no_room_for_others_are_remarked_upon() {
        assert_eq!(with(&[]).unwrap().remarks, [""; 0]);
        let least_answers = (12 * 4_194_304 + 4 * 33_554_432_usize.div_ceil(3)).to_string();
        for (key, least, remarked) in [
            (
                "HOGNOSE_WORKSPACE_BYTES_MAX",
                "16777216",
                "attachment_bytes_max",
            ),
            ("HOGNOSE_BODY_BYTES_MAX", "22369624", "attachment_bytes_max"),
            ("HOGNOSE_BODIES_BYTES_MAX", "26214400", "body_bytes_max"),
            (
                "HOGNOSE_ANSWERS_BYTES_MAX",
                &least_answers,
                "return_total_bytes_max",
            ),
        ] {
            assert_eq!(with(&[(key, least)]).unwrap().remarks, [""; 0], "{key}");
            let less = (least.parse::<u64>().unwrap() - 1).to_string();
            let remarks = with(&[(key, &less)]).unwrap().remarks;
            let [remark] = &*remarks else {
                panic!("{key}: {remarks:?}");
            };
            let told = [&*less, least, remarked];
            assert!(told.iter().all(|told| remark.contains(told)), "{remark}");
        }
    }

    #[test]
    fn the_defaults_are_the_contract() {
        let config = with(&[]).unwrap();
        assert_eq!(config.listen.to_string(), "127.0.0.1:5000");
        assert_eq!(
            (config.requests_per_minute, config.requests_per_day),
            (5, 30)
        );
        assert_eq!((config.concurrent_max, config.pool.core), (5, 5));
        assert_eq!(config.public, config.admin);
        assert_eq!(config.public.code_characters_max, 2000);
        assert_eq!(config.public.wall_max, Duration::from_secs(10));
        assert_eq!(config.attachment_bytes_max, 8_388_608);
        assert_eq!(config.limits.memory_bytes_max, 536_870_912);
        assert_eq!(config.limits.cpu_seconds_max, 11);
        assert!(config.cpu_follows_wall && config.usage_in_answers);
        assert!(config.admin_key.is_none());
        assert_eq!(config.trusted_proxies.len(), 2);
        assert!(config.imports_allowed.iter().any(|name| name == "sys"));
        assert_eq!(config.imports_allowed.len(), 36);
    }

    #[test]
    fn the_description_that_is_checked_in_is_that_of_a_server_with_the_defaults() {
        let described = api::openapi(&with(&[]).unwrap().told());
        let mut described = serde_json::to_string_pretty(&described).unwrap();
        described.push('\n');
        let file = Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/openapi.json"
        ));
        if std::fs::read_to_string(file).ok().as_ref() == Some(&described) {
            return;
        }
        let right = std::env::temp_dir().join("openapi.json");
        std::fs::write(&right, described).unwrap();
        panic!("docs/openapi.json differs from the types; {right:?} is what they say");
    }

    #[test]
    fn variables_overlay_defaults_and_flags_overlay_variables() {
        let environment = [
            ("HOGNOSE_LISTEN", "0.0.0.0:80"),
            ("HOGNOSE_CONCURRENT_MAX", "7"),
            ("HOGNOSE_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("HOGNOSE_USAGE_IN_ANSWERS", "false"),
            ("HOGNOSE_CPU_SECONDS_MAX", "3"),
            ("HOME", "/h"),
        ];
        let flags = Flags::from([("concurrent_max".to_owned(), "9".to_owned())]);
        let environment = environment.map(|(k, v)| (OsString::from(k), OsString::from(v)));
        let config = load(None, &flags, environment).unwrap();
        assert_eq!(config.listen.port(), 80);
        assert_eq!(config.concurrent_max, 9);
        assert!(!config.usage_in_answers && !config.cpu_follows_wall);
        assert_eq!(config.limits.cpu_seconds_max, 3);
        let proxies: Vec<String> = config
            .trusted_proxies
            .iter()
            .map(IpNet::to_string)
            .collect();
        assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32"]);
    }

    #[test]
    fn as_many_units_wait_as_may_run_at_once_unless_a_setting_says_otherwise() {
        for (concurrent_max, pool_core, waiting) in [
            ("1", "0", (5, 1)),
            ("20", "0", (5, 20)),
            ("1000", "0", (5, 50)),
            ("50", "2", (2, 0)),
        ] {
            let config = with(&[
                ("HOGNOSE_CONCURRENT_MAX", concurrent_max),
                ("HOGNOSE_POOL_CORE", pool_core),
            ]);
            let pool = config.unwrap().pool;
            assert_eq!((pool.core, pool.core_with_running), waiting);
        }
    }

    #[test]
    fn none_trusts_nobody() {
        let config = with(&[("HOGNOSE_TRUSTED_PROXIES", "none")]).unwrap();
        assert_eq!(config.trusted_proxies, []);
    }

    #[test]
    fn the_admin_key_comes_from_either_name_and_ours_wins() {
        let old = with(&[("PYTHON_EXE_KEY", "old")])
            .unwrap()
            .admin_key
            .unwrap();
        assert!(old.is("old"));
        let both = with(&[("PYTHON_EXE_KEY", "old"), ("HOGNOSE_ADMIN_KEY", "new")]);
        let both = both.unwrap().admin_key.unwrap();
        assert!(both.is("new") && !both.is("old"));
        assert!(!format!("{both:?}").contains("new"));
    }

    #[test]
    fn an_empty_admin_key_is_refused() {
        for name in ["HOGNOSE_ADMIN_KEY", "PYTHON_EXE_KEY"] {
            assert_eq!(
                refusal(name, ""),
                format!("{name} is set but empty: give it a key, or unset it to have no admin")
            );
        }
    }

    #[test]
    fn a_bad_value_names_its_key_and_what_is_valid() {
        assert_eq!(
            refusal("HOGNOSE_CONCURRENT_MAX", "0"),
            "cannot use concurrent_max from HOGNOSE_CONCURRENT_MAX: \
             it must be a whole number from 1 to 1000"
        );
        assert_eq!(
            refusal("HOGNOSE_WALL_MS_MAX", "fast"),
            "cannot use wall_ms_max from HOGNOSE_WALL_MS_MAX: it must be a whole number"
        );
        assert_eq!(
            refusal("HOGNOSE_LISTEN", "5000"),
            "cannot use listen from HOGNOSE_LISTEN: \
             it must be an address and a port, for instance 127.0.0.1:5000"
        );
        assert_eq!(
            refusal("HOGNOSE_TRUSTED_PROXIES", "10.0.0.0/8,proxy"),
            "cannot use trusted_proxies from HOGNOSE_TRUSTED_PROXIES: \
             it must be networks as CIDR, or none"
        );
    }

    #[test]
    fn a_variable_that_is_no_setting_is_remarked_upon() {
        let config = with(&[("HOGNOSE_CONCURENT_MAX", "3")]).unwrap();
        assert_eq!(
            config.remarks,
            ["HOGNOSE_CONCURENT_MAX is no setting and was not used"]
        );
    }

    #[test]
    fn a_file_overlays_defaults_and_an_unknown_key_stops_the_start() {
        let folder = std::env::temp_dir().join(format!("hognose-config-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("good.toml");
        std::fs::write(&file, "concurrent_max = 3\nimports_allowed = [\"math\"]\n").unwrap();
        let environment = || [(OsString::from("HOME"), OsString::from("/h"))];
        let config = load(Some(&file), &Flags::new(), environment()).unwrap();
        assert_eq!(
            (config.concurrent_max, config.imports_allowed.len()),
            (3, 1)
        );

        let wrong = |text: &str| {
            let file = folder.join("bad.toml");
            std::fs::write(&file, text).unwrap();
            load(Some(&file), &Flags::new(), environment())
                .unwrap_err()
                .to_string()
        };
        let place = folder.join("bad.toml").display().to_string();
        assert_eq!(
            wrong("concurrent = 3"),
            format!("{place} has an unknown key: concurrent")
        );
        assert_eq!(
            wrong("concurrent_max = \"3\""),
            format!("cannot use concurrent_max from {place}: it must be a whole number")
        );
        assert!(
            wrong("\nconcurrent_max = ").starts_with(&format!("cannot read {place}, line 2: "))
        );
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_said_of_a_bad_file_does_not_quote_the_admin_key() {
        let folder = std::env::temp_dir().join(format!("hognose-quote-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("bad.toml");
        for text in [
            "admin_key = \"secret",
            "admin_key = \"secret\" x",
            "admin_key = secret",
            "admin_key = \"secret\"\nadmin_key = \"secret\"",
            "admin_key = [\"secret\"]",
        ] {
            std::fs::write(&file, text).unwrap();
            let error = load(Some(&file), &Flags::new(), []).unwrap_err();
            let mut chain = format!("{error:?}");
            let mut next: Option<&dyn std::error::Error> = Some(&error);
            while let Some(error) = next {
                chain += &error.to_string();
                next = error.source();
            }
            assert!(!chain.contains("secret"), "{chain}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn every_default_has_a_reason_above_it() {
        let mut above = "";
        for line in DEFAULTS.lines() {
            let is_key = line
                .split_once(" = ")
                .is_some_and(|(key, _)| key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'));
            assert!(!is_key || above.starts_with("# "), "no reason: {line}");
            above = line;
        }
    }
}
