//! Flags and environment become plain data here, and nowhere else; `--help` is made from the same table.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use lexopt::Arg;

use crate::log;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    Serve(Config),
    /// `backup FILE`: copy the database, whoever is writing it.
    Backup {
        db: PathBuf,
        to: PathBuf,
    },
    /// `export`: print every message.
    Export {
        db: PathBuf,
        format: ExportFormat,
    },
    /// `doctor URL`: see what lies between here and a server.
    Doctor(String),
    /// `sample FILE`: write a database with a short conversation.
    Sample(PathBuf),
    /// Print this and leave: help or version.
    Say(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum ExportFormat {
    #[default]
    Jsonl,
    Csv,
}

/// How the server is to run; every flag has its field. `Config::new` knows the defaults.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Given by name; else `lan` decides.
    pub bind: Option<IpAddr>,
    pub lan: bool,
    pub port: u16,
    /// Draw the join link as a QR code.
    pub qr: bool,
    pub db: PathBuf,
    pub title: String,
    pub passphrase: Option<String>,
    /// Host names that are ours besides the obvious ones.
    pub hosts: Vec<String>,
    pub trusted_proxy: bool,
    pub max_streams: Option<usize>,
    /// Holds the administrators' token, where it is fixed.
    pub admin_token_file: Option<PathBuf>,
    /// Posts a second for each session; 0 is no limit.
    pub rate: u32,
    pub poll: Duration,
    pub heartbeat: Duration,
    /// How long messages are kept; for ever when there is none.
    pub keep: Option<Duration>,
    pub export_format: ExportFormat,
    pub log_format: log::Format,
    pub log_level: log::Level,
    /// Where the private socket between the door and tiny_http may lie: the first that will have it.
    pub runtime_directories: Vec<PathBuf>,
    /// The program that was here before left its listening socket as standard input (`PARLOR_LISTENER=stdin`).
    pub inherits_listener: bool,
    /// Serves `/debug/panic`, so that a test can see a handler fall; only a test sets it, by `PARLOR_TEST_PANIC`.
    pub test_panic: bool,
}

impl Config {
    fn new() -> Config {
        Config {
            port: 8000,
            db: PathBuf::from("chat.db"),
            title: "Parlor".to_owned(),
            rate: 2,
            poll: Duration::from_millis(250),
            heartbeat: Duration::from_secs(15),
            ..Config::default()
        }
    }

    /// Where to listen.
    pub fn address(&self) -> SocketAddr {
        let default = if self.lan { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        SocketAddr::new(self.bind.unwrap_or(default.into()), self.port)
    }
}

/// One flag as a person sees it. Its variable is `PARLOR_` and its name in capitals.
struct Flag {
    short: Option<char>,
    name: &'static str,
    /// What stands for its value in the help; empty for a switch.
    value: &'static str,
    help: &'static str,
}

const fn flag(short: Option<char>, name: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { short, name, value, help }
}

const FLAGS: &[Flag] = &[
    flag(Some('b'), "bind", "ADDR", "address to listen on [127.0.0.1]"),
    flag(None, "lan", "", "listen for the whole network: 0.0.0.0, unless --bind is given"),
    flag(Some('p'), "port", "N", "port to listen on; 0 picks a free one [8000]"),
    flag(Some('q'), "qr", "", "draw the join link as a QR code"),
    flag(None, "db", "FILE", "the database; created when missing [chat.db]"),
    flag(None, "title", "TEXT", "name of the chat [Parlor]"),
    flag(None, "passphrase", "TEXT", "what a person must know to come in [none]"),
    flag(None, "admin-token-file", "FILE", "holds the administrators' token [a new one is printed]"),
    flag(None, "host", "NAME", "a further host name that is ours; repeatable, or with commas"),
    flag(None, "trusted-proxy", "", "believe X-Forwarded-For and -Proto of a proxy on this machine"),
    flag(None, "max-streams", "N", "open event streams at most [by the descriptor limit]"),
    flag(None, "rate", "N", "posts a second for each session; 0: no limit, nor for sign-ins [2]"),
    flag(None, "poll-ms", "N", "how soon a write by another process is seen [250]"),
    flag(None, "heartbeat-s", "N", "seconds of silence before a stream pings [15]"),
    flag(None, "keep", "TIME", "remove messages older than 30m, 12h, 90d or 8w [never]"),
    flag(None, "format", "FORMAT", "of an export: jsonl or csv [jsonl]"),
    flag(None, "log-format", "FORMAT", "text or json, on stderr [text]"),
    flag(None, "log-level", "LEVEL", "debug, info, warn or error [info]"),
];

/// Reads the command line (without the program's name) over the environment over the defaults.
///
/// # Errors
/// One sentence saying what is wrong and with which flag.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, String> {
    let mut config = Config::new();
    read_environment(&mut config, environment)?;
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Say(help())),
            Arg::Short('V') | Arg::Long("version") => {
                return Ok(Command::Say(concat!("parlor ", env!("CARGO_PKG_VERSION"), "\n").to_owned()));
            }
            Arg::Value(word) => {
                words.push(word);
                continue;
            }
            Arg::Short(short) => FLAGS.iter().find(|flag| flag.short == Some(short)),
            Arg::Long(long) => FLAGS.iter().find(|flag| flag.name == long),
        };
        let Some(flag) = name else { return Err(argument.unexpected().to_string()) };
        let value = match flag.value {
            "" => "true".into(),
            _ => parser.value().map_err(|error| error.to_string())?,
        };
        Given { name: &format!("--{}", flag.name), value }.set(&mut config, flag)?;
    }
    command(config, words)
}

