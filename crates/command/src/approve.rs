//! `tidegate approve`: ticks items of the checklist that counts now, named by their text, its
//! beginning or their number.

use serde_json::Value;

use super::client::{Answer, Client};
use super::clock::now;
use super::ladder::checklist;
use super::operator::ApproveArguments;
use super::paint::{BOLD, note, paint, print, print_raw};
use super::view::{Changed, Checklist, Rollout};
use super::words::counted;
use super::{Failure, ask, change, wrap};
use tidegate_model::command::Command;

pub fn run(arguments: &ApproveArguments, json: bool) -> Result<(), Failure> {
    let ApproveArguments { key, item, all, foresight, consent } = arguments;
    let is_question = item.is_none() && !all;
    if !is_question && !foresight.dry_run {
        ask::check(consent, true)?;
    }
    let client = Client::new(&consent.connection)?;
    let looked = client.get(&format!("rollouts/{key}"), &[])?;
    let rollout: Rollout = looked.read()?;
    let list = to_tick(&rollout);
    if is_question {
        return if json { print_raw(&checklist_json(&looked)) } else { print(&overview(&rollout, &list)) };
    }
    let items = match item {
        Some(item) => vec![find(&list, item).map_err(Failure::Usage)?.to_owned()],
        None => open(&rollout.checklist.clone().unwrap_or_default()).into_iter().map(str::to_owned).collect(),
    };
    if items.is_empty() {
        return if json { print_raw("[]") } else { print(&overview(&rollout, &list)) };
    }
    if foresight.dry_run {
        return match items.as_slice() {
            [one] => change::run(key, &Command::Approve(one.clone()), foresight, consent, json),
            _ => Err(Failure::Usage("a dry run is for one item at a time: name one instead of --all".into())),
        };
    }
    for item in &items {
        note(&format!("{}: {item}", paint(BOLD, key)));
    }
    let question = if items.len() == 1 {
        format!("Approve this of {key}?")
    } else {
        format!("Approve these {} of {key}?", counted(items.len(), "item"))
    };
    let reason = ask::words(consent, &question)?;
    let revision = looked.etag.unwrap_or_else(|| format!("\"{}\"", rollout.state.revision));
    let answers = approve(&client, key.as_str(), &items, &reason, revision)?;
    if json {
        return print_raw(&document(&answers, *all));
    }
    let Some(last) = answers.last() else { return Ok(()) };
    let changed: Changed = last.read()?;
    let left = open(&to_tick(&changed.rollout)).len();
    let rest = if left == 0 { "nothing is open".to_owned() } else { format!("{} still open", counted(left, "item")) };
    print(&format!("{}; {rest}", change::stands(&changed.rollout)))?;
    change::tell_following(&changed);
    Ok(())
}

/// The checklist that counts now, and behind it the messages to send: these keep nothing from going on.
fn to_tick(rollout: &Rollout) -> Checklist {
    let mut list = rollout.checklist.clone().unwrap_or_default();
    list.items.extend(rollout.to_send.iter().cloned());
    list
}

/// Each approval is decided on the revision that the one before has made.
fn approve(
    client: &Client,
    key: &str,
    items: &[String],
    reason: &str,
    mut revision: String,
) -> Result<Vec<Answer>, Failure> {
    let mut answers = Vec::new();
    for item in items {
        let command = Command::Approve(item.clone());
        let done = change::send(client, key, &command, reason, Some(&revision));
        let answer = done.inspect_err(|_| {
            if !answers.is_empty() {
                note(&format!("{} of {} approved before it failed", answers.len(), counted(items.len(), "item")));
            }
        });
        let answer = answer.map_err(|error| change::with_way_out(error.into(), key, &command))?;
        revision = answer.etag.clone().unwrap_or_else(|| "*".into());
        answers.push(answer);
    }
    Ok(answers)
}

