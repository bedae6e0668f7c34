//! An item of a checklist: what somebody has to do or to confirm, who that is, by when, and how many have to.
//!
//! In a plan it is a text, or a table where there is more to say. What a role or a second person has to confirm, no
//! one else can: `role` and `approvals` are kept by the API, `owner` and `due` are for people.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::ser::SerializeMap as _;

use super::business_day::{BusinessDay, parted};
use super::words::{Sign, Url, WordError};
use crate::calendar::Days;
use crate::{Duration, Instant, Name, serialize_as_text};

/// So many different people may be asked for at most: nobody waits for more.
pub const APPROVALS_MAX: u8 = 9;

/// An item of a checklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is done or true. It names the item.
    pub text: String,
    /// Who sees to it: a role of the plan, or a person.
    pub owner: Option<String>,
    /// The role that alone may tick it.
    pub role: Option<Name>,
    /// By when.
    pub due: Option<Due>,
    /// A remark.
    pub note: Option<String>,
    /// Where to look.
    pub link: Option<Url>,
    /// How many different people have to tick it, from 1.
    pub approvals: u8,
}

impl Item {
    /// An item that is no more than a text.
    pub fn of(text: &str) -> Self {
        Self { text: text.to_owned(), owner: None, role: None, due: None, note: None, link: None, approvals: 1 }
    }

    /// Who sees to it: its owner, else the role that it asks for.
    pub fn who(&self) -> Option<&str> {
        self.owner.as_deref().or(self.role.as_ref().map(Name::as_str))
    }
}

impl Serialize for Item {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if *self == Self::of(&self.text) {
            return serializer.serialize_str(&self.text);
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("text", &self.text)?;
        if let Some(owner) = &self.owner {
            map.serialize_entry("owner", owner)?;
        }
        if let Some(role) = &self.role {
            map.serialize_entry("role", role)?;
        }
        if let Some(due) = &self.due {
            map.serialize_entry("due", due)?;
        }
        if let Some(note) = &self.note {
            map.serialize_entry("note", note)?;
        }
        if let Some(link) = &self.link {
            map.serialize_entry("link", link)?;
        }
        if self.approvals != 1 {
            map.serialize_entry("approvals", &self.approvals)?;
        }
        map.end()
    }
}

/// By when something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Due {
    /// By the end of a day.
    Day(Days),
    /// By a point in time.
    At(Instant),
    /// Around the entry of a stage, `start` or `end`.
    Near {
        /// The stage's name, `start` or `end`.
        anchor: Name,
        /// How long before (`-`) or after (`+`) it.
        offset: Option<(Sign, Duration)>,
        /// The business day that is next to it.
        then: Option<BusinessDay>,
    },
}

impl Due {
    /// What it hangs on beside the plan's stages.
    pub const ANCHORS: [&str; 2] = ["start", "end"];
}

impl FromStr for Due {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, WordError> {
        let (moment, then) = parted(text)?;
        let is_date = text.starts_with(|letter: char| letter.is_ascii_digit());
        if is_date && then.is_some() {
            let help = "no business day is sought behind a date: name the day itself, such as `2026-12-01`";
            return Err(WordError::new(text, "a day by which something is due", help));
        }
        let near = || {
            let shifted = moment.rfind(['-', '+']).and_then(|at| {
                let (anchor, rest) = moment.split_at_checked(at)?;
                let (sign, duration) = rest.split_at_checked(1)?;
                Some((anchor.parse().ok()?, Some((sign.parse().ok()?, duration.parse().ok()?))))
            });
            let (anchor, offset) = shifted.or_else(|| Some((moment.parse().ok()?, None)))?;
            Some(Self::Near { anchor, offset, then: then.clone() })
        };
        let due = match text.parse() {
            Ok(at) => Some(Self::At(at)),
            // A zone has a slash too; several days are no day.
            Err(_) if is_date && text.split(' ').next().is_none_or(|date| !date.contains('/')) => {
                text.parse().ok().map(Self::Day)
            }
            Err(_) if is_date => None,
            Err(_) => near(),
        };
        due.ok_or_else(|| {
            WordError::new(
                text,
                "a day by which something is due",
                "`2026-12-01`, `2026-12-01 Europe/Berlin`, or a stage's name, `start` or `end` with an offset such as `-1d`, and with `, next business day 09:00` (or `previous`) where it must be one",
            )
        })
    }
}

impl fmt::Display for Due {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Day(day) => day.fmt(f),
            Self::At(at) => at.fmt(f),
            Self::Near { anchor, offset, then } => {
                anchor.fmt(f)?;
                if let Some((sign, duration)) = offset {
                    write!(f, "{sign}{duration}")?;
                }
                then.as_ref().map_or(Ok(()), |then| write!(f, ", {then}"))
            }
        }
    }
}

serialize_as_text!(Due);

#[cfg(test)]
mod tests {
    use crate::node::Node;
    use crate::plan::read;

    fn plan(item: &str) -> Result<super::super::Plan, Vec<String>> {
        let text = format!(
            r#"{{"key":"shop","roles":{{"qa":"quin","lead":"ana"}},"stage":[{{"name":"full","percentage":100,"hold":"1h","checklist":[{item}]}}]}}"#
        );
        let node: Node = serde_json::from_str(&text).unwrap();
        let (plan, faults) = read::plan(&node);
        plan.ok_or_else(|| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn an_item_is_a_text_or_a_table_and_prints_back() {
        for text in [
            r#""Tested""#,
            r#"{"text":"Tested","owner":"qa","role":"lead","due":"full-1d","note":"in staging","link":"https://a.example/b","approvals":2}"#,
            r#"{"text":"Tested","due":"2026-12-01 Europe/Berlin"}"#,
        ] {
            let plan = plan(text).unwrap();
            assert_eq!(serde_json::to_string(&plan.stages[0].checklist[0]).unwrap(), text);
        }
    }

    #[test]
    fn what_an_item_cannot_be_is_said_where_it_stands() {
        for (item, fault) in [
            (
                r#"{"text":"A","due":"someday!"}"#,
                "stage[0].checklist[0].due: `someday!` is not a day by which something is due",
            ),
            (
                r#"{"text":"A","due":"ful-1d"}"#,
                "stage[0].checklist[0].due: no stage is called `ful` (did you mean `full`?)",
            ),
            (r#"{"text":"A","role":"ga"}"#, "stage[0].checklist[0].role: no role is called `ga` (did you mean `qa`?)"),
            (
                r#"{"text":"A","approvals":0}"#,
                "stage[0].checklist[0].approvals: 0 people cannot approve anything (1 to 9)",
            ),
            (r#"{"note":"A"}"#, "stage[0].checklist[0]: `text` is missing"),
            (r#""A","A""#, "stage[0].checklist[1]: `A` stands here twice, and one tick would count for both"),
        ] {
            let faults = plan(item).unwrap_err();
            assert!(faults.iter().any(|own| own.starts_with(fault)), "{item}: {faults:#?}");
        }
    }
}
