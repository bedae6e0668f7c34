//! `tidegate judge`: the evidence of counts, one comparison a line.
//!
//! A line that cannot be read is reported and left out; the others are judged all the same, and the
//! exit code says that something was wrong.

use std::io::{self, BufRead as _, Write as _};

use serde::Serialize;

use super::Failure;
use super::paint::{BAD, note, paint};
use tidegate_decide::evidence::{Count, Evidence, Window};
use tidegate_decide::explain;
use tidegate_decide::interval::{RATIO_ASKED, Ratios, log_missing};
use tidegate_decide::judge::Verdict;
use tidegate_model::fault::Fault;
use tidegate_model::figure::Unit;
use tidegate_model::node::Node;
use tidegate_model::plan::fields::{Fields, Reader};

const THETA_DEFAULT: f64 = 1.0;
const ALPHA_DEFAULT: f64 = 0.01;
/// Nobody asks for more than a factor of a thousand, up or down.
const THETA_MAX: f64 = 1e3;
/// Doubles count in whole steps up to here, and some way beyond.
const COUNT_MAX: f64 = 1e15;
const EXAMPLE: &str = r#"a line looks like {"windows":[{"legacy":{"n":950,"x":9},"new":{"n":50,"x":2}}]}; `tidegate judge --help` names all fields"#;

/// One question: is new's rate more than `theta` times legacy's?
struct Case {
    theta: f64,
    alpha: f64,
    is_restarting: bool,
    windows: Vec<Timed>,
}

struct Timed {
    window: Window,
    minute: f64,
}

#[derive(Serialize)]
struct Line {
    log_e_worse: f64,
    log_e_ok: f64,
    verdict: Verdict,
    /// Between what new's rate over legacy's lies, at 1 − α; null for no bound.
    ratio: [Option<f64>; 2],
    /// How many minutes more it takes to show a rate that is twice the bound; null where nothing tells.
    minutes_to_show_double: Option<f64>,
}

pub fn run(json: bool) -> Result<(), Failure> {
    let is_clean = judge_all(json).map_err(|error| Failure::Io("standard input or output".into(), error))?;
    if is_clean { Ok(()) } else { Err(Failure::Refused) }
}

/// Tells whether every line could be read.
fn judge_all(json: bool) -> io::Result<bool> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let (mut line, mut number, mut is_clean) = (Vec::new(), 0_u64, true);
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        number += 1;
        if line.trim_ascii().is_empty() {
            continue;
        }
        match read(&line) {
            Ok(case) => {
                let line = judge(&case);
                let text = if json { serde_json::to_string(&line)? } else { said(&case, &line) };
                writeln!(output, "{text}")?;
            }
            Err(faults) => {
                is_clean = false;
                faults.iter().for_each(|fault| note(&shown(number, fault)));
            }
        }
    }
    output.flush()?;
    Ok(is_clean)
}

fn judge(case: &Case) -> Line {
    let start = if case.is_restarting { Evidence::restarting } else { Evidence::plain };
    let (mut worse, mut ok) = (start(case.theta), start(1.0 / case.theta));
    let (mut ratios, mut last) = (Ratios::default(), 0.0_f64);
    for Timed { window, minute } in &case.windows {
        worse.add(window, 1.0, *minute);
        ok.add(&window.mirrored(), 1.0, *minute);
        ratios.add(window, 1.0, *minute);
        last = last.max(*minute);
    }
    let tenths = |value: f64| (value * 1e3).round() / 1e3;
    let ratio = ratios.interval(case.alpha, 1.0).map_or([None; 2], |own| [own.from.map(tenths), own.to.map(tenths)]);
    let missing = log_missing(-case.alpha.ln(), last);
    let minutes = ratios.minutes_needed(case.theta, case.theta * RATIO_ASKED, 1.0, missing);
    let verdict = match (worse.is_shown(case.alpha), ok.is_shown(case.alpha)) {
        (true, _) => Verdict::Fail,
        (false, true) => Verdict::Pass,
        (false, false) => Verdict::Inconclusive,
    };
    Line {
        log_e_worse: worse.log_e(),
        log_e_ok: ok.log_e(),
        verdict,
        ratio,
        minutes_to_show_double: minutes.map(tenths),
    }
}

/// What was found, as a sentence with its figures.
fn said(case: &Case, line: &Line) -> String {
    let sum = |side: fn(&Window) -> Count| {
        let all = case.windows.iter().map(|own| side(&own.window));
        let Count { n, x } = all.fold(Count::default(), |sum, own| Count { n: sum.n + own.n, x: sum.x + own.x });
        let share = if n > 0.0 { format!(" ({})", explain::amount(Unit::Share, x / n)) } else { String::new() };
        format!("{x} of {n}{share}")
    };
    let (theta, sure) = (case.theta, explain::amount(Unit::Share, 1.0 - case.alpha));
    let bound = if theta == 1.0 { "legacy's".to_owned() } else { format!("{theta} times legacy's") };
    let (verdict, log_e) = match line.verdict {
        Verdict::Fail => (format!("fail: new's rate is more than {bound}"), line.log_e_worse),
        Verdict::Pass => (format!("pass: new's rate is less than {bound}"), line.log_e_ok),
        Verdict::Inconclusive => (
            format!("inconclusive: nothing shows yet that new's rate is more or less than {bound}"),
            line.log_e_worse.max(line.log_e_ok),
        ),
    };
    let ratio = match line.ratio {
        [Some(from), Some(to)] => format!("; it is {from} to {to} times legacy's ({sure} sure)"),
        [Some(from), None] => format!("; it is at least {from} times legacy's ({sure} sure)"),
        [None, Some(to)] => format!("; it is at most {to} times legacy's ({sure} sure)"),
        [None, None] => String::new(),
    };
    let evidence = format!("The evidence is {:.3e}, and {:.0} is needed.", log_e.exp(), 1.0 / case.alpha);
    let longer = line.minutes_to_show_double.filter(|_| line.verdict == Verdict::Inconclusive);
    let longer = longer.map(|minutes| format!(" Twice that bound would be shown in about {minutes:.0} more minutes."));
    format!(
        "{verdict}: {} on new, {} on legacy{ratio}. {evidence}{}",
        sum(|own| own.new),
        sum(|own| own.legacy),
        longer.unwrap_or_default()
    )
}

