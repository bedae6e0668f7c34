//! From names to channels, at one moment.

use tidegate_model::notification::Urgency;
use tidegate_model::plan::channel::ChannelKind;
use tidegate_model::plan::words::Audience;
use tidegate_model::plan::{Channel, Plan};
use tidegate_model::{Instant, Name};

/// The channels that these names, of channels and roles, stand for at a moment; where that is none, the ones that
/// get what nobody is named for: silence would be worst.
pub fn resolve(plan: &Plan, names: &[Name], urgency: Urgency, at: Instant) -> Vec<Name> {
    let channels = named(plan, names, at);
    if channels.is_empty() { unnamed(plan, urgency) } else { channels }
}

/// The channels of those who look after a stage. Nobody is woken up by what is not critical because they own it.
pub fn of_owner(plan: &Plan, owner: Option<&Name>, urgency: Urgency, at: Instant) -> Vec<Name> {
    let channels = named(plan, owner.map(std::slice::from_ref).unwrap_or_default(), at);
    let is_loud = |name: &Name| plan.channels.get(name.as_str()).is_some_and(Channel::is_pager);
    channels.into_iter().filter(|name| urgency == Urgency::Critical || !is_loud(name)).collect()
}

/// The channels that these names stand for.
fn named(plan: &Plan, names: &[Name], at: Instant) -> Vec<Name> {
    let mut channels: Vec<Name> = Vec::new();
    for name in names {
        let mut name = name;
        // A circle of roles reaches nobody.
        for _ in 0..=plan.roles.0.len() {
            let Some(role) = plan.roles.get(name.as_str()) else {
                add(&mut channels, std::slice::from_ref(name), plan);
                break;
            };
            if role.is_there(at) && !role.tell.is_empty() {
                add(&mut channels, &role.tell, plan);
                break;
            }
            let Some(otherwise) = &role.otherwise else { break };
            name = otherwise;
        }
    }
    channels
}

fn add(channels: &mut Vec<Name>, names: &[Name], plan: &Plan) {
    for name in names {
        if plan.channels.contains(name.as_str()) && !channels.contains(name) {
            channels.push(name.clone());
        }
    }
}

/// The channels that get what nobody is named for: those of a team's conversation, and what wakes somebody up where
/// it is critical. Where there is no conversation, mail; but never what the plan has for clients and users.
fn unnamed(plan: &Plan, urgency: Urgency) -> Vec<Name> {
    let is_outside = |name: &Name| {
        let outside = |audience: &Option<Audience>| matches!(audience, Some(Audience::Client | Audience::Users));
        plan.notices.iter().any(|notice| outside(&notice.audience) && notice.to.contains(name))
    };
    let those = |is_it: &dyn Fn(&Channel) -> bool| -> Vec<Name> {
        let found = plan.channels.0.iter().filter(|(name, channel)| is_it(channel) && !is_outside(name));
        found.map(|(name, _)| name.clone()).collect()
    };
    let is_critical = urgency == Urgency::Critical;
    let found = those(&|channel| channel.is_chat() || is_critical && channel.is_pager());
    if found.is_empty() {
        those(&|channel| channel.kind() == ChannelKind::Mail || channel.is_pager() && urgency > Urgency::Info)
    } else {
        found
    }
}
