//! Makes the answer that goes to the browser out of an upstream's.

use std::borrow::Cow;

use super::{Exchange, Target};
use crate::assets::{self, Asset};
use crate::decision::Decision;
use crate::headers::HeaderEdits;
use crate::measuring::{self, Instruments};
use crate::message::AnswerText;
use crate::respond::{self, Life, Provenance};
use crate::step::{Step, Which};
use crate::translate::Translator;
use crate::{cookie, forward};
use tidegate_decide::assign::Variant;
use tidegate_model::plan::Backend;
use tidegate_model::upstream::Upstream;

/// Larger pages are not watched: a slow reader's copy of them would fill the isolate's memory.
const WATCHED_BYTES_MAX: u64 = 1 << 20;
/// The runtime lets work go on for 30 s behind an answer.
const WATCH_MS_MAX: u64 = 25_000;

impl Exchange {
    /// The answer of the side that was asked first.
    pub(super) fn pass_on(&self, answer: &AnswerText, instruments: &mut Instruments<'_>) -> Step {
        let is_page = self.is_measured() && measuring::is_page(&self.request, answer);
        // What shared caches may keep must not carry one visitor's token.
        let token = if is_page && self.is_private() { self.measured().token(instruments) } else { None };
        let mut step = self.answer(answer, Which::Last, self.variant(), self.reason(), token.as_deref());
        let is_small = answer
            .header("content-length")
            .and_then(|length| length.parse::<u64>().ok())
            .is_none_or(|length| length <= WATCHED_BYTES_MAX);
        if let Step::Answer { watch_ms, .. } = &mut step
            && is_page
            && is_small
            && (200..300).contains(&answer.status())
        {
            *watch_ms = self.terms().map_or(0, |terms| terms.limit(self.variant(), false).ms.min(WATCH_MS_MAX));
        }
        step
    }

    pub(super) fn with_translator<T>(&self, variant: Option<Variant>, act: impl FnOnce(&Translator<'_>) -> T) -> T {
        let terms = self.terms();
        let backends: Vec<&Backend> = match (&self.target, &terms) {
            (Target::Fallback { backend, .. }, _) => vec![backend],
            (_, Some(terms)) => terms.backends().collect(),
            _ => Vec::new(),
        };
        let answering = match (&terms, variant) {
            (Some(terms), Some(variant)) => terms.backend(variant).place.url(),
            _ => backends.first().and_then(|backend| backend.place.url()),
        };
        let upstreams: Vec<&Upstream> = backends.iter().filter_map(|backend| backend.place.url()).collect();
        act(&Translator { public: self.address(), answering, upstreams: &upstreams })
    }

    pub(super) fn answer(
        &self,
        answer: &AnswerText,
        which: Which,
        variant: Variant,
        reason: &'static str,
        token: Option<&str>,
    ) -> Step {
        // A switched connection is passed on as it is: a copy would lose its socket. And no copy can be made of a
        // status that HTTP does not have; where the site's own caches tell the sides apart, it needs no marks.
        let is_uncopied = answer.status() > 599 && self.terms().is_some_and(|terms| !terms.keeps_apart());
        if answer.status() == 101 || is_uncopied {
            return Step::Answer { which, edits: None, watch_ms: 0 };
        }
        let has_rollout = matches!(self.target, Target::Rollout(_));
        let cookies = self.cookies_for(answer, variant);
        let provenance = Provenance {
            variant: has_rollout.then_some(variant),
            reason,
            is_private: self.is_private()
                || (!cookies.is_empty() && self.terms().is_none_or(|terms| terms.keeps_apart())),
            is_varying: self.is_varying(),
            life: self.life(answer),
            is_read: self.request.is_read(),
            token,
        };
        let edits: HeaderEdits = self.with_translator(provenance.variant, |translator| {
            respond::edits(answer, &provenance, translator, &cookies)
        });
        Step::Answer { which, edits: Some(edits), watch_ms: 0 }
    }

    /// The cookies that go with an answer: none where shared caches may store it, and would hand one visitor's id
    /// to everybody.
    fn cookies_for(&self, answer: &AnswerText, variant: Variant) -> Cow<'_, [String]> {
        let is_public = || {
            answer.header("cache-control").is_some_and(|value| {
                value
                    .to_ascii_lowercase()
                    .split(',')
                    .any(|part| matches!(part.trim().split('=').next(), Some("public" | "s-maxage")))
            })
        };
        let keeps_apart = self.terms().is_none_or(|terms| terms.keeps_apart());
        if !keeps_apart && is_public() {
            return Cow::Borrowed(&[]);
        }
        let Decision { cookies, used, .. } = &self.decision;
        match used.as_ref().filter(|_| variant == Variant::New && answer.status() < 400) {
            Some(used) => Cow::Owned(cookies.iter().chain([used]).cloned().collect()),
            None => Cow::Borrowed(cookies),
        }
    }

    /// How long the browser may keep an answer.
    pub(super) fn life(&self, answer: &AnswerText) -> Life {
        if !self.is_varying() {
            return Life::Own;
        }
        let is_permanent = matches!(answer.status(), 301 | 308);
        if self.asset().is_some()
            && (answer.status() >= 500 || Asset::is_missed(answer.status(), answer.content_type()))
        {
            return Life::None;
        }
        // A 304 mostly says no type; what it renews is a page where one is wanted.
        let wants_page = || self.request.header("accept").is_some_and(|accept| accept.contains("text/html"));
        let is_unknown =
            answer.status() == 304 && answer.content_type().is_none() && self.asset().is_none() && wants_page();
        let is_document =
            || forward::asks_for_document(self.request.header("sec-fetch-dest"), self.request.header("accept"));
        if is_permanent || is_unknown || assets::is_html(answer.content_type()) || is_document() {
            Life::Revalidated
        } else {
            Life::Own
        }
    }

    /// Whether the answer depends on who asks, and shared caches cannot distinguish them.
    pub(super) fn is_private(&self) -> bool {
        let has_flags = !self.decision.flags.is_empty();
        match self.terms() {
            // Even of a completed rollout, who is excluded or unidentified stays on legacy.
            Some(terms) => terms.keeps_apart() && (has_flags || self.is_split()),
            None => has_flags,
        }
    }

    /// Whether an answer sends the browser where it already is, for ever. One that sets a cookie which the
    /// browser does not have, changes or takes one away, may answer otherwise the next time.
    pub(super) fn leads_back(&self, answer: &AnswerText, variant: Variant) -> bool {
        let Some(resolved) =
            answer.target().filter(|_| self.request.is_read() && (301..=308).contains(&answer.status()))
        else {
            return false;
        };
        let cookies = self.request.header("cookie").unwrap_or_default();
        let is_change = |cookie: &str| {
            let (pair, _) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            cookie::ends(cookie) || !cookie::values(cookies, name.trim()).any(|own| own == value.trim())
        };
        let location = answer.header("location").unwrap_or_default();
        // A place within the page is no new request.
        if location.starts_with('#') {
            return false;
        }
        self.with_translator(Some(variant), |translator| translator.leads_back(location, resolved))
            && !answer.values("set-cookie").any(is_change)
    }
}
