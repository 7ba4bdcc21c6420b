//! A line chart as SVG: both axes logarithmic, each line named at its end.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 96.0;
const TOP: f64 = 48.0;
const BOTTOM: f64 = 48.0;

/// Names of lines stand at least so far apart.
const NAME_HEIGHT: f64 = 16.0;

/// One for each line; the first is Parlor's. They keep their contrast on white and on dark grey.
const COLOURS: [&str; 5] = ["#2e9e4f", "#d9792b", "#b0579f", "#3b82c4", "#8a8f98"];

const STYLE: &str = "text { font: 13px system-ui, sans-serif; fill: #333 }
.title { font-size: 15px; font-weight: 600 } .grid { stroke: #ddd } .ground { fill: #fff }
.line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
@media (prefers-color-scheme: dark) { text { fill: #ccc } .grid { stroke: #444 } .ground { fill: #16191d } }";

pub struct Line {
    pub name: &'static str,
    /// Streams and figure.
    pub points: Vec<(f64, f64)>,
}

/// Values from `low` to `high`, spread evenly by their logarithm over a stretch of pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn over(values: impl Iterator<Item = f64> + Clone, steps: &[f64], from: f64, to: f64) -> Axis {
        let low = values.clone().fold(f64::INFINITY, f64::min);
        let high = values.fold(0.0, f64::max);
        let marks = marks(low / 10.0, high * 10.0, steps);
        let low = marks.iter().rev().find(|mark| **mark <= low).copied().unwrap_or(low);
        let high = marks.iter().find(|mark| **mark >= high).copied().unwrap_or(high);
        Axis { low, high: high.max(low * 2.0), from, to }
    }

    fn at(&self, value: f64) -> f64 {
        self.from + (value / self.low).ln() / (self.high / self.low).ln() * (self.to - self.from)
    }
}

/// The round values between two: `steps` in each power of ten.
fn marks(low: f64, high: f64, steps: &[f64]) -> Vec<f64> {
    let powers = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let all = powers.flat_map(|power| steps.iter().map(move |step| step * 10f64.powi(power)));
    all.filter(|mark| *mark >= low * 0.999 && *mark <= high * 1.001).collect()
}

pub fn chart(title: &str, unit: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let x = Axis::over(points().map(|p| p.0), &[1.0], LEFT, WIDTH - RIGHT);
    let y = Axis::over(points().map(|p| p.1), &[1.0, 2.0, 5.0], HEIGHT - BOTTOM, TOP);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">\n\
         <style>{STYLE}</style>\n<rect class=\"ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n\
         <text class=\"title\" x=\"16\" y=\"26\">{title}</text>\n"
    );
    grid(&mut svg, &x, &y, unit);
    let mut ends: Vec<(f64, usize)> = Vec::new();
    for (n, line) in lines.iter().enumerate() {
        let path: Vec<String> =
            line.points.iter().map(|p| format!("{:.1},{:.1}", x.at(p.0), y.at(p.1))).collect();
        let colour = COLOURS[n % COLOURS.len()];
        put(
            &mut svg,
            format_args!("<polyline class=\"line\" stroke=\"{colour}\" points=\"{}\"/>", path.join(" ")),
        );
        for point in &path {
            let (cx, cy) = point.split_once(',').unwrap_or_default();
            put(&mut svg, format_args!("<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3.5\" fill=\"{colour}\"/>"));
        }
        ends.extend(line.points.last().map(|p| (y.at(p.1), n)));
    }
    ends.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = TOP;
    for (end, n) in ends {
        let at = end.max(free);
        free = at + NAME_HEIGHT;
        let (name, colour) = (lines[n].name, COLOURS[n % COLOURS.len()]);
        let (x, y) = (WIDTH - RIGHT + 10.0, at + 4.0);
        put(&mut svg, format_args!("<text x=\"{x}\" y=\"{y:.1}\" style=\"fill: {colour}\">{name}</text>"));
    }
    svg + "</svg>\n"
}

fn grid(svg: &mut String, x: &Axis, y: &Axis, unit: &str) {
    for mark in marks(y.low, y.high, &[1.0, 2.0, 5.0]) {
        let (at, text) = (y.at(mark), short(mark));
        let right = WIDTH - RIGHT;
        put(svg, format_args!("<path class=\"grid\" d=\"M{LEFT} {at:.1}H{right}\"/>"));
        put(
            svg,
            format_args!(
                "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                at + 4.0
            ),
        );
    }
    for mark in marks(x.low, x.high, &[1.0]) {
        let (at, text, below) = (x.at(mark), short(mark), HEIGHT - BOTTOM + 20.0);
        put(svg, format_args!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{text}</text>"));
    }
    put(
        svg,
        format_args!("<text x=\"{LEFT}\" y=\"{}\">{unit}, by number of open streams</text>", HEIGHT - 8.0),
    );
}

fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e4.. => format!("{} k", value / 1e3),
        _ => format!("{}", (value * 1000.0).round() / 1000.0),
    }
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("a string takes every byte");
}
