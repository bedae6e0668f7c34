//! Decides one request: its rollout's assignment, the flags that travel with it, and the cookie
//! that keeps a minted id.

use std::cell::{OnceCell, RefCell};
use std::fmt::Write as _;

use super::address::Address;
use super::config::Snapshot;
use super::facts::{Facts, Known};
use super::identity::{self, Subject};
use crate::decide::assign::{Assignment, Variant, Visitor, assign};
use crate::model::plan::{Identity, Plan};
use crate::model::subject::SubjectHash;

/// What was decided for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The assignment in the rollout that takes the request.
    pub assignment: Option<Assignment>,
    /// Who was assigned there, unless nobody is known.
    pub subject: Option<SubjectHash>,
    /// The value of `tidegate-flags`; empty where there are none.
    pub flags: String,
    /// The assignments behind it, in its order.
    pub flagged: Vec<Assigned>,
    /// The values of `Set-Cookie` that keep the minted id.
    pub cookies: Vec<String>,
}

/// An assignment, and where and to whom it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assigned {
    /// The number of the rollout.
    pub number: usize,
    /// The outcome.
    pub assignment: Assignment,
    /// The subject, unless nobody is known.
    pub subject: Option<SubjectHash>,
}

/// A request as it is decided.
pub struct Request<'a, F> {
    /// What it says.
    pub facts: &'a F,
    /// Where it goes.
    pub address: Address<'a>,
    /// Its method.
    pub method: &'a str,
}

/// Decides a request that the rollout `number` takes, or none. `mint` makes a new id.
pub fn decide<F: Facts>(snapshot: &Snapshot, request: &Request<'_, F>, number: Option<usize>, mint: impl Fn() -> Option<String>) -> Decision {
    let catalogue = &snapshot.catalogue;
    let deciding = Deciding {
        snapshot,
        request,
        known: Known::new(request.facts),
        mint,
        minted: OnceCell::new(),
        subjects: (0..catalogue.identities.len()).map(|_| OnceCell::new()).collect(),
        assigned: RefCell::new(Vec::new()),
    };
    let assignment = number.and_then(|number| deciding.assignment(number));
    let mut flags = String::new();
    let mut flagged = Vec::new();
    for number in &catalogue.flags {
        if let (Some(plan), Some(assignment)) = (catalogue.plan(*number), deciding.assignment(*number)) {
            let separator = if flags.is_empty() { "" } else { ", " };
            let _ = write!(flags, "{separator}{}={}", plan.key, flag_value(plan, assignment.variant));
            flagged.push(Assigned { number: *number, assignment, subject: deciding.subject_in(*number) });
        }
    }
    let subject = assignment.and(number).and_then(|number| deciding.subject_in(number));
    Decision { assignment, subject, flags, flagged, cookies: deciding.cookies() }
}

fn flag_value(plan: &Plan, variant: Variant) -> &str {
    match (&plan.values, variant) {
        (None, variant) => variant.as_str(),
        (Some(values), Variant::New) => values.new.as_str(),
        (Some(values), Variant::Legacy) => values.legacy.as_str(),
    }
}

struct Deciding<'a, F, M> {
    snapshot: &'a Snapshot,
    request: &'a Request<'a, F>,
    known: Known<'a, F>,
    mint: M,
    minted: OnceCell<Option<String>>,
    /// By number of identity list.
    subjects: Vec<OnceCell<Subject>>,
    /// By number of rollout, where one was needed. Empty until one rollout asks for another.
    assigned: RefCell<Vec<Progress>>,
}

#[derive(Clone, Copy, Default)]
enum Progress {
    #[default]
    Open,
    /// Asked for again while it is being decided: rollouts that require each other.
    Deciding,
    Done(Assignment),
}

impl<F: Facts, M: Fn() -> Option<String>> Deciding<'_, F, M> {
    fn assignment(&self, number: usize) -> Option<Assignment> {
        match self.progress(number) {
            Progress::Done(assignment) => return Some(assignment),
            Progress::Deciding => return None,
            Progress::Open => {}
        }
        let standing = self.snapshot.standings.get(number)?;
        let identity = self.snapshot.catalogue.rollouts.get(number)?.identity;
        self.note(number, Progress::Deciding);
        let assignment = assign(standing, &InRollout { deciding: self, number, identity });
        self.note(number, Progress::Done(assignment));
        Some(assignment)
    }

    fn progress(&self, number: usize) -> Progress {
        self.assigned.borrow().get(number).copied().unwrap_or_default()
    }

    fn note(&self, number: usize, progress: Progress) {
        let mut assigned = self.assigned.borrow_mut();
        if assigned.is_empty() {
            assigned.resize(self.snapshot.standings.len(), Progress::Open);
        }
        if let Some(slot) = assigned.get_mut(number) {
            *slot = progress;
        }
    }

    fn identity(&self, number: usize) -> Option<&Identity> {
        self.snapshot.catalogue.identities.get(number)
    }

    fn subject(&self, identity: usize) -> Option<SubjectHash> {
        let list = self.identity(identity)?;
        let resolve = || identity::resolve(list, &self.known, &self.request.address, self.request.method, || self.minted.get_or_init(&self.mint).clone());
        self.subjects.get(identity)?.get_or_init(resolve).hash
    }

    /// The subject in the eyes of a rollout; its assignment has asked for it before.
    fn subject_in(&self, rollout: usize) -> Option<SubjectHash> {
        self.subject(self.snapshot.catalogue.rollouts.get(rollout)?.identity)
    }

    fn is_in(&self, number: usize) -> Option<bool> {
        let entry = self.snapshot.catalogue.groups.get(number)?;
        let group = entry.group()?;
        let tokens = |name: &str| entry.plan().identity.jwt.get(name);
        if group.matches.as_ref().is_some_and(|matches| self.known.matches(matches, tokens)) {
            return Some(true);
        }
        let subject = self.subject(entry.identity)?;
        if group.fingerprints.contains(subject) {
            return Some(true);
        }
        match entry.list {
            None => Some(false),
            Some(list) => self.snapshot.lists.get(list)?.as_ref().map(|list| list.contains(subject)),
        }
    }

    fn cookies(&self) -> Vec<String> {
        let Some(Some(id)) = self.minted.get() else { return Vec::new() };
        let mut cookies: Vec<String> = Vec::new();
        for (number, subject) in self.subjects.iter().enumerate() {
            if subject.get().is_some_and(|subject| subject.is_minted) && let Some(identity) = self.identity(number) {
                let cookie = identity::set_cookie(identity, id);
                if !cookies.contains(&cookie) {
                    cookies.push(cookie);
                }
            }
        }
        cookies
    }
}

/// The request in the eyes of one rollout.
struct InRollout<'d, 'a, F, M> {
    deciding: &'d Deciding<'a, F, M>,
    number: usize,
    identity: usize,
}

impl<F: Facts, M: Fn() -> Option<String>> Visitor for InRollout<'_, '_, F, M> {
    fn subject(&self) -> Option<SubjectHash> {
        self.deciding.subject(self.identity)
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        self.deciding.is_in(group)
    }

    fn chosen(&self) -> Option<Variant> {
        let plan = self.deciding.snapshot.catalogue.plan(self.number)?;
        self.deciding.known.preview(plan.key.as_str(), self.deciding.request.address.authority)
    }

    fn variant_in(&self, rollout: usize) -> Variant {
        self.deciding.assignment(rollout).map_or(Variant::Legacy, |assignment| assignment.variant)
    }
}
