//! A scenario as words: where each stands, what is wrong with one, and the small values in it.

use std::ops::Range;

use super::{Amount, Figure};
use tidegate_model::condition::Vital;
use tidegate_model::fault::{Explain as _, Fault, Severity, nearest};
use tidegate_model::measured::Quantity;
use tidegate_model::{Duration, Name};

/// What a line may begin with.
pub const THINGS: [&str; 28] = [
    "new.error_rate",
    "new.client_error_rate",
    "new.timeout_rate",
    "new.abandoned_rate",
    "new.broken_rate",
    "new.latency",
    "new.lcp",
    "new.fcp",
    "new.cls",
    "new.inp",
    "new.ttfb",
    "new.js_error_rate",
    "new.shadow.mismatch_rate",
    "legacy.error_rate",
    "legacy.latency",
    "faults",
    "no",
    "silence",
    "errors",
    "approve",
    "pause",
    "resume",
    "advance",
    "rollback",
    "kill",
    "revive",
    "set",
    "deploy",
];

/// A word of a line.
#[derive(Clone, Debug)]
pub struct Token<'a> {
    /// What it says; a quoted text without its quotes.
    pub text: &'a str,
    /// Where it stands in the scenario.
    pub span: Range<usize>,
    /// Whether it was quoted.
    pub is_quoted: bool,
}

impl Token<'_> {
    /// What is wrong with it, and the way out.
    pub fn fault(&self, message: impl Into<String>, help: impl Into<String>) -> Fault {
        fault(self.span.clone(), message, help)
    }
}

/// Something wrong at a place of the scenario.
pub fn fault(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault {
        severity: Severity::Error,
        path: String::new(),
        span: Some(span),
        message: message.into(),
        help: Some(help.into()),
    }
}

/// `a`, `b` or `c`, for the way out.
pub fn one_of<'a>(known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<String> = known.into_iter().map(|word| format!("`{word}`")).collect();
    match known.split_last() {
        None => "there are none".to_owned(),
        Some((only, [])) => format!("known: {only}"),
        Some((last, most)) => format!("known: {} or {last}", most.join(", ")),
    }
}

/// The nearest known word, or all of them.
pub fn meant(word: &str, known: &[&str]) -> String {
    nearest(word, known.iter().copied())
        .map_or_else(|| one_of(known.iter().copied()), |near| format!("did you mean `{near}`?"))
}

/// The words of a line that begins at `start`, up to a comment. `=` is a word of its own.
///
/// # Errors
/// Where a quote is not closed.
pub fn words(line: &str, start: usize) -> Result<Vec<Token<'_>>, Fault> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(rest) = line.get(at..).filter(|rest| !rest.is_empty()) {
        let trimmed = rest.trim_start();
        at += rest.len() - trimmed.len();
        let Some(first) = trimmed.chars().next() else { break };
        if first == '#' {
            break;
        }
        let (text, length, is_quoted) = match first {
            '=' => ("=", 1, false),
            '"' => {
                let inside = trimmed.get(1..).unwrap_or_default();
                let Some(end) = inside.find('"') else {
                    return Err(fault(
                        start + at..start + line.trim_end().len(),
                        "the quote is not closed",
                        "write \"…\" around the item's text",
                    ));
                };
                (inside.get(..end).unwrap_or_default(), end + 2, true)
            }
            _ => {
                let end = trimmed
                    .find(|letter: char| letter.is_whitespace() || letter == '=' || letter == '"')
                    .unwrap_or(trimmed.len());
                (trimmed.get(..end).unwrap_or_default(), end, false)
            }
        };
        words.push(Token { text, span: start + at..start + at + length, is_quoted });
        at += length;
    }
    Ok(words)
}

/// The words of a line that have not been read yet.
pub struct Reader<'a> {
    words: std::vec::IntoIter<Token<'a>>,
    /// Behind the last word read.
    pub end: usize,
}

impl<'a> Reader<'a> {
    /// Reads these words; `start` is where the line begins.
    pub fn new(words: Vec<Token<'a>>, start: usize) -> Self {
        Self { words: words.into_iter(), end: start }
    }

