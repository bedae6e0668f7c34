//! Decides one request: its rollout's assignment, the flags that travel with it, and the cookie
//! that keeps a minted id.
//!
//! Not every request is a person's. Preflights carry no id by their standard, browsers fetch manifests
//! without cookies, and robots keep none: they are no subjects, get no id and are not measured.

use std::cell::{OnceCell, RefCell};

use super::address::Address;
use super::config::Snapshot;
use super::facts::{Facts, Known};
use super::flags::{self, LeftOut};
use super::identity::{self, Asking, Newcomers, Subject};
use super::meter::by_value::Country;
use super::used::{self, Owner};
use super::visit::{self, Asked, Given, Presented};
use tidegate_decide::assign::{Assignment, Variant, Visit, Visitor, assign};
use tidegate_decide::compiled::GroupIndex as _;
use tidegate_model::Name;
use tidegate_model::dimension::Dimension;
use tidegate_model::plan::{Identity, Plan, Robots};
use tidegate_model::subject::SubjectHash;

/// What was decided for one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The assignment in the rollout that takes the request.
    pub assignment: Option<Assignment>,
    /// Who was assigned there, unless nobody is known.
    pub subject: Option<SubjectHash>,
    /// What stands in for the subject where nobody is known.
    pub client: Option<SubjectHash>,
    /// Whether the request is left out of what is measured: no person's.
    pub is_unmeasured: bool,
    /// The value of `tidegate-flags`, at most [`FLAGS_BYTES_MAX`] long; empty where there are none.
    pub flags: String,
    /// The assignments of all flags but those that are left out, in the order of the plans.
    pub flagged: Vec<Assigned>,
    /// The flags that have no room in the header: nobody gets them, and they count nowhere.
    pub left_out: Option<LeftOut>,
    /// The country that it came from, where failures are told apart by it.
    pub country: Option<Country>,
    /// The values of `Set-Cookie` that keep the minted id.
    pub cookies: Vec<String>,
    /// The value of `Set-Cookie` that notes the use of new, if new it is that answers.
    pub used: Option<String>,
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
    /// The hour, counted since 1970.
    pub hour: u64,
}

/// Decides a request that the rollout `number` takes, or none.
pub fn decide<F: Facts>(
    snapshot: &Snapshot,
    request: &Request<'_, F>,
    number: Option<usize>,
    newcomers: &impl Newcomers,
) -> Decision {
    let catalogue = &snapshot.catalogue;
    let known = Known::new(request.facts, request.method);
    let is_robot = known.is_robot()
        || number.and_then(|number| catalogue.plan(number)).is_some_and(|plan| is_also_robot(plan, &known));
    let is_person = !is_robot && known.header("sec-fetch-dest").as_deref() != Some("manifest");
    let deciding = Deciding::new(snapshot, request, known, newcomers, is_robot, is_person);
    let assignment = number.and_then(|number| deciding.assignment(number));
    let assigned = |number| {
        let assignment = deciding.assignment(number)?;
        Some(Assigned { number, assignment, subject: deciding.subject_in(number).known })
    };
    let flags::Decided { header: flags, flagged, left_out } = flags::decide(snapshot, assigned);
    let is_by_country =
        |number| catalogue.plan(number).is_some_and(|plan| plan.dimensions.contains(&Dimension::Country));
    let has_country = catalogue.has_flags_by_country || number.is_some_and(is_by_country);
    let country = if has_country { request.facts.country().and_then(|text| Country::read(&text)) } else { None };
    let subject = assignment.and(number).map(|number| deciding.subject_in(number)).unwrap_or_default();
    Decision {
        assignment,
        subject: subject.known,
        client: subject.stand_in,
        is_unmeasured: !is_person,
        flags,
        flagged,
        left_out,
        country,
        cookies: deciding.cookies(number.zip(assignment)),
        used: number.zip(assignment).and_then(|(number, assignment)| deciding.used_cookie(number, assignment)),
    }
}

/// Whether whoever sends a request is in a group of a rollout; not where that cannot be known.
pub fn is_in_group<F: Facts>(
    snapshot: &Snapshot,
    request: &Request<'_, F>,
    rollout: &Name,
    group: &Name,
    newcomers: &impl Newcomers,
) -> bool {
    let catalogue = &snapshot.catalogue;
    let plan = catalogue.number_of(rollout.as_str()).and_then(|number| catalogue.plan(number));
    let Some(group) = plan.and_then(|plan| catalogue.group(plan, group.as_str())) else { return false };
    let known = Known::new(request.facts, request.method);
    Deciding::new(snapshot, request, known, newcomers, false, true).is_in(group) == Some(true)
}