/// The process's own arguments and environment.
pub fn from_process() -> Result<Command, String> {
    parse(std::env::args_os().skip(1), |name| std::env::var_os(name))
}

/// Tells the next program that its standard input is the listening socket.
pub const LISTENER: (&str, &str) = ("PARLOR_LISTENER", "stdin");

/// How this process was started, so that it can be started again as whatever lies on the disk by then.
#[derive(Debug)]
pub struct Invocation {
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
}

impl Invocation {
    /// To be called early: once the file is replaced, the system no longer knows its path.
    ///
    /// # Errors
    /// The system does not tell where the program lies.
    pub fn of_this_process() -> io::Result<Invocation> {
        let mut arguments = std::env::args_os();
        // The path that was typed may be a symlink to this year's version; only what was found on the PATH has to
        // be asked for.
        let typed = arguments.next().map(PathBuf::from).filter(|path| path.components().count() > 1);
        let program = typed.map_or_else(std::env::current_exe, std::path::absolute)?;
        Ok(Invocation { program, arguments: arguments.collect() })
    }
}

fn read_environment(
    config: &mut Config,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<(), String> {
    for flag in FLAGS {
        let variable = format!("PARLOR_{}", flag.name.replace('-', "_").to_uppercase());
        if let Some(value) = environment(&variable) {
            Given { name: &variable, value }.set(config, flag)?;
        }
    }
    config.test_panic = environment("PARLOR_TEST_PANIC").is_some();
    config.inherits_listener = environment(LISTENER.0).is_some_and(|value| value == LISTENER.1);
    config.runtime_directories = environment("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().collect();
    config.runtime_directories.push(std::env::temp_dir());
    Ok(())
}

fn command(mut config: Config, words: Vec<OsString>) -> Result<Command, String> {
    // A container may have no other directory than the one for the database.
    let beside_db = config.db.parent().filter(|parent| !parent.as_os_str().is_empty());
    config.runtime_directories.push(beside_db.unwrap_or(Path::new(".")).to_owned());
    let mut words = words.into_iter();
    let Some(word) = words.next() else { return Ok(Command::Serve(config)) };
    let command = match word.to_str() {
        Some("backup") => {
            Command::Backup { db: config.db, to: words.next().ok_or("backup: to which FILE?")?.into() }
        }
        Some("export") => Command::Export { db: config.db, format: config.export_format },
        Some("doctor") => {
            let url = words.next().ok_or("doctor: which URL?")?;
            Command::Doctor(url.into_string().map_err(|_| "doctor: the URL is not UTF-8")?)
        }
        Some("sample") => Command::Sample(words.next().ok_or("sample: which FILE?")?.into()),
        _ => return Err(format!("no such command: {}", word.to_string_lossy())),
    };
    match words.next() {
        Some(surplus) => Err(format!("one word too many: {}", surplus.to_string_lossy())),
        None => Ok(command),
    }
}

/// One value, whoever gave it: on the command line or in the environment.
struct Given<'a> {
    /// The name to complain under.
    name: &'a str,
    value: OsString,
}

impl Given<'_> {
    /// Puts it where it belongs.
    fn set(self, config: &mut Config, flag: &Flag) -> Result<(), String> {
        match flag.name {
            "db" => config.db = self.value.into(),
            "admin-token-file" => config.admin_token_file = Some(self.value.into()),
            "bind" => config.bind = Some(self.read("an IP address", address)?),
            "lan" => config.lan = self.read("true or false", switch)?,
            "port" => config.port = self.number("a port (0 to 65535)", 0, u16::MAX)?,
            "qr" => config.qr = self.read("true or false", switch)?,
            "title" => config.title = self.text()?.to_owned(),
            "passphrase" => config.passphrase = Some(self.text()?.to_owned()).filter(|text| !text.is_empty()),
            "host" => config.hosts.extend(self.text()?.split(',').map(|name| name.trim().to_lowercase())),
            "trusted-proxy" => config.trusted_proxy = self.read("true or false", switch)?,
            "max-streams" => config.max_streams = Some(self.number("a number", 0, 1_000_000)?),
            "rate" => config.rate = self.number("a number", 0, 1_000_000)?,
            "poll-ms" => {
                let ms = self.number("a number of milliseconds (1 to 60000)", 1, 60_000)?;
                config.poll = Duration::from_millis(ms);
            }
            "heartbeat-s" => {
                let seconds = self.number("a number of seconds (1 to 3600)", 1, 3_600)?;
                config.heartbeat = Duration::from_secs(seconds);
            }
            "keep" => config.keep = Some(self.read("a time such as 30m, 12h, 90d or 8w", span)?),
            "format" => config.export_format = self.one_of("jsonl or csv", EXPORT_FORMATS)?,
            "log-format" => config.log_format = self.one_of("text or json", LOG_FORMATS)?,
            "log-level" => config.log_level = self.one_of("debug, info, warn or error", LOG_LEVELS)?,
            name => unreachable!("--{name} is in the table and not taken here"),
        }
        Ok(())
    }

    fn text(&self) -> Result<&str, String> {
        self.value.to_str().ok_or_else(|| format!("{}: not UTF-8", self.name))
    }

    fn read<T>(&self, expected: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, String> {
        let text = self.text()?;
        read(text).ok_or_else(|| format!("{}: {text:?} is not {expected}", self.name))
    }

    fn number<T: FromStr + PartialOrd>(&self, expected: &str, least: T, most: T) -> Result<T, String> {
        self.read(expected, |text| text.parse().ok().filter(|number| (least..=most).contains(number)))
    }

    fn one_of<T: Copy>(&self, expected: &str, choices: &[(&str, T)]) -> Result<T, String> {
        self.read(expected, |text| choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice))
    }
}

