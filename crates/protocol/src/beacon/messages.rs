//! What a page is answered where it asks for messages: those that are for its visitor, as plain text.
//!
//! 1. Who asks with a token that does not count is answered nothing: the token says which rollouts the page was given,
//!    on which side, and to whom.
//! 2. The same question has the same answer, and changes nothing. The browser remembers by a message's id what it has
//!    shown; the id is another one for each subject, and says nothing of either.
//! 3. A page shows at most [`OF_PAGE_MAX`] messages at a time.

use serde::Serialize;

use super::Report;
use crate::exposure::ExposureKey;
use tidegate_decide::notify::in_app::InAppMessage;
use tidegate_model::{Instant, Name};

/// So many messages one page is given.
pub const OF_PAGE_MAX: usize = 8;

/// A message as a page gets it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct PageMessage<'a> {
    /// The same whenever this visitor gets it.
    pub id: String,
    /// The rollout that it is about.
    pub rollout: &'a Name,
    /// `preview`, `launch` or `incident`.
    pub kind: &'a str,
    /// The first line.
    pub title: &'a str,
    /// The lines after it.
    pub text: &'a str,
    /// Where it leads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<&'a str>,
}

/// The body of the answer; `None` where there is nothing to show.
pub fn body(messages: &[PageMessage<'_>]) -> Option<String> {
    #[derive(Serialize)]
    struct Body<'a> {
        messages: &'a [PageMessage<'a>],
    }

    (!messages.is_empty()).then(|| serde_json::to_string(&Body { messages }).unwrap_or_default())
}

/// The messages for the page of these reports, which are those of one token. `is_in` says whether its visitor is in a
/// group of a rollout; it is asked only where a message is for groups.
pub fn of_page<'a>(
    messages: &'a [InAppMessage],
    reports: &[Report],
    key: &ExposureKey,
    is_in: impl Fn(&Name, &Name) -> bool,
    now: Instant,
) -> Vec<PageMessage<'a>> {
    let of = |message: &'a InAppMessage| {
        let report = reports.iter().find(|report| report.rollout == message.rollout)?;
        let is_its_side = message.side.is_none_or(|side| side == report.variant);
        let is_for = is_its_side && now < message.until;
        let is_member = || message.groups.iter().any(|group| is_in(&message.rollout, group));
        if !is_for || !message.groups.is_empty() && !is_member() {
            return None;
        }
        let (title, text) = message.text.split_once('\n').unwrap_or((&message.text, ""));
        Some(PageMessage {
            id: key.message(&message.rollout, &message.id, report.subject),
            rollout: &message.rollout,
            kind: &message.kind,
            title: title.trim(),
            text: text.trim(),
            link: message.link.as_deref(),
        })
    };
    messages.iter().filter_map(of).take(OF_PAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::super::body::read;
    use super::*;
    use crate::exposure::{Exposure, Issuer};
    use tidegate_model::Minute;
    use tidegate_model::variant::Variant;

    const HOST: &str = "shop.example.com";
    const MINUTE: Minute = Minute::new(29_000_000);

    fn now() -> Instant {
        MINUTE.start()
    }

    fn key() -> ExposureKey {
        ExposureKey::derive("a key of thirty-two bytes, or so").unwrap()
    }

    fn page(variant: Variant, subject: u64) -> Vec<Report> {
        let exposure = |rollout| Exposure {
            rollout,
            variant,
            stage: "canary",
            revision: 7,
            subject,
            slice: None,
            endpoints: Vec::new(),
            is_counted: true,
        };
        let token =
            Issuer::new(key(), subject).issue(HOST, MINUTE, ["shop", "banner"].into_iter().map(exposure)).unwrap();
        read(&format!(r#"{{"token":"{token}","messages":true}}"#), &key(), HOST, MINUTE).unwrap().reports
    }

    fn message(rollout: &str, side: Option<Variant>) -> InAppMessage {
        InAppMessage {
            rollout: rollout.parse().unwrap(),
            id: "1-0-5".into(),
            kind: "launch".into(),
            side,
            groups: Vec::new(),
            text: "It is here\nThe new checkout.".into(),
            link: Some("/new".into()),
            until: now().plus_ms(1),
        }
    }

    #[test]
    fn a_page_gets_what_is_for_its_rollouts_and_its_side_while_it_lasts() {
        let all = [
            message("shop", Some(Variant::New)),
            message("shop", Some(Variant::Legacy)),
            message("banner", None),
            message("elsewhere", None),
            InAppMessage { until: now(), ..message("shop", None) },
        ];
        let reported = |variant| -> Vec<String> {
            let found = of_page(&all, &page(variant, 5), &key(), |_, _| false, now());
            found.iter().map(|own| own.rollout.to_string()).collect()
        };
        assert_eq!(
            (reported(Variant::New), reported(Variant::Legacy)),
            (vec!["shop".to_owned(), "banner".into()], vec!["shop".to_owned(), "banner".into()])
        );
        let own = message("shop", None);
        let found = of_page(std::slice::from_ref(&own), &page(Variant::New, 5), &key(), |_, _| false, now());
        let [only] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(
            (only.kind, only.title, only.text, only.link),
            ("launch", "It is here", "The new checkout.", Some("/new"))
        );
        assert_eq!(body(&[]), None);
        let text = body(&found).unwrap();
        assert_eq!(
            text,
            format!(
                r#"{{"messages":[{{"id":"{}","rollout":"shop","kind":"launch","title":"It is here","text":"The new checkout.","link":"/new"}}]}}"#,
                only.id
            )
        );
    }

    #[test]
    fn a_group_is_asked_for_only_where_a_message_is_for_one() {
        let invited = InAppMessage {
            groups: vec!["beta".parse().unwrap(), "team".parse().unwrap()],
            ..message("shop", Some(Variant::Legacy))
        };
        let all = [invited, message("shop", Some(Variant::Legacy))];
        let shown = |member: &str| {
            let is_in = |rollout: &Name, group: &Name| rollout.as_str() == "shop" && group.as_str() == member;
            of_page(&all, &page(Variant::Legacy, 5), &key(), is_in, now()).len()
        };
        assert_eq!((shown("team"), shown("beta"), shown("other")), (2, 2, 1));
        let never = |_: &Name, _: &Name| -> bool { panic!("nobody has to know") };
        assert_eq!(of_page(&all[1..], &page(Variant::Legacy, 5), &key(), never, now()).len(), 1);
        assert_eq!(of_page(&all[..1], &page(Variant::New, 5), &key(), never, now()).len(), 0, "it is on new already");
    }

    #[test]
    fn asking_again_is_answered_the_same_and_another_visitor_gets_another_id() {
        let all = [message("shop", None)];
        let id = |subject| of_page(&all, &page(Variant::New, subject), &key(), |_, _| false, now()).remove(0).id;
        assert_eq!(id(5), id(5));
        assert_ne!(id(5), id(6));
        let many: Vec<InAppMessage> = (0..50).map(|_| message("shop", None)).collect();
        assert_eq!(of_page(&many, &page(Variant::New, 5), &key(), |_, _| false, now()).len(), OF_PAGE_MAX);
        assert_eq!(of_page(&all, &[], &key(), |_, _| true, now()).len(), 0, "without a token nothing is said");
    }
}