fn is_also_robot<F: Facts>(plan: &Plan, known: &Known<'_, F>) -> bool {
    let Robots { also, .. } = &plan.robots;
    also.iter().any(|matches| known.matches(matches, |name| plan.identity.jwt.get(name)))
}

struct Deciding<'a, F, N> {
    snapshot: &'a Snapshot,
    request: &'a Request<'a, F>,
    known: Known<'a, F>,
    newcomers: Once<'a, N>,
    is_robot: bool,
    is_person: bool,
    /// By number of identity list.
    subjects: Vec<OnceCell<Subject>>,
    /// By number of rollout, of those that ask for another. Empty until one does.
    assigned: RefCell<Vec<Progress>>,
}

/// Mints one id for all identity lists.
struct Once<'a, N> {
    newcomers: &'a N,
    minted: OnceCell<Option<String>>,
}

impl<N: Newcomers> Newcomers for Once<'_, N> {
    fn mint(&self) -> Option<String> {
        self.minted.get_or_init(|| self.newcomers.mint()).clone()
    }

    fn note_document(&self, client: SubjectHash, subject: SubjectHash) {
        self.newcomers.note_document(client, subject);
    }

    fn last_document(&self, client: SubjectHash) -> Option<SubjectHash> {
        self.newcomers.last_document(client)
    }
}

/// Who a request is from: somebody known, or what stands in for somebody.
#[derive(Clone, Copy, Default)]
struct Who {
    known: Option<SubjectHash>,
    stand_in: Option<SubjectHash>,
}

#[derive(Clone, Copy, Default)]
enum Progress {
    #[default]
    Open,
    /// Asked for again while it is being decided: rollouts that require each other.
    Deciding,
    Done(Assignment),
}

impl<'a, F: Facts, N: Newcomers> Deciding<'a, F, N> {
    fn new(
        snapshot: &'a Snapshot,
        request: &'a Request<'a, F>,
        known: Known<'a, F>,
        newcomers: &'a N,
        is_robot: bool,
        is_person: bool,
    ) -> Self {
        let subjects = (0..snapshot.catalogue.identities.len()).map(|_| OnceCell::new()).collect();
        let newcomers = Once { newcomers, minted: OnceCell::new() };
        Self { snapshot, request, known, newcomers, is_robot, is_person, subjects, assigned: RefCell::default() }
    }

    #[inline]
    fn assignment(&self, number: usize) -> Option<Assignment> {
        match self.progress(number) {
            Progress::Done(assignment) => return Some(assignment),
            Progress::Deciding => return None,
            Progress::Open => {}
        }
        let standing = self.snapshot.standings.get(number)?;
        let identity = self.snapshot.catalogue.rollouts.get(number)?.identity;
        // What asks for no other is assigned in a moment, to the same side each time it is asked for.
        let is_noted = standing.has_requirements();
        if is_noted {
            self.note(number, Progress::Deciding);
        }
        let assignment = assign(standing, &InRollout { deciding: self, number, identity });
        if is_noted {
            self.note(number, Progress::Done(assignment));
        }
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

    fn identity(&self, number: usize) -> Option<&'a Identity> {
        self.snapshot.catalogue.identities.get(number)
    }

    fn resolved(&self, identity: usize) -> Option<&Subject> {
        let list = self.identity(identity)?;
        let resolve = || {
            let asking = Asking {
                known: &self.known,
                address: &self.request.address,
                hour: self.request.hour,
                is_person: self.is_person,
            };
            identity::resolve(list, &asking, &self.newcomers)
        };
        Some(self.subjects.get(identity)?.get_or_init(resolve))
    }

    /// Who is assigned: somebody known, or else what stands in for somebody.
    fn subject(&self, identity: usize) -> Option<SubjectHash> {
        self.resolved(identity)?.hash
    }

    /// The subject in the eyes of a rollout; its assignment has asked for it before.
    fn subject_in(&self, rollout: usize) -> Who {
        let resolved = self.snapshot.catalogue.rollouts.get(rollout).and_then(|entry| self.resolved(entry.identity));
        match resolved {
            Some(subject) if subject.is_stand_in => Who { known: None, stand_in: subject.hash },
            Some(subject) => Who { known: subject.hash, stand_in: None },
            None => Who::default(),
        }
    }

