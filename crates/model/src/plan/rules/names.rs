//! The names of a plan, to be looked up by the thousand.

use crate::Name;
use crate::plan::{ENDPOINTS_MAX, Plan};
use crate::variant::Variant;

/// Names in order.
pub struct Names<'a>(Vec<&'a str>);

impl<'a> FromIterator<&'a str> for Names<'a> {
    fn from_iter<I: IntoIterator<Item = &'a str>>(names: I) -> Self {
        let mut names: Vec<&str> = names.into_iter().collect();
        names.sort_unstable();
        Self(names)
    }
}

impl Names<'_> {
    /// Whether it is one of them.
    pub fn contain(&self, name: &str) -> bool {
        self.0.binary_search(&name).is_ok()
    }
}

/// What a plan's other fields may refer to.
pub struct Known<'a> {
    pub groups: Names<'a>,
    pub excluded: Names<'a>,
    pub channels: Names<'a>,
    pub signals: Names<'a>,
    /// Those that new is asked by.
    pub probes: Names<'a>,
    pub stages: Names<'a>,
    pub endpoints: Names<'a>,
    /// Those that are not measured, since so many come before them.
    pub late_endpoints: Names<'a>,
}

impl<'a> Known<'a> {
    /// The names of a plan.
    pub fn of(plan: &'a Plan) -> Self {
        Self {
            groups: plan.groups.names().collect(),
            excluded: plan.exclude.iter().map(Name::as_str).collect(),
            channels: plan.channels.names().collect(),
            signals: plan.signals.names().collect(),
            probes: plan
                .probes
                .iter()
                .filter(|own| own.on.contains(&Variant::New))
                .map(|own| own.name.as_str())
                .collect(),
            stages: plan.stages.iter().map(|stage| stage.name.as_str()).collect(),
            endpoints: plan.endpoints.names().collect(),
            late_endpoints: plan.endpoints.names().skip(ENDPOINTS_MAX).collect(),
        }
    }
}
