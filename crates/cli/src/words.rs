//! What can be said to hognose on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use server::config::Flags;

/// Runs Python that nobody vouches for: behind real walls, in about a millisecond.
#[derive(Debug, Parser)]
#[command(name = "hognose", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Words {
    #[command(subcommand)]
    pub(crate) task: Task,
}

const EXAMPLES: &str = "\
Examples:
  hognose doctor                      what this host offers, and what to do about the rest
  hognose serve                       listen on 127.0.0.1:5000
  hognose run program.py              run one program, without a server
  echo 3 | hognose run square.py --stdin -

The first `serve` or `run`, or `prepare` before it, makes a Python environment below the data
folder. That takes about ten seconds and needs the network; later starts need neither.";

#[derive(Debug, Subcommand)]
pub(crate) enum Task {
    /// Serves `POST /execute`, a playground at / and documentation at /docs.
    #[command(after_help = SERVE_EXAMPLES)]
    Serve(Serving),
    /// Runs one program behind the same walls, without a server.
    #[command(after_help = RUN_EXAMPLES)]
    Run(Run),
    /// Makes the Python environment, so that the first start need not.
    #[command(after_help = PREPARE_EXAMPLES)]
    Prepare(Prepare),
    /// Says wall by wall what this host offers, and what to do about what is missing.
    #[command(after_help = DOCTOR_HELP)]
    Doctor(Serving),
    /// Prints every setting with its unit, its default and its reason, as a file for --config.
    #[command(after_help = SETTINGS_HELP)]
    Settings,
    /// Measures how quick a server of this API is, beside what it could be at best.
    #[command(after_help = BENCH_HELP)]
    Bench(Box<Bench>),
    /// Tries the walls on this very process, for `doctor`.
    #[command(hide = true)]
    ProbeWalls,
}

const SERVE_EXAMPLES: &str = "\
Settings come from a file (--config), from variables (HOGNOSE_LISTEN, HOGNOSE_DATA_DIR...) and from
flags; the later wins. The admin key comes from HOGNOSE_ADMIN_KEY, never from a flag, because
everybody on the host can read a process's flags.

Examples:
  hognose serve
  export HOGNOSE_ADMIN_KEY=\"$(head -c 32 /dev/urandom | base64)\" && hognose serve
  hognose serve --listen 0.0.0.0:8000 --trusted-proxies 10.0.0.0/8
  hognose serve --config /etc/hognose.toml --set wall_ms_max=3000

  curl http://127.0.0.1:5000/execute \\
    -H 'Content-Type: application/json' -d '{\"code\": \"print(6 * 7)\"}'";

const RUN_EXAMPLES: &str = "\
The program's output comes out as it is, and its exit code is the exit code. Further exit codes:
  124      it ran longer than the time limit
  128 + N  signal N killed it; 137 (KILL) also when it used more memory than the limit
  125      hognose itself could not run it

Examples:
  hognose run program.py
  hognose run sum.py --stdin numbers.txt
  hognose run gray.py --file photo.jpg --out gray.png
  hognose run slow.py --timeout 60";

const PREPARE_EXAMPLES: &str = "\
Runs no program, so it works where no wall can be raised, as while an image is built. Takes about
ten seconds and needs the network; does nothing where the environment is complete.

Examples:
  hognose prepare
  hognose prepare --data-dir /opt/hognose
  hognose serve --environment /opt/hognose/environment";

const DOCTOR_HELP: &str = "\
Changes nothing. The exit code is 0 only if `hognose serve` would start with the same settings.";

const SETTINGS_HELP: &str = "\
Reads nothing: it prints the defaults. A variable HOGNOSE_<KEY IN UPPER CASE> and --set KEY=VALUE say the same.

Examples:
  hognose settings | less
  hognose settings > hognose.toml && hognose serve --config hognose.toml";

const BENCH_HELP: &str = "\
The server must run already. If it has an admin key, set HOGNOSE_ADMIN_KEY to it: without the key,
each caller has five requests a minute. Measure on a machine that does nothing else.

The exit code is 0 if everything was measured, 1 if --tolerance or --check says no, 2 if something
could not be measured. docs/benchmarks.md says what each figure means.