    fn is_in(&self, number: usize) -> Option<bool> {
        let entry = self.snapshot.catalogue.groups.get(number)?;
        let group = entry.group()?;
        let tokens = |name: &str| entry.plan().identity.jwt.get(name);
        if group.matches.as_ref().is_some_and(|matches| self.known.matches(matches, tokens)) {
            return Some(true);
        }
        let Some(subject) = self.resolved(entry.identity)?.listed else { return Some(false) };
        if group.fingerprints.contains(subject) {
            return Some(true);
        }
        match entry.list {
            None => Some(false),
            Some(list) => self.snapshot.lists.get(list)?.as_ref().map(|list| list.contains(subject)),
        }
    }

    /// The visit that the request is part of in a rollout.
    fn visit(&self, number: usize) -> Option<Presented> {
        let plan = self.snapshot.catalogue.plan(number)?;
        self.known.visit(plan.key.as_str(), self.request.address.authority)
    }

    /// The cookie by which a visit begins or goes on, where the plan wants it and one is due.
    fn visit_cookie(&self, number: usize, assignment: Assignment) -> Option<String> {
        let plan = self.snapshot.catalogue.plan(number).filter(|plan| plan.sticky_moves.is_some() && self.is_person)?;
        let given = Given {
            rollout: plan.key.as_str(),
            host: self.request.address.authority,
            variant: assignment.variant,
            reason: assignment.reason,
            asked: self.asked(),
        };
        self.request.facts.renewed(self.visit(number).as_ref(), &given)
    }

    fn asked(&self) -> Asked {
        let (destination, accept) = (self.known.header("sec-fetch-dest"), self.known.header("accept"));
        visit::asked(destination.as_deref(), accept.as_deref())
    }

    /// The cookie that notes the use of new, where the plan keeps who has used it and it is not noted yet.
    fn used_cookie(&self, number: usize, assignment: Assignment) -> Option<String> {
        let from_s = used::counts_from(self.snapshot.standings.get(number)?, &assignment)?;
        if !self.is_person || self.asked() != Asked::Document {
            return None;
        }
        let owner = self.owner(number, assignment.bucket?)?;
        let is_noted = self.known.used_since(&owner).is_some_and(|since_s| since_s >= from_s);
        if is_noted { None } else { self.request.facts.mark_used(&owner) }
    }

    /// Whom a mark of use belongs to.
    fn owner(&self, number: usize, bucket: u32) -> Option<Owner<'_>> {
        let plan = self.snapshot.catalogue.plan(number)?;
        Some(Owner { rollout: plan.key.as_str(), host: self.request.address.authority, bucket })
    }

    fn cookies(&self, assigned: Option<(usize, Assignment)>) -> Vec<String> {
        let visit = assigned.and_then(|(number, assignment)| self.visit_cookie(number, assignment));
        let mut cookies: Vec<String> = visit.into_iter().collect();
        for (number, subject) in self.subjects.iter().enumerate() {
            if let Some(id) = subject.get().and_then(|subject| subject.cookie.as_ref())
                && let Some(identity) = self.identity(number)
            {
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
struct InRollout<'d, 'a, F, N> {
    deciding: &'d Deciding<'a, F, N>,
    number: usize,
    identity: usize,
}

impl<F: Facts, N: Newcomers> Visitor for InRollout<'_, '_, F, N> {
    fn subject(&self) -> Option<SubjectHash> {
        self.deciding.subject(self.identity)
    }

    fn is_robot(&self) -> bool {
        let Deciding { is_robot, snapshot, known, .. } = self.deciding;
        let own = || snapshot.catalogue.rollouts.get(self.number).filter(|entry| entry.has_own_robots);
        *is_robot || own().is_some_and(|entry| is_also_robot(&entry.plan, known))
    }

    fn is_in(&self, group: usize) -> Option<bool> {
        self.deciding.is_in(group)
    }

    fn chosen(&self) -> Option<Variant> {
        if !self.deciding.known.has_preview() {
            return None;
        }
        let plan = self.deciding.snapshot.catalogue.plan(self.number)?;
        self.deciding.known.preview(plan.key.as_str(), self.deciding.request.address.authority)
    }

    fn visit(&self) -> Option<Visit> {
        Some(self.deciding.visit(self.number)?.visit)
    }

    fn used_since(&self, bucket: u32) -> Option<u64> {
        self.deciding.known.used_since(&self.deciding.owner(self.number, bucket)?)
    }

    fn own_choice(&self) -> Option<Variant> {
        let plan = self.deciding.snapshot.catalogue.plan(self.number)?;
        self.deciding.known.choice(plan.key.as_str(), self.deciding.request.address.authority)
    }

    fn variant_in(&self, rollout: usize) -> Variant {
        self.deciding.assignment(rollout).map_or(Variant::Legacy, |assignment| assignment.variant)
    }
}
