//! Reads a scenario, against the plans that it is about: what no plan knows is an error with its place,
//! since an injection that does nothing would look like a plan that endures it. All errors at once.

mod probes;

use super::words::{
    Reader, THINGS, Token, amount_of, duration, fault, meant, name, number, one_of, rate, share, whole, words,
};
use super::{Amount, Figure, Line, Moment, Scenario, Until, What, When};
use crate::healthy::{is_asked, terms};
use tidegate_model::command::{Cause, Command, Setting, Target};
use tidegate_model::condition::{Metric, Vital};
use tidegate_model::fault::{Explain as _, Fault};
use tidegate_model::measured::Quantity;
use tidegate_model::plan::Plan;
use tidegate_model::plan::words::SignalKind;
use tidegate_model::variant::Variant;
use tidegate_model::{Name, Percentage};

const FIGURES: [&str; 14] = [
    "error_rate",
    "client_error_rate",
    "timeout_rate",
    "abandoned_rate",
    "broken_rate",
    "latency",
    "lcp",
    "fcp",
    "cls",
    "inp",
    "ttfb",
    "js_error_rate",
    "shadow.mismatch_rate",
    "timing.NAME",
];
const WHEN_HELP: &str = "`from 6h`, `from 6h to 8h`, `from canary+1h for 30m`";
const AT_HELP: &str = "`at 30h`, or `at canary+2h` after a stage was entered";

/// Reads a scenario about these plans.
///
/// # Errors
/// With every line that cannot be understood.
pub fn parse(text: &str, plans: &[&Plan]) -> Result<Scenario, Vec<Fault>> {
    let mut scenario = Scenario::default();
    let mut faults = Vec::new();
    let mut start = 0;
    for line in text.split('\n') {
        match read_line(line, start, plans) {
            Ok(read) => scenario.lines.extend(read),
            Err(fault) => faults.push(fault),
        }
        start += line.len() + 1;
    }
    if faults.is_empty() { Ok(scenario) } else { Err(faults) }
}

fn read_line(line: &str, start: usize, plans: &[&Plan]) -> Result<Option<Line>, Fault> {
    let words = words(line, start)?;
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return Ok(None) };
    let text = line.get(first.span.start - start..last.span.end - start).unwrap_or_default().to_owned();
    let mut reader = Reader::new(words, start);
    let mut about: Vec<&Plan> = plans.to_vec();
    let mut key = None;
    if let Some(word) = reader.peek().filter(|word| word.text.ends_with(':')).cloned() {
        reader.next();
        let wanted = word.text.trim_end_matches(':');
        about.retain(|plan| plan.key.as_str() == wanted);
        let Some(plan) = about.first() else {
            let known: Vec<&str> = plans.iter().map(|plan| plan.key.as_str()).collect();
            return Err(word.fault(format!("no rollout has the key `{wanted}`"), meant(wanted, &known)));
        };
        key = Some(plan.key.clone());
    }
    let (what, when) = Parser { r: &mut reader, plans: &about }.thing()?;
    if let Some(rest) = reader.next() {
        return Err(rest.fault(
            format!("`{}` stands behind the end of what the line says", rest.text),
            "one thing a line; `#` begins a comment",
        ));
    }
    Ok(Some(Line { text, key, what, when }))
}

struct Parser<'r, 'a> {
    r: &'r mut Reader<'a>,
    plans: &'r [&'r Plan],
}

