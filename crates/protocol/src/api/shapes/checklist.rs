//! Checklists: what people have to approve, who has, and who may.

use tidegate_model::Name;

use super::vocabulary::ChecklistOf;
use super::{Text, Time, shape};

shape! {
    /// The checklist that counts now.
    pub struct Checklist {
        /// What it guards.
        pub of: Text<ChecklistOf>,
        /// Its items.
        pub items: Vec<Item>,
    }
}

shape! {
    /// An item of a checklist.
    pub struct Item {
        /// The text of the item.
        pub item: String,
        /// Absent while it is open: while fewer have ticked it than it asks for.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub approved: Option<Approved>,
        /// Who has ticked it so far, where it asks for several people. Absent for none.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub approvals: Vec<Approved>,
        /// How many different people it asks for; absent for one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub needed: Option<u8>,
        /// Who sees to it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub owner: Option<String>,
        /// The role that alone may tick it.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub role: Option<Text<Name>>,
        /// By when, as the plan has it: a day, a time, or around a stage's entry.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub due: Option<String>,
        /// A remark.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub note: Option<String>,
        /// Where to look.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub link: Option<String>,
    }
}

shape! {
    /// Who has approved something, and when.
    pub struct Approved {
        /// Who.
        pub by: String,
        /// When.
        pub at: Time,
    }
}