Examples:
  hognose bench                               print(1), one client, ten seconds
  hognose bench --case hello,numpy --clients 4 --floor
  hognose bench --rate 500                    500 requests a second, whatever becomes of them
  hognose bench --peer --case pillow          in turns with a fresh interpreter for every run
  hognose bench --burst 50 --idle 60          50 at once after a minute of silence
  hognose bench --refusals 100                100 clients, however few slots there are
  hognose bench --runs 100000 --server-pid \"$(pgrep -of 'hognose serve')\"
  hognose bench --all --server-pid 1234 --json bench/results/today.json
  hognose bench http://127.0.0.1:5001 --against http://127.0.0.1:5002 --rounds 20 --tolerance 1.05";

/// Settings that every task understands. What is not here is said with --set.
#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// A TOML file of settings
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of what outlives the process: the Python environment and the daily counts
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<String>,
    /// The python3 to make the environment of [default: the first on the PATH]
    #[arg(long, value_name = "PROGRAM")]
    python: Option<String>,
    /// A finished virtual environment to run programs on, instead of one of our own
    #[arg(long, value_name = "FOLDER")]
    environment: Option<String>,
    /// Any setting by its key; may be said again
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

/// Settings of the service.
#[derive(Debug, Args)]
pub(crate) struct Serving {
    /// Address and port to listen on [default: 127.0.0.1:5000]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// Programs at once, whole server [default: 5]
    #[arg(long, value_name = "NUMBER")]
    concurrent_max: Option<String>,
    /// Requests a minute and caller [default: 5]
    #[arg(long, value_name = "NUMBER")]
    requests_per_minute: Option<String>,
    /// Requests a day and caller [default: 30]
    #[arg(long, value_name = "NUMBER")]
    requests_per_day: Option<String>,
    /// Networks whose X-Forwarded-For is believed, with commas between, or `none`
    #[arg(long, value_name = "CIDRS")]
    trusted_proxies: Option<String>,
    /// What is logged: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl Settings {
    /// The settings said here, by key.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags: Flags = self.set.iter().cloned().collect();
        flags.extend(said([
            ("data_dir", &self.data_dir),
            ("python", &self.python),
            ("environment", &self.environment),
        ]));
        flags
    }
}

impl Serving {
    /// The settings said here, by key.
    pub(crate) fn flags(&self) -> Flags {
        let mut flags = self.settings.flags();
        flags.extend(said([
            ("listen", &self.listen),
            ("concurrent_max", &self.concurrent_max),
            ("requests_per_minute", &self.requests_per_minute),
            ("requests_per_day", &self.requests_per_day),
            ("trusted_proxies", &self.trusted_proxies),
            ("log", &self.log),
        ]));
        flags
    }
}

/// Those that were said.
fn said<const N: usize>(flags: [(&str, &Option<String>); N]) -> Flags {
    let one = |(key, value): (&str, &Option<String>)| Some((key.to_owned(), value.clone()?));
    flags.into_iter().filter_map(one).collect()
}

/// One program and what goes with it.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The program
    pub(crate) program: PathBuf,
    /// Its standard input; `-` hands ours on [default: empty]
    #[arg(long, value_name = "FILE")]
    pub(crate) stdin: Option<PathBuf>,
    /// A file to put into its work folder; may be said again
    #[arg(long = "file", value_name = "PATH")]
    pub(crate) files: Vec<PathBuf>,
    /// A file to bring back into the current folder if it ends well; may be said again
    #[arg(long = "out", value_name = "NAME")]
    pub(crate) outs: Vec<String>,
    /// Longest time it may run, for instance 2.5 [default: `admin_wall_ms_max`]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// Where to make an environment.
