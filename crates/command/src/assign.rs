//! `tidegate assign`: the edge's own decision for a list of ids.

use std::collections::HashMap;
use std::io::{self, BufRead, BufWriter, IsTerminal as _, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::plan_file::load_one;
use super::plans::AssignArguments;
use super::{Failure, report};
use tidegate_decide::assign::{Variant, Visitor, assign};
use tidegate_decide::compiled::{CompiledRollout, GroupIndex};
use tidegate_decide::reconcile::isolate;
use tidegate_model::group::Fingerprints;
use tidegate_model::live::{LiveState, Phase};
use tidegate_model::plan::Plan;
use tidegate_model::subject::SubjectHash;
use tidegate_model::{Instant, fault::Explain};
use tidegate_text::fault_lines::lines;

/// The progress bar is redrawn after so many ids.
const IDS_PER_TICK: u64 = 16_384;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a str,
    bucket: u32,
    variant: &'static str,
    reason: &'static str,
}

pub fn run(arguments: &AssignArguments, json: bool) -> Result<(), Failure> {
    let loaded = load_one(&arguments.plan, arguments.env.as_deref())?;
    if loaded.has_errors() {
        if json {
            println!("{}", serde_json::to_string(&lines(&loaded.sources)).unwrap_or_default());
        } else {
            report::show(&loaded.sources)?;
        }
        return Err(Failure::Refused);
    }
    let plan = choose(loaded.plans.into_iter().map(|(_, plan)| plan).collect(), arguments.rollout.as_deref())?;
    let state = state(&plan, arguments)?;
    let groups = groups(&plan, &arguments.group)?;
    let standing = CompiledRollout::new(&plan, Some(&state), false, false, &Alone);
    assign_all(&standing, &groups).map_err(|error| Failure::Io("standard input or output".into(), error))
}

fn choose(plans: Vec<Plan>, key: Option<&str>) -> Result<Plan, Failure> {
    let keys: Vec<String> = plans.iter().map(|plan| plan.key.to_string()).collect();
    let known = keys.join(", ");
    match (key, plans.len()) {
        (None, 0) => Err(Failure::Usage("the plan has no rollout".into())),
        (None, 2..) => Err(Failure::Usage(format!("the plan has several rollouts: name one with --rollout ({known})"))),
        (None, 1) => plans.into_iter().next().ok_or(Failure::Refused),
        (Some(key), _) => plans
            .into_iter()
            .find(|plan| plan.key.as_str() == key)
            .ok_or_else(|| Failure::Usage(format!("no rollout has the key `{key}` (known: {known})"))),
    }
}

fn state(plan: &Plan, arguments: &AssignArguments) -> Result<LiveState, Failure> {
    let draft = LiveState::draft(plan);
    if let Some(percentage) = arguments.percentage {
        return Ok(isolate::at_percentage(plan, draft, percentage, Instant::from_epoch_ms(0)));
    }
    let index = match &arguments.stage {
        None => 0,
        Some(name) => plan.stage_index(name).ok_or_else(|| {
            let known: Vec<&str> = plan.stages.iter().map(|stage| stage.name.as_str()).collect();
            Failure::Usage(format!("no stage is called `{name}` (known: {})", known.join(", ")))
        })?,
    };
    let Some(stage) = plan.stages.get(index) else { return Err(Failure::Refused) };
    Ok(LiveState {
        phase: Phase::Running,
        stage: stage.name.clone(),
        percentage: stage.percentage,
        groups: plan.groups_through(index),
        ..draft
    })
}

/// The groups' lists in the order of the plan: the plan's own ids and those from files.
fn groups(plan: &Plan, files: &[String]) -> Result<Vec<Vec<Fingerprints>>, Failure> {
    let mut from_files = HashMap::new();
    for argument in files {
        let (name, path) =
            argument.split_once('=').ok_or_else(|| Failure::Usage(format!("`{argument}` is not NAME=FILE")))?;
        if !plan.groups.contains(name) {
            return Err(Failure::Usage(format!("the plan has no group `{name}`")));
        }
        let bytes = std::fs::read(path).map_err(|error| Failure::Io(path.to_owned(), error))?;
        let list = Fingerprints::read(&bytes)
            .map_err(|error| Failure::Usage(format!("{path}: {error} ({})", error.help().unwrap_or_default())))?;
        from_files.insert(name.to_owned(), list);
    }
    for (name, group) in &plan.groups.0 {
        if group.matches.is_some() {
            eprintln!("note: an id alone does not tell whether it matches the group `{name}`; assigned as if none did");
        }
        if group.kv && !from_files.contains_key(name.as_str()) {
            eprintln!("note: the group `{name}` is in KV; assigned as if it were empty (--group {name}=FILE)");
        }
    }
    Ok(plan
        .groups
        .0
        .iter()
        .map(|(name, group)| {
            [Some(group.fingerprints.clone()), from_files.remove(name.as_str())].into_iter().flatten().collect()
        })
        .collect())
}

/// A deployment of one rollout: its groups by their order, and no other rollout.
struct Alone;

impl GroupIndex for Alone {
    fn group(&self, plan: &Plan, name: &str) -> Option<usize> {
        plan.groups.names().position(|own| own == name)
    }

    /// Any other rollout is taken to be on new, so that `requires` does not hide this one's split.
    fn rollout(&self, _key: &str) -> Option<usize> {
        Some(0)
    }
}

struct Subject<'a> {
    hash: Option<SubjectHash>,
    groups: &'a [Vec<Fingerprints>],
}

impl Visitor for Subject<'_> {
    fn subject(&self) -> Option<SubjectHash> {
        self.hash
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        let lists = self.groups.get(group)?;
        let hash = self.hash?;
        Some(lists.iter().any(|list| list.contains(hash)))
    }

    fn chosen(&self) -> Option<Variant> {
        None
    }

    fn variant_in(&self, _rollout: usize) -> Variant {
        Variant::New
    }
}

fn assign_all(standing: &CompiledRollout, groups: &[Vec<Fingerprints>]) -> io::Result<()> {
    let progress = progress();
    let mut input = io::stdin().lock();
    let mut output = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let mut line = Vec::new();
    let mut count = 0_u64;
    loop {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        // The edge sees text: what is not UTF-8 becomes U+FFFD there, and so it does here.
        let text = String::from_utf8_lossy(&line);
        let id = text.trim_ascii();
        let hash = SubjectHash::of(id.as_bytes());
        // An empty id has a bucket like any other, but on the edge it is no id.
        let known = Some(hash).filter(|_| !id.is_empty());
        let assignment = assign(standing, &Subject { hash: known, groups });
        serde_json::to_writer(
            &mut output,
            &Line {
                id,
                bucket: standing.bucket(hash),
                variant: assignment.variant.as_str(),
                reason: assignment.reason.as_str(),
            },
        )?;
        output.write_all(b"\n")?;
        count += 1;
        if count.is_multiple_of(IDS_PER_TICK) {
            progress.set_position(count);
        }
    }
    output.flush()?;
    progress.finish_and_clear();
    Ok(())
}

/// Shown on a terminal only, and not when the answers go to the same one.
fn progress() -> ProgressBar {
    if io::stdout().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} ids assigned, {per_sec}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}