/// The item that a person means.
fn find<'a>(list: &'a Checklist, meant: &str) -> Result<&'a str, String> {
    let meant = meant.trim();
    let texts: Vec<&str> = list.items.iter().map(|item| item.item.as_str()).collect();
    if let Some(text) = texts.iter().find(|text| **text == meant) {
        return Ok(text);
    }
    if let Some(text) = meant.parse::<usize>().ok().and_then(|number| texts.get(number.checked_sub(1)?)) {
        return Ok(text);
    }
    let begins = |text: &&&str| !meant.is_empty() && text.to_lowercase().starts_with(&meant.to_lowercase());
    let candidates: Vec<&str> = texts.iter().filter(begins).copied().collect();
    match candidates.as_slice() {
        [one] => Ok(one),
        [] if texts.is_empty() => Err(format!("`{meant}` cannot be approved: no checklist counts now")),
        [] => Err(format!("no item of the checklist is or begins with `{meant}`; it has:{}", numbered(list, &texts))),
        _ => Err(format!(
            "several items begin with `{meant}`: say more, or give the number:{}",
            numbered(list, &candidates)
        )),
    }
}

fn numbered(list: &Checklist, shown: &[&str]) -> String {
    let lines = list.items.iter().enumerate().filter(|(_, item)| shown.contains(&item.item.as_str()));
    lines.map(|(index, item)| format!("\n  {} {}", index + 1, item.item)).collect()
}

fn open(list: &Checklist) -> Vec<&str> {
    list.items.iter().filter(|item| item.approved.is_none()).map(|item| item.item.as_str()).collect()
}

fn overview(rollout: &Rollout, list: &Checklist) -> String {
    if list.items.is_empty() {
        return format!("{}: no checklist counts now; it is {}", rollout.key, rollout.state.told());
    }
    let mut lines = checklist(list, now(), wrap::of_stdout());
    if !rollout.to_send.is_empty() {
        lines.push("Messages to send are ticked off too; nothing waits for them.".to_owned());
    }
    let left = open(list).len();
    let rest = if left == 0 {
        "All is approved.".into()
    } else {
        format!("{} open: `tidegate approve {} NUMBER`, or --all", counted(left, "item"), rollout.key)
    };
    lines.push(rest);
    lines.join("\n")
}

/// The part of the API's answer that was asked for.
fn checklist_json(looked: &Answer) -> String {
    let rollout: Value = serde_json::from_str(&looked.text).unwrap_or_default();
    rollout.get("checklist").unwrap_or(&Value::Null).to_string()
}

/// One answer as it came, or several as a list.
fn document(answers: &[Answer], is_list: bool) -> String {
    let texts: Vec<&str> = answers.iter().map(|answer| answer.text.trim()).collect();
    if is_list { format!("[{}]", texts.join(",")) } else { texts.concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list() -> Checklist {
        serde_json::from_str(r#"{"of":"stage","items":[{"item":"Backups confirmed","approved":{"by":"ana"}},{"item":"Backups restored"},{"item":"Rollback tested"},{"item":"1 canary buried"}]}"#).unwrap()
    }

    #[test]
    fn an_item_is_meant_by_its_text_its_number_or_its_beginning() {
        for (meant, item) in [
            ("Rollback tested", "Rollback tested"),
            ("rollback", "Rollback tested"),
            (" backups r ", "Backups restored"),
            ("2", "Backups restored"),
            ("1 canary", "1 canary buried"),
            ("1", "Backups confirmed"),
        ] {
            assert_eq!(find(&list(), meant), Ok(item));
        }
    }

    #[test]
    fn what_is_not_clear_is_asked_back_with_the_numbers() {
        assert_eq!(
            find(&list(), "Backups").unwrap_err(),
            "several items begin with `Backups`: say more, or give the number:\n  1 Backups confirmed\n  2 Backups restored"
        );
        assert!(
            find(&list(), "9")
                .unwrap_err()
                .starts_with("no item of the checklist is or begins with `9`; it has:\n  1 Backups confirmed")
        );
        assert!(find(&list(), "").unwrap_err().contains("begins with ``"));
        assert_eq!(find(&Checklist::default(), "x").unwrap_err(), "`x` cannot be approved: no checklist counts now");
    }

    #[test]
    fn what_is_approved_is_not_open() {
        assert_eq!(open(&list()), ["Backups restored", "Rollback tested", "1 canary buried"]);
    }
}
