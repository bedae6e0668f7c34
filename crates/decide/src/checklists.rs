//! Who may tick an item of a checklist that asks for a role: whoever the plan names as its person, and whoever the
//! deployment says has it. An item that asks for none is for any operator.
//!
//! This is asked of a command when it comes. It is no part of the transition, since the history keeps names, and not
//! what roles they had on that day.

use super::transition::Refusal;
use tidegate_model::plan::Plan;
use tidegate_model::record::Record;

/// Whether somebody may tick the item with this text, given their name and their roles in the deployment.
///
/// # Errors
/// With the role that the item asks for.
pub fn may_tick(plan: &Plan, record: &Record, item: &str, actor: &str, roles: &[String]) -> Result<(), Refusal> {
    let Some(of) = record.checklist(plan) else { return Ok(()) };
    let Some(role) = of.items(plan).iter().find(|own| own.text == item).and_then(|own| own.role.as_ref()) else {
        return Ok(());
    };
    let person = plan.roles.get(role.as_str()).and_then(|role| role.person.as_deref());
    let is_named = person.is_some_and(|person| person.split(',').any(|one| one.trim().eq_ignore_ascii_case(actor)));
    if is_named || roles.iter().any(|own| own == role.as_str()) {
        return Ok(());
    }
    Err(Refusal::OtherRole(item.to_owned(), role.clone(), person.map(str::to_owned)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_model::Instant;
    use tidegate_model::plan::set::read_rollout;

    #[test]
    fn an_item_of_a_role_is_for_its_person_and_for_whoever_has_the_role() {
        let plan = read_rollout(
            r#"{"key":"shop","roles":{"qa":{"person":"quin@example.com, ana"}},"checklist":["Free",{"text":"Signed off","role":"qa"}],"stage":[{"name":"full","percentage":100,"hold":"1h"}]}"#,
        )
        .unwrap();
        let record = Record::draft(&plan, Instant::from_epoch_ms(0));
        let may = |item: &str, actor: &str, roles: &[&str]| {
            let roles: Vec<String> = roles.iter().map(|role| (*role).to_owned()).collect();
            may_tick(&plan, &record, item, actor, &roles)
        };
        assert_eq!(may("Free", "ben", &[]), Ok(()));
        assert_eq!(may("Signed off", "Quin@example.com", &[]), Ok(()));
        assert_eq!(may("Signed off", "ana", &[]), Ok(()));
        assert_eq!(may("Signed off", "ben", &["qa", "dba"]), Ok(()));
        let refusal = may("Signed off", "ben", &["dba"]).unwrap_err();
        assert_eq!(refusal.to_string(), "`Signed off` is for the role qa (quin@example.com, ana) to approve");
        assert_eq!(may("Unknown", "ben", &[]), Ok(()), "another refusal says that");
    }
}
