//! Starts each server afresh, puts load on it, and prints what it cost: see ../README.md.

mod chart;
mod crowd;
mod event_stream;
mod floor;
mod growth;
mod http;
mod plan;
mod poller;
mod report;
mod rush;
mod server;
mod suites;

use std::path::PathBuf;
use std::process::ExitCode;

use plan::{Run, Suite};
use report::Record;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use server::{Kind, Programs, Server};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

const USAGE: &str = "usage: benches/run [--quick] [--suites NAME,…] [--against axum,axum-group,nchan,floor]
                   [--rounds N] [--plots FOLDER]
       --quick    Parlor alone, one short round: does it still deliver every message once, in order?
       --suites   only these, as the table names them
       --against  only these peers; `--against none` for none
       --plots    where cost.svg and throughput.svg go (default: nowhere)";

/// What the command line asks for.
struct Options {
    quick: bool,
    suites: Option<Vec<String>>,
    peers: Vec<Kind>,
    rounds: usize,
    plots: Option<PathBuf>,
    programs: Programs,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let done = match arguments.first().map(String::as_str) {
        Some("floor") => floor::serve().map(|()| true),
        Some("-h" | "--help") => {
            println!("{USAGE}");
            Ok(true)
        }
        _ => options(&arguments).and_then(|options| measure(&options)),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(2)
        }
    }
}

fn options(arguments: &[String]) -> Result<Options> {
    let mut options = Options {
        quick: false,
        suites: None,
        peers: Kind::PEERS.to_vec(),
        rounds: 3,
        plots: None,
        programs: Programs::default(),
    };
    let mut arguments = arguments.iter();
    while let Some(flag) = arguments.next() {
        if flag == "--quick" {
            options = Options { quick: true, peers: Vec::new(), rounds: 1, ..options };
            continue;
        }
        let value =
            arguments.next().ok_or_else(|| format!("{flag} needs a value, or is unknown\n{USAGE}"))?;
        match flag.as_str() {
            "--suites" => options.suites = Some(value.split(',').map(str::to_owned).collect()),
            "--against" => {
                options.peers = Kind::PEERS.into_iter().filter(|k| listed(value, k.name())).collect()
            }
            "--rounds" => options.rounds = value.parse()?,
            "--plots" => options.plots = Some(value.into()),
            "--parlor" => options.programs.parlor = value.into(),
            "--axum" => options.programs.axum = value.into(),
            "--nchan-conf" => options.programs.nchan_conf = value.into(),
            _ => return Err(format!("unknown flag {flag}\n{USAGE}").into()),
        }
    }
    options.peers.retain(|kind| options.programs.has(*kind));
    Ok(options)
}

fn listed(list: &str, name: &str) -> bool {
    list.split(',').any(|item| item == name)
}

/// Runs the plan; false when Parlor failed a run, lost, doubled or reordered a message, or refused a post.
fn measure(options: &Options) -> Result<bool> {
    raise_descriptor_limit()?;
    let mut records = Vec::new();
    let mut exact = true;
    for run in plan::runs(options.quick) {
        if options.suites.as_ref().is_some_and(|wanted| !wanted.contains(&run.name)) {
            continue;
        }
        for round in 0..options.rounds.min(run.rounds) {
            for kind in turn(&run, options, round) {
                match one(&run, kind, round, &options.programs) {
                    Ok(record) => {
                        exact &= kind != Kind::Parlor || record.is_exact();
                        records.push(record);
                    }
                    Err(error) => {
                        exact &= kind != Kind::Parlor;
                        eprintln!("failed: {error}");
                    }
                }
            }
        }
    }
    println!("{}", report::table(&records, options.rounds, &options.programs));
    if let Some(folder) = &options.plots {
        report::write_plots(&records, folder)?;
    }
    if !exact {
        eprintln!("load: parlor failed a run, or lost, doubled or reordered messages, or refused posts");
    }
    Ok(exact)
}

/// Parlor and the peers of a run; each round another one goes first.
fn turn(run: &Run, options: &Options, round: usize) -> Vec<Kind> {
    let mut kinds = vec![Kind::Parlor];
    kinds.extend(options.peers.iter().filter(|kind| run.peers.contains(kind)));
    let first = round % kinds.len();
    kinds.rotate_left(first);
    kinds
}

fn one(run: &Run, kind: Kind, round: usize, programs: &Programs) -> Result<Record> {
    eprint!("{} {} {}: ", run.name, round + 1, kind.name());
    let figures = match run.suite {
        Suite::Growth { messages } => growth::run(programs, messages),
        Suite::Pages { clients } => suites::pages(kind, programs, clients),
        _ => suites::run(&run.suite, &Server::start(kind, programs)?),
    }?;
    eprintln!("{} {:.2}", figures[0].0, figures[0].1);
    Ok(Record { run: run.name.clone(), streams: run.streams(), kind, round, figures })
}

/// Ten thousand streams are as many descriptors here and in the server, which inherits the limit.
fn raise_descriptor_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })?)
}