/// What is wrong with a line, and the way out.
struct Wrong {
    message: String,
    help: String,
}

impl From<Fault> for Wrong {
    fn from(fault: Fault) -> Self {
        let message = if fault.path.is_empty() { fault.message } else { format!("{}: {}", fault.path, fault.message) };
        Self { message, help: fault.help.unwrap_or_else(|| EXAMPLE.to_owned()) }
    }
}

fn shown(number: u64, wrong: &Wrong) -> String {
    format!("{} line {number}: {}\n  help: {}", paint(BAD.bold(), "error:"), wrong.message, wrong.help)
}

fn read(line: &[u8]) -> Result<Case, Vec<Wrong>> {
    let node: Node = serde_json::from_slice(line).map_err(|error| {
        let whole = error.to_string();
        // serde_json counts lines too, and each of ours is its first.
        let message = whole.split(" at line ").next().unwrap_or_default();
        vec![Wrong { message: format!("no JSON: {message}, at column {}", error.column()), help: EXAMPLE.to_owned() }]
    })?;
    let mut reader = Reader::default();
    match case(&mut reader, &node) {
        Some(case) if reader.faults.is_empty() => Ok(case),
        _ => Err(reader.faults.into_iter().map(Wrong::from).collect()),
    }
}

fn case(reader: &mut Reader, node: &Node) -> Option<Case> {
    let mut fields = reader.fields(node)?;
    let theta = fields.optional(reader, "theta", |reader, node| {
        within(
            reader,
            node,
            |theta| (1.0 / THETA_MAX..=THETA_MAX).contains(&theta),
            "a number from 0.001 to 1000; 1.3 asks for more than 1.3 times legacy's rate",
        )
    });
    let alpha = fields.optional(reader, "alpha", |reader, node| {
        within(reader, node, |alpha| alpha > 0.0 && alpha < 1.0, "a number between 0 and 1, such as 0.01")
    });
    let is_restarting = fields.optional(reader, "restart", Reader::boolean).unwrap_or_default();
    let windows = fields.required(reader, "windows", |reader, node| {
        reader.list(node, |reader, node| timed(reader, node, is_restarting))
    });
    fields.end(reader);
    Some(Case {
        theta: theta.unwrap_or(THETA_DEFAULT),
        alpha: alpha.unwrap_or(ALPHA_DEFAULT),
        is_restarting,
        windows: windows?,
    })
}

fn timed(reader: &mut Reader, node: &Node, is_restarting: bool) -> Option<Timed> {
    let mut fields = reader.fields(node)?;
    let minute = |reader: &mut Reader, node: &Node| {
        within(
            reader,
            node,
            |minute| (0.0..=COUNT_MAX).contains(&minute),
            "the minutes from the attempt's start to the window's, from 0",
        )
    };
    let minute = if is_restarting {
        fields.required(reader, "minute", minute)
    } else {
        Some(fields.optional(reader, "minute", minute).unwrap_or_default())
    };
    let (legacy, new) = (fields.required(reader, "legacy", count), fields.required(reader, "new", count));
    fields.end(reader);
    Some(Timed { window: Window { legacy: legacy?, new: new? }, minute: minute? })
}

fn count(reader: &mut Reader, node: &Node) -> Option<Count> {
    let mut fields = reader.fields(node)?;
    let n = amount(&mut fields, reader, "n");
    let x = amount(&mut fields, reader, "x");
    fields.end(reader);
    let count = Count { n: n?, x: x? };
    if count.x > count.n {
        reader.error(
            node.span.clone(),
            format_args!("x, {}, is more than n, {}", count.x, count.n),
            Some("n counts all exposures, x those with the event".to_owned()),
        );
        return None;
    }
    Some(count)
}

fn amount(fields: &mut Fields, reader: &mut Reader, key: &'static str) -> Option<f64> {
    fields.required(reader, key, |reader, node| {
        within(reader, node, |amount| (0.0..=COUNT_MAX).contains(&amount), "a count from 0")
    })
}

/// A number that `is_allowed`.
fn within(reader: &mut Reader, node: &Node, is_allowed: impl FnOnce(f64) -> bool, help: &str) -> Option<f64> {
    let number = reader.number(node)?;
    if is_allowed(number) {
        return Some(number);
    }
    reader.error(node.span.clone(), format_args!("{number} is out of range"), Some(help.to_owned()));
    None
}