impl<'a> Parser<'_, 'a> {
    fn thing(&mut self) -> Result<(What, When), Fault> {
        let word = self.r.wanted("what happens", "`new.error_rate = 2% from 6h`, for example")?;
        match word.text {
            "approve" => self.approve(),
            "no" => {
                self.r.needs("traffic", "`no traffic from 2d to 3d`")?;
                let side = if self.r.takes("on") { Some(self.side()?) } else { None };
                Ok((What::NoTraffic(side), self.span()?))
            }
            "silence" => {
                let word = self.r.wanted("the signal", "`silence signal.db_p95 from 5h`")?;
                let (name, _) = self.signal(&word)?;
                Ok((What::Silence(name), self.span()?))
            }
            "errors" => {
                self.r.needs("clustered", "`errors clustered`")?;
                Ok((What::Clustered, self.span()?))
            }
            "faults" => {
                self.equals()?;
                let word = self.r.wanted("the number", "`faults = 2 from 3h`")?;
                let count = whole(&word, "faults")?;
                Ok((What::Faults(u64::from(count)), self.span()?))
            }
            "new" | "legacy" => {
                self.r.needs("down", "`new down from 3h`, or a figure such as `new.error_rate = 2%`")?;
                Ok((What::Down(if word.text == "new" { Variant::New } else { Variant::Legacy }), self.span()?))
            }
            _ => match self.command(&word)? {
                Some(command) => Ok((What::Command(command), self.at()?)),
                None => self.figure(&word),
            },
        }
    }

    fn side(&mut self) -> Result<Variant, Fault> {
        let word = self.r.wanted("the side", "`new` or `legacy`")?;
        match word.text {
            "new" => Ok(Variant::New),
            "legacy" => Ok(Variant::Legacy),
            _ => Err(word.fault(format!("`{}` is no side", word.text), "`new` or `legacy`")),
        }
    }

    fn equals(&mut self) -> Result<(), Fault> {
        self.r.needs("=", "`new.error_rate = 2% from 6h`, for example")
    }

    fn approve(&mut self) -> Result<(What, When), Fault> {
        let word = self.r.wanted("what is approved", "`approve everything`, or `approve \"the item's text\" at 5h`")?;
        let what = match (word.text, word.is_quoted) {
            ("everything", false) => What::ApproveAll,
            (item, true) => {
                let known: Vec<&str> = self
                    .plans
                    .iter()
                    .flat_map(|plan| {
                        plan.checklist
                            .iter()
                            .chain(plan.stages.iter().flat_map(|stage| &stage.checklist))
                            .chain(&plan.after_rollback)
                    })
                    .map(|item| item.text.as_str())
                    .collect();
                if !known.contains(&item) {
                    return Err(word.fault(format!("no checklist has the item `{item}`"), meant(item, &known)));
                }
                What::Approve(item.to_owned())
            }
            _ => {
                return Err(
                    word.fault(format!("`{}` is no item", word.text), "`everything`, or an item's text in quotes")
                );
            }
        };
        let when = if self.r.peek().is_some() { self.at()? } else { When::At(Moment { stage: None, offset_ms: 0 }) };
        Ok((what, when))
    }

    fn command(&mut self, word: &Token<'a>) -> Result<Option<Command>, Fault> {
        let percentage = |word: &Token<'_>| {
            word.text
                .trim_end_matches('%')
                .parse::<Percentage>()
                .map_err(|error| word.fault(error.to_string(), error.help().unwrap_or_default()))
        };
        Ok(Some(match word.text {
            "pause" => Command::Pause,
            "resume" => Command::Resume(None),
            "start" => Command::Start,
            "advance" => Command::Advance,
            "complete" => Command::Complete(None),
            "kill" => Command::Kill(Cause::Command),
            "revive" => Command::Revive(Cause::Command),
            "rollback" if !self.r.takes("to") => Command::Rollback(Target::Off),
            "rollback" => {
                let word = self.r.wanted("where it goes back to", "`off`, `previous` or a percentage")?;
                Command::Rollback(match word.text {
                    "off" => Target::Off,
                    "previous" => Target::Previous,
                    _ => Target::Percentage(percentage(&word)?),
                })
            }
            "set" => {
                let word = self.r.wanted("the percentage", "`set 25% at 3h`")?;
                Command::Set(Setting::percentage(percentage(&word)?))
            }
            "deploy" => {
                let word = self.r.wanted("the version", "`deploy v2 at 8h`")?;
                let version = word.text.parse();
                Command::Deployed(version.map_err(|error: tidegate_model::version::VersionError| {
                    word.fault(error.to_string(), error.help().unwrap_or_default())
                })?)
            }
            _ => return Ok(None),
        }))
    }

    fn figure(&mut self, word: &Token<'a>) -> Result<(What, When), Fault> {
        if let Some(signal) = word.text.strip_prefix("signal.") {
            return self.reported(word, signal);
        }
        if let Some(probe) = word.text.strip_prefix("probe.") {
            return self.probe(word, probe);
        }
        if let Some(event) = word.text.strip_prefix("event.") {
            return self.event(word, event);
        }
        if word.text == "opt_out_rate" {
            return self.opt_outs(word);
        }
        let (path, endpoint) =
            word.text.split_once('@').map_or((word.text, None), |(path, endpoint)| (path, Some(endpoint)));
        let (side, figure) = match path.split_once('.') {
            Some(("new", figure)) => (Variant::New, figure),
            Some(("legacy", figure)) => (Variant::Legacy, figure),
            _ => (Variant::New, path),
        };
        let Some(figure) = self.known_figure(word, figure)? else {
            let help = if path.contains('.') { meant(figure, &FIGURES) } else { meant(path, &THINGS) };
            return Err(word.fault(format!("`{}` is nothing that can happen", word.text), help));
        };
        let endpoint = endpoint.map(|endpoint| self.endpoint(word, endpoint)).transpose()?;
        if endpoint.is_some() && !matches!(figure, Figure::ErrorRate | Figure::Rate(_) | Figure::Latency) {
            return Err(word.fault(
                format!("`{path}` is the same at all endpoints"),
                "rates of requests and `latency` may name one",
            ));
        }
        self.equals()?;
        let amount_word = self.r.wanted("the amount", "2%, 900ms, 4s or 1.6x")?;
        let amount = amount_of(&figure, &amount_word)?;
        if let (Figure::Rate(of), Amount::Times(_)) = (&figure, amount)
            && *of != Quantity::ClientErrors
            && !self.plans.iter().any(|plan| is_asked(plan, of))
        {
            return Err(amount_word.fault(
                format!("`{path}` is zero in a healthy world, since no condition is about it"),
                "a percentage such as 2%",
            ));
        }
        Ok((What::Figure { side, figure, endpoint, amount }, self.span()?))
    }

    fn known_figure(&self, word: &Token<'_>, text: &str) -> Result<Option<Figure>, Fault> {
        Ok(Some(match text {
            "error_rate" => Figure::ErrorRate,
            "latency" => Figure::Latency,
            "js_error_rate" => Figure::JsErrorRate,
            "shadow.mismatch_rate" => Figure::Mismatches,
            _ if let Some(of) = rate(text) => Figure::Rate(of),
            _ => match (Vital::ALL.into_iter().find(|vital| vital.word() == text), text.split_once('.')) {
                (Some(vital), _) => Figure::Vital(vital),
                (None, Some((kind @ ("timing" | "value"), own))) => {
                    let known = self.names(|metric| match metric {
                        Metric::Timing(name, _) if kind == "timing" => Some(name.as_str()),
                        Metric::ValueMean(name) | Metric::Value(name, _) if kind == "value" => Some(name.as_str()),
                        _ => None,
                    });
                    if !known.contains(&own) {
                        return Err(word.fault(format!("no condition is about `{text}`"), meant(own, &known)));
                    }
                    if kind == "timing" { Figure::Timing(name(word, own)?) } else { Figure::Value(name(word, own)?) }
                }
                (None, _) => return Ok(None),
            },
        }))
    }

    fn endpoint(&self, word: &Token<'_>, text: &str) -> Result<Name, Fault> {
        let known: Vec<&str> = self.plans.iter().flat_map(|plan| plan.endpoints.names()).collect();
        if known.contains(&text) {
            name(word, text)
        } else {
            Err(word.fault(format!("no endpoint is called `{text}`"), meant(text, &known)))
        }
    }

    /// The names in the plans' conditions that `of` picks.
    fn names<'n>(&'n self, of: impl Fn(&'n Metric) -> Option<&'n str>) -> Vec<&'n str> {
        self.plans.iter().flat_map(|plan| terms(plan)).filter_map(|term| of(&term.metric)).collect()
    }

    fn signal(&self, word: &Token<'_>) -> Result<(Name, SignalKind), Fault> {
        let text = word.text.strip_prefix("signal.").unwrap_or(word.text);
        let found = self.plans.iter().find_map(|plan| plan.signals.get(text));
        match found {
            Some(signal) => Ok((name(word, text)?, signal.kind)),
            None => {
                let known: Vec<&str> = self.plans.iter().flat_map(|plan| plan.signals.names()).collect();
                Err(word.fault(format!("no signal is called `{text}`"), meant(text, &known)))
            }
        }
    }

    fn reported(&mut self, word: &Token<'a>, signal: &str) -> Result<(What, When), Fault> {
        let (name, kind) = self.signal(word)?;
        self.equals()?;
        let amount = self.r.wanted("the value", "6, 85%, 700ms")?;
        let value = match number(&amount) {
            Some((value, "")) => value,
            Some((percent, "%")) => percent / 100.0,
            Some((ms, "ms")) => ms,
            Some((seconds, "s")) => seconds * 1_000.0,
            _ => {
                return Err(amount.fault(
                    format!("`{}` is no value", amount.text),
                    "a number, a percentage or a time: 6, 85%, 700ms, 2s",
                ));
            }
        };
        match (kind, self.r.peek().map(|word| word.text)) {
            (SignalKind::Count, Some("from")) => {
                Err(word.fault(format!("`signal.{signal}` counts events, and those come at one time"), AT_HELP))
            }
            (SignalKind::Count, _) => Ok((What::Count(name, value), self.at()?)),
            (SignalKind::Gauge, Some("at")) => {
                Err(word.fault(format!("`signal.{signal}` is a gauge, and that lasts"), WHEN_HELP))
            }
            (SignalKind::Gauge, _) => Ok((What::Gauge(name, value), self.span()?)),
        }
    }

    fn event(&mut self, word: &Token<'a>, event: &str) -> Result<(What, When), Fault> {
        let mut known = self.names(|metric| {
            if let Metric::Event(name) | Metric::Reporters(name) = metric { Some(name.as_str()) } else { None }
        });
        if !self.names(|metric| (*metric == Metric::Adoption).then_some("used")).is_empty() {
            known.push("used");
        }
        if !known.contains(&event) {
            return Err(word.fault(format!("no condition is about `event.{event}`"), meant(event, &known)));
        }
        let name = name(word, event)?;
        self.equals()?;
        let amount = self.r.wanted("how many", "12 users `at` a time, or 20% of them `from` one")?;
        if amount.text.ends_with('%') {
            return Ok((What::Share(name, share(&amount)?), self.span()?));
        }
        Ok((What::Reporters(name, whole(&amount, "users")?), self.at()?))
    }

    fn at(&mut self) -> Result<When, Fault> {
        self.r.needs("at", AT_HELP)?;
        let word = self.r.wanted("the time", AT_HELP)?;
        Ok(When::At(self.moment(&word)?))
    }

    fn span(&mut self) -> Result<When, Fault> {
        if self.r.peek().is_none() {
            return Ok(When::Span(Moment { stage: None, offset_ms: 0 }, None));
        }
        self.r.needs("from", WHEN_HELP)?;
        let word = self.r.wanted("the time", WHEN_HELP)?;
        let from = self.moment(&word)?;
        if self.r.takes("to") {
            let word = self.r.wanted("the time", WHEN_HELP)?;
            let to = self.moment(&word)?;
            if to.stage == from.stage && to.offset_ms <= from.offset_ms {
                return Err(word.fault("it would end before it begins".to_owned(), WHEN_HELP));
            }
            return Ok(When::Span(from, Some(Until::At(to))));
        }
        if self.r.takes("for") {
            let word = self.r.wanted("how long", WHEN_HELP)?;
            return Ok(When::Span(from, Some(Until::For(duration(&word, word.text)?))));
        }
        Ok(When::Span(from, None))
    }

    fn moment(&self, word: &Token<'_>) -> Result<Moment, Fault> {
        let stages: Vec<&str> =
            self.plans.iter().flat_map(|plan| &plan.stages).map(|stage| stage.name.as_str()).collect();
        let (stage, offset) = if stages.contains(&word.text) {
            (Some(word.text), None)
        } else {
            word.text.rsplit_once('+').map_or((None, Some(word.text)), |(stage, offset)| (Some(stage), Some(offset)))
        };
        if let Some(stage) = stage.filter(|stage| !stages.contains(stage)) {
            return Err(word.fault(format!("no stage is called `{stage}`"), meant(stage, &stages)));
        }
        let offset_ms = match offset {
            None => 0,
            Some("0") => 0,
            Some(offset) => duration(word, offset).map_err(|found| {
                if stage.is_none() && !starts_with_digit(offset) {
                    fault(
                        word.span.clone(),
                        format!("`{offset}` is neither a time nor a stage"),
                        format!("a time such as 6h, or a stage ({})", one_of(stages.iter().copied())),
                    )
                } else {
                    found
                }
            })?,
        };
        Ok(Moment { stage: stage.map(|stage| name(word, stage)).transpose()?, offset_ms })
    }
}

