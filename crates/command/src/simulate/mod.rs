//! `tidegate simulate`: what a plan would do, simulated in seconds.

mod arguments;
mod runs;
mod timeline;

pub use arguments::{HELP, SimulateArguments};

use super::plan_file::load;
use super::{Failure, report};
use tidegate_model::plan::Plan;
use tidegate_simulate::scenario::{Scenario, parse};
use tidegate_simulate::{Settings, Simulation};
use tidegate_text::Source;
use tidegate_text::fault_lines::lines;

pub fn run(arguments: &SimulateArguments, json: bool) -> Result<(), Failure> {
    let loaded = load(&arguments.plans)?;
    if loaded.has_errors() {
        return refuse(&loaded.sources, json);
    }
    let plans: Vec<Plan> = loaded.plans.into_iter().map(|(_, plan)| plan).collect();
    if plans.is_empty() {
        return Err(Failure::Usage("the plan has no rollout".into()));
    }
    let scenario = scenario(arguments, &plans, json)?;
    let settings = settings(arguments, &plans)?;
    if arguments.runs > 1 {
        return runs::run(&plans, &scenario, &settings, arguments.runs, json);
    }
    let shown = Simulation::new(&plans, &scenario, &settings).run();
    if json { timeline::print_json(&shown, &settings) } else { timeline::show(&shown, &settings, arguments.figures) }
}

fn refuse<T>(sources: &[Source], json: bool) -> Result<T, Failure> {
    if json {
        println!("{}", serde_json::to_string(&lines(sources)).unwrap_or_default());
    } else {
        report::show(sources)?;
    }
    Err(Failure::Refused)
}

/// The lines of the file and those of the arguments.
fn scenario(arguments: &SimulateArguments, plans: &[Plan], json: bool) -> Result<Scenario, Failure> {
    let mut sources = Vec::new();
    if let Some(path) = &arguments.scenario {
        let text = std::fs::read_to_string(path).map_err(|error| Failure::Io(path.display().to_string(), error))?;
        sources.push(Source::new(path.display().to_string(), text));
    }
    sources.push(Source::new("--inject".into(), arguments.inject.join("\n")));
    let about: Vec<&Plan> = plans.iter().collect();
    let mut scenario = Scenario::default();
    for source in &mut sources {
        match parse(&source.text, &about) {
            Ok(read) => scenario.lines.extend(read.lines),
            Err(faults) => source.faults = faults,
        }
    }
    if sources.iter().all(|source| source.faults.is_empty()) { Ok(scenario) } else { refuse(&sources, json) }
}

fn settings(arguments: &SimulateArguments, plans: &[Plan]) -> Result<Settings, Failure> {
    if let Some(key) = arguments.rollout.as_ref().filter(|key| plans.iter().all(|plan| plan.key != **key)) {
        let known: Vec<&str> = plans.iter().map(|plan| plan.key.as_str()).collect();
        return Err(Failure::Usage(format!("no rollout has the key `{key}` (known: {})", known.join(", "))));
    }
    let ms = |duration: tidegate_model::Duration| i64::try_from(duration.as_ms()).unwrap_or(i64::MAX);
    Ok(Settings {
        seed: arguments.seed,
        subjects: usize::try_from(arguments.subjects).unwrap_or_default(),
        requests_per_hour: f64::from(arguments.requests_per_hour),
        start: arguments.start,
        until_ms: arguments.until.map(ms),
        look_ms: arguments.look.map(ms),
        rollout: arguments.rollout.clone(),
    })
}
