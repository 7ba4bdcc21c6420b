//! Flags and environment become plain data here, and nowhere else; `--help` is made from the same table.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use lexopt::Arg;

use crate::log;

/// What the command line asks for.
#[derive(Debug)]
pub enum Command {
    Serve(Config),
    /// `sample FILE`: write a database with a short conversation.
    Sample(PathBuf),
    /// Print this and leave: help or version.
    Say(String),
}

/// How the server is to run; every flag has its field.
#[derive(Clone, Debug)]
pub struct Config {
    pub bind: IpAddr,
    pub port: u16,
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
    pub log_format: log::Format,
    pub log_level: log::Level,
    /// Where the private socket between the door and tiny_http lies.
    pub runtime_directory: PathBuf,
    /// Serves `/debug/panic`, so that a test can see a handler fall; only a test sets it, by `PARLOR_TEST_PANIC`.
    pub test_panic: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 8000,
            db: PathBuf::from("chat.db"),
            title: "Parlor".to_owned(),
            passphrase: None,
            hosts: Vec::new(),
            trusted_proxy: false,
            max_streams: None,
            admin_token_file: None,
            rate: 2,
            poll: Duration::from_millis(250),
            heartbeat: Duration::from_secs(15),
            log_format: log::Format::Text,
            log_level: log::Level::Info,
            runtime_directory: std::env::temp_dir(),
            test_panic: false,
        }
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
    flag(Some('p'), "port", "N", "port to listen on; 0 picks a free one [8000]"),
    flag(None, "db", "FILE", "the database; created when missing [chat.db]"),
    flag(None, "title", "TEXT", "name of the chat [Parlor]"),
    flag(None, "passphrase", "TEXT", "what a person must know to come in [none]"),
    flag(None, "admin-token-file", "FILE", "holds the administrators' token [a new one is printed]"),
    flag(None, "host", "NAME", "a further host name that is ours; repeatable, or with commas"),
    flag(None, "trusted-proxy", "", "believe X-Forwarded-For and -Proto of a proxy on this machine"),
    flag(None, "max-streams", "N", "open event streams at most [by the descriptor limit]"),
    flag(None, "rate", "N", "posts a second for each session; 0: no limit [2]"),
    flag(None, "poll-ms", "N", "how soon a write by another process is seen [250]"),
    flag(None, "heartbeat-s", "N", "seconds of silence before a stream pings [15]"),
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
    let mut config = Config::default();
    read_environment(&mut config, environment)?;
    let mut words = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next().map_err(|error| error.to_string())? {
        let name = match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Say(help())),
            Arg::Short('V') | Arg::Long("version") => return Ok(Command::Say(version())),
            Arg::Value(word) => {
                words.push(word);
                continue;
            }
            Arg::Short(short) => FLAGS.iter().find(|flag| flag.short == Some(short)),
            Arg::Long(long) => FLAGS.iter().find(|flag| flag.name == long),
        };
        let Some(flag) = name else { return Err(argument.unexpected().to_string()) };
        let value = if flag.value.is_empty() {
            "true".into()
        } else {
            parser.value().map_err(|error| error.to_string())?
        };
        set(&mut config, flag, &format!("--{}", flag.name), value)?;
    }
    command(config, words)
}

/// The process's own arguments and environment.
pub fn from_process() -> Result<Command, String> {
    parse(std::env::args_os().skip(1), |name| std::env::var_os(name))
}