fn starts_with_digit(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Amount;
    use tidegate_model::plan::set::read_rollout;

    const PLAN: &str = r#"{"key":"shop","routes":["/*"],"upstreams":{"legacy":"https://a.example","new":"https://b.example"},"identity":{"from":["cookie:uid"]},
        "endpoints":{"api":"path:/api/*"},"checklist":["Backups"],"signals":{"p1":{"kind":"count"},"cpu":{"kind":"gauge"}},
        "stage":[{"name":"first-2","percentage":10,"gates":["timing.tti.p75 < 3s","reporters.failure < 5 over stage"]},{"name":"full","percentage":100}]}"#;

    fn read(text: &str) -> Result<Scenario, Vec<Fault>> {
        let plan = read_rollout(PLAN).unwrap_or_else(|faults| panic!("{faults:?}"));
        parse(text, &[&plan])
    }

    #[track_caller]
    fn reads(text: &str, what: What, when: When) {
        let lines = read(text).unwrap_or_else(|faults| panic!("{faults:?}")).lines;
        assert_eq!(lines.iter().map(|line| (&line.what, &line.when)).collect::<Vec<_>>(), [(&what, &when)]);
    }

    #[track_caller]
    fn refuses(text: &str, meant: &str, message: &str, help: &str) {
        let faults = read(text).expect_err("it is read");
        let listed = &faults[0];
        assert_eq!((&text[listed.span.clone().unwrap()], listed.message.as_str()), (meant, message));
        assert!(listed.help.as_ref().unwrap().contains(help), "{:?}", listed.help);
    }

    fn moment(stage: Option<&str>, offset_ms: i64) -> Moment {
        Moment { stage: stage.map(|stage| stage.parse().unwrap()), offset_ms }
    }

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn lines_say_what_and_when() {
        let figure = |side, figure, endpoint: Option<&str>, amount| What::Figure {
            side,
            figure,
            endpoint: endpoint.map(|name| name.parse().unwrap()),
            amount,
        };
        let from = |hours: i64| When::Span(moment(None, hours * HOUR_MS), None);
        reads(
            "new.error_rate = 2% from 6h",
            figure(Variant::New, Figure::ErrorRate, None, Amount::Value(0.02)),
            from(6),
        );
        reads(
            " new.error_rate@api=2% # bad",
            figure(Variant::New, Figure::ErrorRate, Some("api"), Amount::Value(0.02)),
            from(0),
        );
        reads(
            "new.client_error_rate = 100% from full",
            figure(Variant::New, Figure::Rate(Quantity::ClientErrors), None, Amount::Value(1.0)),
            When::Span(moment(Some("full"), 0), None),
        );
        reads(
            "legacy.broken_rate@api = 3%",
            figure(Variant::Legacy, Figure::Rate(Quantity::Broken), Some("api"), Amount::Value(0.03)),
            from(0),
        );
        reads(
            "legacy.latency = 1.6x from 6h to 8h",
            figure(Variant::Legacy, Figure::Latency, None, Amount::Times(1.6)),
            When::Span(moment(None, 6 * HOUR_MS), Some(Until::At(moment(None, 8 * HOUR_MS)))),
        );
        reads(
            "timing.tti = 4s from first-2+2h for 30m",
            figure(Variant::New, Figure::Timing("tti".parse().unwrap()), None, Amount::Value(4_000.0)),
            When::Span(moment(Some("first-2"), 2 * HOUR_MS), Some(Until::For(HOUR_MS / 2))),
        );
        reads(
            "new.cls = 0.3 from full",
            figure(Variant::New, Figure::Vital(Vital::Cls), None, Amount::Value(0.3)),
            When::Span(moment(Some("full"), 0), None),
        );
        reads("signal.p1 = 6 at 30h", What::Count("p1".parse().unwrap(), 6.0), When::At(moment(None, 30 * HOUR_MS)));
        reads("shop: signal.cpu = 95% from 5h", What::Gauge("cpu".parse().unwrap(), 0.95), from(5));
        reads(
            "event.failure = 12 at 3h",
            What::Reporters("failure".parse().unwrap(), 12),
            When::At(moment(None, 3 * HOUR_MS)),
        );
        reads("no traffic on new from 2h", What::NoTraffic(Some(Variant::New)), from(2));
        reads("approve \"Backups\" at 5h", What::Approve("Backups".into()), When::At(moment(None, 5 * HOUR_MS)));
        reads(
            "set 25% at first-2",
            What::Command(Command::Set(Setting::percentage("25".parse().unwrap()))),
            When::At(moment(Some("first-2"), 0)),
        );
        reads(
            "# nothing\n\nrollback to previous at 1h\n",
            What::Command(Command::Rollback(Target::Previous)),
            When::At(moment(None, HOUR_MS)),
        );
        reads(
            "deploy v2.1.0 at first-2+1h",
            What::Command(Command::Deployed("v2.1.0".parse().unwrap())),
            When::At(moment(Some("first-2"), HOUR_MS)),
        );
        assert_eq!(read("approve everything # all").unwrap().lines[0].text, "approve everything");
    }

    #[test]
    fn what_cannot_be_meant_is_reported_with_its_place_and_the_way_out() {
        refuses(
            "new.eror_rate = 2%",
            "new.eror_rate",
            "`new.eror_rate` is nothing that can happen",
            "did you mean `error_rate`?",
        );
        refuses("new.error_rate = 2", "2", "`2` is no amount of this", "2%");
        refuses("new.error_rate = 200%", "200%", "`200%` is more than 100 %", "0% to 100%");
        refuses(
            "new.broken_rate = 3x",
            "3x",
            "`new.broken_rate` is zero in a healthy world, since no condition is about it",
            "2%",
        );
        refuses("new.latency = 2%", "2%", "`2%` is no amount of this", "900ms");
        refuses("new.error_rate 2%", "2%", "`2%` stands where `=` should", "new.error_rate = 2%");
        refuses("new.error_rate =", "=", "the amount is missing here", "2%");
        refuses("new.error_rate = 2% from noon", "noon", "`noon` is neither a time nor a stage", "`first-2` or `full`");
        refuses("new.error_rate = 2% from full+2", "full+2", "`2` is not a duration", "");
        refuses("new.error_rate = 2% from ful+2h", "ful+2h", "no stage is called `ful`", "did you mean `full`?");
        refuses("new.error_rate = 2% from 6h to 5h", "5h", "it would end before it begins", "from 6h");
        refuses("new.error_rate = 2% for 5h", "for", "`for` stands where `from` should", "from 6h");
        refuses(
            "new.error_rate = 2% from 6h now",
            "now",
            "`now` stands behind the end of what the line says",
            "one thing a line",
        );
        refuses("new.error_rate@app = 2%", "new.error_rate@app", "no endpoint is called `app`", "`api`");
        refuses("signal.p2 = 6 at 3h", "signal.p2", "no signal is called `p2`", "did you mean `p1`?");
        refuses(
            "signal.p1 = 6 from 3h",
            "signal.p1",
            "`signal.p1` counts events, and those come at one time",
            "at 30h",
        );
        refuses("signal.cpu = 6 at 3h", "signal.cpu", "`signal.cpu` is a gauge, and that lasts", "from 6h");
        refuses("event.failed = 6 at 3h", "event.failed", "no condition is about `event.failed`", "failure");
        refuses("approve \"Backup\"", "\"Backup\"", "no checklist has the item `Backup`", "did you mean `Backups`?");
        refuses("approve \"Backups", "\"Backups", "the quote is not closed", "\"…\"");
        refuses("chop: pause at 3h", "chop:", "no rollout has the key `chop`", "did you mean `shop`?");
        refuses("pause", "e", "`at` is missing here", "at 30h");
        refuses("set 150 at 3h", "150", "`150` is more than 100 %", "");
        assert_eq!(read("pauze\nset\n").expect_err("both").len(), 2);
    }
}
