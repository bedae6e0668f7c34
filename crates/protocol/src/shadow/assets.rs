//! Whether what a page of new loads is there: a page whose script is missing looks right to whoever reads its HTML.
//!
//! 1. Scripts and style sheets alone, under the rollout's own routes on the public host or an upstream's: what another
//!    host has, or what a rule of the plan sends elsewhere, says nothing of new.
//! 2. A few of each page, each asked for once in an hour while it is there, out of the budget that copies have.
//! 3. They are asked for as nobody in particular: no cookie, no header of the visitor's. So what is refused says
//!    nothing; missing is what is not found, or a page in a file's place.

use super::{Body, Kind, MARK, ShadowCopy, page};
use crate::address::Address;
use crate::assets::is_html;
use crate::kept;
use crate::message::AnswerText;
use crate::step::Step;
use tidegate_decide::assign::Variant;
use tidegate_model::plan::PathRules;
use tidegate_model::shadow::Difference;

/// So many are asked for of one page at most.
pub const ASSETS_MAX: usize = 2;
/// And each is given up after so many milliseconds.
const ASSET_MS_MAX: u64 = 5_000;

impl ShadowCopy {
    /// The paths of what a page of new loads, where it can be asked for.
    pub fn assets(&self, answer: &AnswerText, body: Body<'_>) -> Vec<String> {
        let Some(plan) = self.plan() else { return Vec::new() };
        let is_ignored = plan.shadow.iter().any(|shadow| shadow.compare.ignore.contains(&Difference::Assets));
        let is_page = answer.status() == 200 && Kind::of(answer.content_type()) == Kind::Page;
        let Some(bytes) = body.bytes.filter(|_| is_page && !is_ignored && self.base.is_some()) else {
            return Vec::new();
        };
        let is_its = |asset: &String| {
            let path = asset.split('?').next().unwrap_or_default();
            let is_elsewhere = |rule: &tidegate_model::plan::PathRule| rule.upstream.is_some() || rule.side.is_some();
            plan.routes.iter().any(|route| route.path.matches(path))
                && !plan.except.iter().any(|route| route.path.matches(path))
                && PathRules::of(&plan.paths, path).find(|rule| is_elsewhere(rule).then_some(())).is_none()
        };
        page::loads(bytes).iter().filter_map(|reference| self.path_of(reference)).filter(is_its).collect()
    }

    /// The path and query of what a page loads from this site; `None` for what another host has, and for what is
    /// written relative to the page.
    fn path_of(&self, reference: &str) -> Option<String> {
        let reference = reference.trim().split('#').next().unwrap_or_default();
        if reference.is_empty() || !reference.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let absolute = if reference.starts_with("//") { format!("https:{reference}") } else { reference.to_owned() };
        if absolute.starts_with('/') {
            return Some(absolute);
        }
        let (_, host) = self.redirects.origin.split_once("://")?;
        let own = self.redirects.public(&absolute);
        own.strip_prefix(host).filter(|rest| rest.starts_with('/')).map(str::to_owned)
    }

    /// How those that were chosen are asked for: the service binding, how long each may take in milliseconds, the
    /// addresses, and the headers that are set.
    pub fn asking(&self) -> String {
        let (Some(base), Some(plan)) = (&self.base, self.plan()) else { return String::new() };
        let Step::Ask { service, .. } = &self.ask else { return String::new() };
        if self.asked.is_empty() {
            return String::new();
        }
        let (scheme, authority) = self.redirects.origin.split_once("://").unwrap_or_default();
        let address = Address { scheme, authority, path: "/", path_and_query: "/" };
        let mut edits = kept::asking(plan.key.as_str(), Variant::New, &address);
        edits.set(MARK, "1");
        let urls: Vec<String> = self.asked.iter().map(|path| format!("{base}{path}")).collect();
        let service = service.as_deref().unwrap_or_default();
        format!("{service}\n{ASSET_MS_MAX}\n{}\n{}", urls.join(" "), edits.as_str())
    }

    /// Those that are missing, by what was answered: a line for each, with the status and the type.
    pub fn missing<'a>(&'a self, answers: &'a str) -> impl Iterator<Item = &'a str> {
        let is_missing = |line: &str| {
            let (status, content_type) = line.split_once(' ').unwrap_or((line, ""));
            matches!(status, "404" | "410") || status == "200" && is_html(Some(content_type))
        };
        let both = self.asked.iter().zip(answers.lines());
        both.filter(move |(_, line)| is_missing(line)).map(|(path, _)| path.as_str())
    }
}