fn read_environment(
    config: &mut Config,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<(), String> {
    for flag in FLAGS {
        let variable = format!("PARLOR_{}", flag.name.replace('-', "_").to_uppercase());
        if let Some(value) = environment(&variable) {
            set(config, flag, &variable, value)?;
        }
    }
    config.test_panic = environment("PARLOR_TEST_PANIC").is_some();
    Ok(())
}

fn command(config: Config, words: Vec<OsString>) -> Result<Command, String> {
    let mut words = words.into_iter();
    let Some(word) = words.next() else { return Ok(Command::Serve(config)) };
    let command = match word.to_str() {
        Some("sample") => Command::Sample(words.next().ok_or("sample: which FILE?")?.into()),
        _ => return Err(format!("no such command: {}", word.to_string_lossy())),
    };
    match words.next() {
        Some(surplus) => Err(format!("one word too many: {}", surplus.to_string_lossy())),
        None => Ok(command),
    }
}

/// Takes one value, whoever gave it; `given_as` is the name to complain under.
fn set(config: &mut Config, flag: &Flag, given_as: &str, value: OsString) -> Result<(), String> {
    if flag.name == "db" {
        config.db = value.into();
        return Ok(());
    }
    if flag.name == "admin-token-file" {
        config.admin_token_file = Some(value.into());
        return Ok(());
    }
    let text = value.into_string().map_err(|_| format!("{given_as}: not UTF-8"))?;
    let bad = |expected: &str| format!("{given_as}: {text:?} is not {expected}");
    match flag.name {
        "bind" if text == "localhost" => config.bind = IpAddr::V4(Ipv4Addr::LOCALHOST),
        "bind" => config.bind = text.parse().map_err(|_| bad("an IP address"))?,
        "port" => config.port = text.parse().map_err(|_| bad("a port (0 to 65535)"))?,
        "title" => config.title = text,
        "passphrase" => config.passphrase = Some(text).filter(|text| !text.is_empty()),
        "host" => config.hosts.extend(text.split(',').map(|name| name.trim().to_lowercase())),
        "trusted-proxy" => config.trusted_proxy = switch(&text).ok_or_else(|| bad("true or false"))?,
        "max-streams" => {
            config.max_streams = Some(number(&text, 0, 1_000_000).ok_or_else(|| bad("a number"))?)
        }
        "rate" => config.rate = number(&text, 0, 1_000_000).ok_or_else(|| bad("a number"))?,
        "poll-ms" => {
            let ms = number(&text, 1, 60_000).ok_or_else(|| bad("a number of milliseconds (1 to 60000)"))?;
            config.poll = Duration::from_millis(ms);
        }
        "heartbeat-s" => {
            let seconds = number(&text, 1, 3_600).ok_or_else(|| bad("a number of seconds (1 to 3600)"))?;
            config.heartbeat = Duration::from_secs(seconds);
        }
        "log-format" => {
            config.log_format = match text.as_str() {
                "text" => log::Format::Text,
                "json" => log::Format::Json,
                _ => return Err(bad("text or json")),
            }
        }
        "log-level" => {
            config.log_level = match text.as_str() {
                "debug" => log::Level::Debug,
                "info" => log::Level::Info,
                "warn" => log::Level::Warn,
                "error" => log::Level::Error,
                _ => return Err(bad("debug, info, warn or error")),
            }
        }
        name => unreachable!("--{name} is in the table and not taken here"),
    }
    Ok(())
}

fn number<T: FromStr + PartialOrd>(text: &str, least: T, most: T) -> Option<T> {
    text.parse().ok().filter(|number| (least..=most).contains(number))
}

fn switch(text: &str) -> Option<bool> {
    match text {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" | "" => Some(false),
        _ => None,
    }
}

fn version() -> String {
    format!("parlor {}\n", env!("CARGO_PKG_VERSION"))
}

fn help() -> String {
    let mut help = String::from(
        "\
Parlor: a browser chat. Start it, share the link, talk.

usage: parlor [FLAGS]          serve the chat
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
    fn a_flag_beats_its_variable_and_that_the_default() {
        assert_eq!(config(&[], &[]).port, 8000);
        assert_eq!(config(&[], &[("PARLOR_PORT", "9")]).port, 9);
        assert_eq!(config(&["-p", "10"], &[("PARLOR_PORT", "9")]).port, 10);
    }

    #[test]
    fn every_flag_of_the_table_is_taken() {
        for flag in FLAGS {
            let value = match flag.name {
                "bind" => "::1",
                "log-format" => "json",
                "log-level" => "warn",
                _ if flag.value == "N" => "7",
                _ if flag.value.is_empty() => "true",
                _ => "words",
            };
            set(&mut Config::default(), flag, flag.name, value.into()).unwrap();
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_the_name_it_was_given_under() {
        let cases: &[(&[&str], &[(&str, &str)], &str)] = &[
            (&["--port", "65536"], &[], "--port: \"65536\" is not a port (0 to 65535)"),
            (&[], &[("PARLOR_RATE", "-1")], "PARLOR_RATE: \"-1\" is not a number"),
            (&["--nonsense"], &[], "invalid option '--nonsense'"),
            (&["dance"], &[], "no such command: dance"),
            (&["sample"], &[], "sample: which FILE?"),
            (&["sample", "a", "b"], &[], "one word too many: b"),
        ];
        for (arguments, variables, sentence) in cases {
            assert_eq!(parsed(arguments, variables).unwrap_err(), *sentence);
        }
    }

    #[test]
    fn host_may_be_repeated() {
        assert_eq!(config(&["--host", "A.example", "--host", "b,c"], &[]).hosts, ["a.example", "b", "c"]);
    }

    #[test]
    fn the_help_names_every_flag() {
        for flag in FLAGS {
            assert!(help().contains(&format!("--{}", flag.name)));
        }
    }
}