const EXPORT_FORMATS: &[(&str, ExportFormat)] = &[("jsonl", ExportFormat::Jsonl), ("csv", ExportFormat::Csv)];
const LOG_FORMATS: &[(&str, log::Format)] = &[("text", log::Format::Text), ("json", log::Format::Json)];
const LOG_LEVELS: &[(&str, log::Level)] = &[
    ("debug", log::Level::Debug),
    ("info", log::Level::Info),
    ("warn", log::Level::Warn),
    ("error", log::Level::Error),
];

fn address(text: &str) -> Option<IpAddr> {
    if text == "localhost" { Some(Ipv4Addr::LOCALHOST.into()) } else { text.parse().ok() }
}

/// A span of time as a person writes it: a number above 0 and its unit.
fn span(text: &str) -> Option<Duration> {
    let (unit, seconds) = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400), ("w", 604_800)]
        .into_iter()
        .find(|(unit, _)| text.ends_with(unit))?;
    let count = text.strip_suffix(unit)?.parse().ok().filter(|count| (1..=1_000_000).contains(count))?;
    Some(Duration::from_secs(seconds) * count)
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

fn help() -> String {
    let mut help = String::from(
        "\
Parlor: a browser chat. Start it, share the link, talk.

usage: parlor [FLAGS]          serve the chat
       parlor backup FILE      copy the database while the server runs
       parlor export           print every message
       parlor doctor URL       see whether something on the way to a server holds streams back
       parlor sample FILE      write a database with a short conversation

",
    );
    for flag in FLAGS {
        let short = flag.short.map_or("    ".to_owned(), |short| format!("-{short}, "));
        let name = format!("{short}--{} {}", flag.name, flag.value);
        let _ = writeln!(help, "  {name:<26} {}", flag.help);
    }
    help.push_str(
        "  -h, --help                 print this
  -V, --version              print the version

Each flag is also an environment variable: --poll-ms is PARLOR_POLL_MS. A flag beats its variable.
",
    );
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Command, String> {
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value))
        };
        parse(arguments.iter().map(OsString::from), variable)
    }

    fn config(arguments: &[&str], variables: &[(&str, &str)]) -> Config {
        match parsed(arguments, variables) {
            Ok(Command::Serve(config)) => config,
            other => panic!("not a server: {other:?}"),
        }
    }

    #[test]
    fn every_flag_of_the_table_is_taken() {
        for flag in FLAGS {
            let value = match flag.name {
                "bind" => "::1",
                "format" => "csv",
                "keep" => "90d",
                "log-format" => "json",
                "log-level" => "warn",
                _ if flag.value == "N" => "7",
                _ if flag.value.is_empty() => "true",
                _ => "words",
            };
            Given { name: flag.name, value: value.into() }.set(&mut Config::default(), flag).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name_it_was_given_under() {
        type Case = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);
        let cases: &[Case] = &[
            (&["--port", "65536"], &[], "--port: \"65536\" is not a port (0 to 65535)"),
            (&[], &[("PARLOR_RATE", "-1")], "PARLOR_RATE: \"-1\" is not a number"),
            (&["--nonsense"], &[], "invalid option '--nonsense'"),
            (&["dance"], &[], "no such command: dance"),
            (&["sample"], &[], "sample: which FILE?"),
            (&["backup"], &[], "backup: to which FILE?"),
            (&["doctor"], &[], "doctor: which URL?"),
            (&["--keep", "90"], &[], "--keep: \"90\" is not a time such as 30m, 12h, 90d or 8w"),
            (&["--keep", "0d"], &[], "--keep: \"0d\" is not a time such as 30m, 12h, 90d or 8w"),
            (&["--keep", "9日"], &[], "--keep: \"9日\" is not a time such as 30m, 12h, 90d or 8w"),
            (&["export", "--format", "xml"], &[], "--format: \"xml\" is not jsonl or csv"),
            (&["sample", "a", "b"], &[], "one word too many: b"),
        ];
        for (arguments, variables, sentence) in cases {
            assert_eq!(parsed(arguments, variables).unwrap_err(), *sentence);
        }
    }

    #[test]
    fn values_mean_what_a_person_would_think() {
        assert_eq!(config(&["--host", "A.example", "--host", "b,c"], &[]).hosts, ["a.example", "b", "c"]);
        assert_eq!(config(&["--lan", "--bind", "::1", "-p", "9"], &[]).address().to_string(), "[::1]:9");
        for (text, seconds) in
            [("1s", 1), ("30m", 1_800), ("12h", 43_200), ("90d", 7_776_000), ("2w", 1_209_600)]
        {
            assert_eq!(span(text), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn the_private_socket_may_lie_beside_the_database() {
        let config = config(&["--db", "data/chat.db"], &[("XDG_RUNTIME_DIR", "/run/user/7")]);
        let [first, .., last] = config.runtime_directories.as_slice() else { panic!("there are some") };
        assert_eq!((first.to_str(), last.to_str()), (Some("/run/user/7"), Some("data")));
    }
}