    /// The next word.
    pub fn next(&mut self) -> Option<Token<'a>> {
        let word = self.words.next()?;
        self.end = word.span.end;
        Some(word)
    }

    /// The next word, which has to be there.
    ///
    /// # Errors
    /// Where the line ends.
    pub fn wanted(&mut self, what: &str, help: &str) -> Result<Token<'a>, Fault> {
        let end = self.end;
        self.next().ok_or_else(|| fault(end.saturating_sub(1)..end, format!("{what} is missing here"), help))
    }

    /// The next word without taking it.
    pub fn peek(&self) -> Option<&Token<'a>> {
        self.words.as_slice().first()
    }

    /// Takes the next word if it is this one.
    pub fn takes(&mut self, text: &str) -> bool {
        let is_it = self.peek().is_some_and(|word| word.text == text && !word.is_quoted);
        if is_it {
            self.next();
        }
        is_it
    }

    /// Takes the next word, which has to be this one.
    ///
    /// # Errors
    /// Where it is another, or the line ends.
    pub fn needs(&mut self, text: &str, help: &str) -> Result<(), Fault> {
        let word = self.wanted(&format!("`{text}`"), help)?;
        if word.text == text {
            Ok(())
        } else {
            Err(word.fault(format!("`{}` stands where `{text}` should", word.text), help))
        }
    }
}

/// A number and its unit, `1.6x` or `900ms`.
pub fn number<'a>(word: &Token<'a>) -> Option<(f64, &'a str)> {
    let split = word.text.find(|letter: char| letter.is_ascii_alphabetic() || letter == '%').unwrap_or(word.text.len());
    let (digits, unit) = word.text.split_at(split);
    let number: f64 = digits.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some((number, unit))
}

/// What the rate of requests with this name is the rate of.
pub fn rate(name: &str) -> Option<Quantity> {
    match name {
        "client_error_rate" => Some(Quantity::ClientErrors),
        "timeout_rate" => Some(Quantity::Timeouts),
        "abandoned_rate" => Some(Quantity::Abandoned),
        "broken_rate" => Some(Quantity::Broken),
        _ => None,
    }
}

/// A whole number.
///
/// # Errors
/// Where it is none.
pub fn whole(word: &Token<'_>, what: &str) -> Result<u32, Fault> {
    word.text
        .parse()
        .map_err(|_| word.fault(format!("`{}` is no number of {what}", word.text), "a whole number such as 6"))
}

/// A share, as a fraction of 1.
///
/// # Errors
/// Where it is none.
pub fn share(word: &Token<'_>) -> Result<f64, Fault> {
    match number(word) {
        Some((percent, "%")) if percent <= 100.0 => Ok(percent / 100.0),
        Some((_, "%")) => Err(word.fault(format!("`{}` is more than 100 %", word.text), "0% to 100%")),
        _ => Err(word.fault(format!("`{}` is no share", word.text), "a percentage such as 2%")),
    }
}

/// A span of time in milliseconds.
///
/// # Errors
/// Where it is none.
pub fn duration(word: &Token<'_>, text: &str) -> Result<i64, Fault> {
    let read: Result<Duration, _> = text.parse();
    match read {
        Ok(duration) => Ok(i64::try_from(duration.as_ms()).unwrap_or(i64::MAX)),
        Err(error) => Err(word.fault(error.to_string(), error.help().unwrap_or_default())),
    }
}

/// A name.
///
/// # Errors
/// Where it is none.
pub fn name(word: &Token<'_>, text: &str) -> Result<Name, Fault> {
    text.parse().map_err(|error: tidegate_model::name::NameError| {
        word.fault(error.to_string(), error.help().unwrap_or_default())
    })
}

/// What a figure becomes.
///
/// # Errors
/// Where it is no amount of this figure.
pub fn amount_of(figure: &Figure, word: &Token<'_>) -> Result<Amount, Fault> {
    let is_share = matches!(figure, Figure::ErrorRate | Figure::Rate(_) | Figure::JsErrorRate | Figure::Mismatches);
    let is_number = matches!(figure, Figure::Vital(Vital::Cls) | Figure::Value(_));
    match number(word) {
        Some((times, "x")) => return Ok(Amount::Times(times)),
        Some((_, "%")) if is_share => return share(word).map(Amount::Value),
        Some((ms, "ms")) if !is_share && !is_number && ms > 0.0 => {
            return Ok(Amount::Value(ms));
        }
        Some((seconds, "s")) if !is_share && !is_number && seconds > 0.0 => {
            return Ok(Amount::Value(seconds * 1_000.0));
        }
        Some((score, "")) if is_number && score > 0.0 => return Ok(Amount::Value(score)),
        _ => {}
    }
    let help = match figure {
        Figure::Vital(Vital::Cls) => "a score such as 0.3, or `1.6x` the healthy one",
        Figure::Value(_) => "a number such as 3, or `0.5x` the healthy one",
        _ if is_share => "a percentage such as 2%, or `5x` the healthy one",
        _ => "a time such as 900ms or 4s, or `1.6x` the healthy one",
    };
    Err(word.fault(format!("`{}` is no amount of this", word.text), help))
}
