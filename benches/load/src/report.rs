//! The figures as a Markdown table, and two of them as plots.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::chart::{Line, chart};
use crate::server::{Kind, Programs};
use crate::suites::{CPU_PER_DELIVERY, DELIVERIES, Figures, WRONG};

/// What one run on one server in one round came to.
pub struct Record {
    pub run: String,
    pub streams: usize,
    pub kind: Kind,
    pub round: usize,
    pub figures: Figures,
}

impl Record {
    pub fn is_exact(&self) -> bool {
        self.figures.iter().all(|(name, value)| !WRONG.contains(name) || *value == 0.0)
    }

    fn figure(&self, name: &str) -> Option<f64> {
        self.figures.iter().find(|(n, _)| *n == name).map(|(_, value)| *value)
    }
}

/// One row for each figure of each run: the median of each server, and Parlor's ratio to axum.
pub fn table(records: &[Record], rounds: usize, programs: &Programs) -> String {
    let mut kinds = vec![Kind::Parlor];
    kinds.extend(Kind::PEERS.iter().filter(|kind| records.iter().any(|r| r.kind == **kind)));
    let names: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let mut table = format!("| run | figure | {} | parlor ÷ axum |\n|---|---", names.join(" | "));
    table += &"|--:".repeat(kinds.len() + 1);
    table += "|\n";
    let mut last_run = "";
    for first in records.iter().filter(|r| r.kind == Kind::Parlor && r.round == 0) {
        for (name, _) in &first.figures {
            let of = |kind| records.iter().filter(move |r| r.run == first.run && r.kind == kind);
            let run = if last_run == first.run { "" } else { &first.run };
            last_run = &first.run;
            table += &format!("| {run} | {name} ");
            for kind in &kinds {
                let median = median(of(*kind).filter_map(|r| r.figure(name)).collect());
                table += &format!("| {} ", median.map_or(String::new(), number));
            }
            let ratios = of(Kind::Parlor).filter_map(|ours| {
                let theirs = of(Kind::Axum).find(|theirs| theirs.round == ours.round)?;
                Some(ours.figure(name)? / theirs.figure(name)?)
            });
            let ratio = median(ratios.filter(|ratio| ratio.is_finite()).collect());
            table += &format!("| {} |\n", ratio.map_or(String::new(), |ratio| format!("{ratio:.2}")));
        }
    }
    format!("{table}\n{}\n", caption(rounds, programs))
}

fn caption(rounds: usize, programs: &Programs) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or("unknown processor");
    format!(
        "*{}, {}, {} cores, {}, {}, {}; loopback; {}.*",
        output("date", &["+%F"]),
        cpu.trim_start_matches(['\t', ' ', ':']),
        std::thread::available_parallelism().map_or(1, usize::from),
        output("uname", &["-sr"]),
        output("rustc", &["-V"]),
        output(&programs.parlor.to_string_lossy(), &["-V"]),
        if rounds == 1 { "one round".to_owned() } else { format!("medians of {rounds} interleaved rounds") },
    )
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout);
    String::from_utf8_lossy(&output.unwrap_or_default()).trim().to_owned()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some((low + high) / 2.0)
}

/// Three figures that matter; thousands set apart.
fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 100.0 {
        let digits = format!("{value:.0}");
        let mut spaced = String::new();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at) % 3 == 0 {
                spaced.push(',');
            }
            spaced.push(digit);
        }
        return spaced;
    }
    if value.abs() >= 10.0 { format!("{value:.1}") } else { format!("{value:.2}") }
}

pub fn write_plots(records: &[Record], folder: &Path) -> Result<()> {
    let title = "Server CPU for one delivery, one poster at a fixed rate";
    let cost = chart(title, "µs", &lines(records, "fan-", CPU_PER_DELIVERY));
    fs::write(folder.join("cost.svg"), cost)?;
    let title = "Deliveries a second, sixteen posters as fast as they are accepted";
    let throughput = chart(title, "deliveries/s", &lines(records, "saturated-", DELIVERIES));
    Ok(fs::write(folder.join("throughput.svg"), throughput)?)
}

/// For each server, the medians of a figure over the number of streams.
fn lines(records: &[Record], runs: &str, figure: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for kind in [Kind::Parlor].into_iter().chain(Kind::PEERS) {
        let of_kind = || records.iter().filter(move |r| r.kind == kind && r.run.starts_with(runs));
        let mut streams: Vec<usize> = of_kind().map(|r| r.streams).collect();
        streams.dedup();
        let points = streams.iter().filter_map(|n| {
            let values = of_kind().filter(|r| r.streams == *n).filter_map(|r| r.figure(figure)).collect();
            Some((*n as f64, median(values)?))
        });
        let points: Vec<_> = points.collect();
        if !points.is_empty() {
            lines.push(Line { name: kind.name(), points });
        }
    }
    lines
}