#[derive(Debug, Args)]
pub(crate) struct Prepare {
    #[command(flatten)]
    pub(crate) settings: Settings,
}

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// The server
    #[arg(value_name = "URL", default_value = "http://127.0.0.1:5000")]
    pub(crate) url: String,

    /// Programs: hello, numpy, full, pillow, fpdf, files, cpu, nap
    #[arg(
        long = "case",
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "hello",
        conflicts_with = "all"
    )]
    pub(crate) cases: Vec<bench::Case>,
    /// Every case, the floor, the peer, refusals and a burst: what the promises need (six minutes)
    #[arg(long, conflicts_with_all = ["rate", "runs", "against"])]
    pub(crate) all: bool,

    /// Connections, each with one request at a time [default: 1; with --rate 32]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) clients: Option<u16>,
    /// How long each load lasts
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds,
          conflicts_with = "runs")]
    pub(crate) seconds: Duration,
    /// Ends each load after this many requests instead
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) runs: Option<u64>,
    /// Requests a second, sent when they are due and not when the last one is answered
    #[arg(long, value_name = "NUMBER", value_parser = rate)]
    pub(crate) rate: Option<f64>,
    /// The same load before, uncounted
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds_or_none)]
    pub(crate) warm_up: Duration,
    /// How long a client rests after a refusal, milliseconds [at least 50 with --refusals]
    #[arg(long, value_name = "NUMBER", default_value = "5")]
    pub(crate) rest_ms: u32,

    /// Measures what the kernel and the interpreter allow as well
    #[arg(long)]
    pub(crate) floor: bool,
    /// Measures a fresh interpreter for every run, the way of the original, in turns with the server
    #[arg(long)]
    pub(crate) peer: bool,
    /// Measures another server in turns with this one
    #[arg(long, value_name = "URL")]
    pub(crate) against: Option<String>,
    /// How many turns, A B, B A, A B...
    #[arg(long, value_name = "NUMBER", default_value = "6",
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How many times slower than the other the server may be, for instance 1.05
    #[arg(long, value_name = "RATIO", requires = "against", value_parser = ratio)]
    pub(crate) tolerance: Option<f64>,

    /// Requests all at once, after a silence
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) burst: Option<u16>,
    /// The silence before a burst
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds_or_none)]
    pub(crate) idle: Duration,
    /// Clients that want more than there are slots
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) refusals: Option<u16>,

    /// The server's process: tells the memory, processes and descriptors it holds
    #[arg(long, value_name = "PID")]
    pub(crate) server_pid: Option<u32>,
    /// Writes everything that was found as JSON; `-` is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// A name for this measurement, kept in the JSON
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Sends no admin key, though there is one
    #[arg(long)]
    pub(crate) public: bool,
    /// Ends with exit code 1 if a promise that was measured does not hold
    #[arg(long)]
    pub(crate) check: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("it must be KEY=VALUE")?;
    if key == "admin_key" {
        return Err("everybody on the host can read flags: use HOGNOSE_ADMIN_KEY".to_owned());
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn rate(text: &str) -> Result<f64, String> {
    number_between(text, 0.01, 1e6)
}

fn ratio(text: &str) -> Result<f64, String> {
    number_between(text, 1.0, 100.0)
}

fn number_between(text: &str, least: f64, most: f64) -> Result<f64, String> {
    let number = text.parse().ok();
    let allowed = number.filter(|number| (least..=most).contains(number));
    allowed.ok_or_else(|| format!("it must be a number from {least} to {most}"))
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    seconds(text)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let wanted = "it must be a number of seconds from 0.01 to 3600";
    let number: f64 = text.parse().map_err(|_not_a_number| wanted.to_owned())?;
    let allowed = (0.01..=3600.0).contains(&number);
    if allowed {
        Ok(Duration::from_secs_f64(number))
    } else {
        Err(wanted.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_words_do_not_contradict_each_other() {
        Words::command().debug_assert();
    }

    #[test]
    fn flags_become_settings_by_key() {
        let words = [
            "hognose",
            "serve",
            "--listen",
            "[::1]:80",
            "--set",
            "wall_ms_max=5",
        ];
        let Task::Serve(serving) = Words::try_parse_from(words).unwrap().task else {
            panic!("not serve");
        };
        let expected = [("listen", "[::1]:80"), ("wall_ms_max", "5")];
        assert_eq!(
            serving.flags(),
            expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
        );
    }

    #[test]
    fn the_admin_key_is_no_flag() {
        let refused = key_and_value("admin_key=k").unwrap_err();
        assert!(refused.contains("HOGNOSE_ADMIN_KEY"));
        assert_eq!(
            key_and_value("wall_ms_max"),
            Err("it must be KEY=VALUE".to_owned())
        );
    }

    #[test]
    fn a_timeout_is_a_positive_number_of_seconds() {
        assert_eq!(seconds("2.5"), Ok(Duration::from_millis(2500)));
        for text in ["0", "-1", "NaN", "inf", "1e99", "soon"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
