//! Which value of each dimension a request counts under.
//!
//! 1. A plan without dimensions costs nothing here, and of one with some only those are looked at.
//! 2. What the platform says (the country) and what is in a table (browsers, devices) is taken as it is. The value of a
//!    header is whatever clients send, so it is named only once three of them have sent it to this isolate. Until then
//!    it counts under other. So no client fills a table alone, and nobody is known by a value that only they send.
//! 3. Of headers a fixed number of values is remembered, whoever sends how many.

use super::Visit;
use super::exposed::Fresh;
use super::row::Happened;
use crate::browsers;
use crate::message::RequestText;
use tidegate_model::Minute;
use tidegate_model::dimension::Dimension;
use tidegate_model::measured::by_value::{OTHER, Troubles};
use tidegate_model::measured::{Tally, ValueCounts};
use tidegate_model::subject::fnv1a64;

/// So many values of headers are remembered, of all plans together: a power of two.
const REMEMBERED: usize = 256;
/// A value may be in one of so many places beside each other.
const PLACES: usize = 4;
/// So many clients have to send a value: with fewer it may be somebody's own.
const CLIENTS_MIN: usize = 3;
/// A value that nobody has sent for so long makes room for another.
const FORGOTTEN_MINUTES: u64 = 60;

/// What a request says of itself, beside its path.
#[derive(Clone, Copy, Debug)]
pub struct Traits<'a> {
    /// The request.
    pub request: &'a RequestText,
    /// The country that it came from, where a plan asks for it.
    pub country: Option<Country>,
}

/// A country: two letters, as the platform tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads one; `None` for what is none, and for `XX`, which says that nobody knows.
    pub fn read(text: &str) -> Option<Self> {
        let letters: [u8; 2] = text.as_bytes().try_into().ok()?;
        let is_country = letters.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        (is_country && letters != *b"XX").then_some(Self(letters))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or(OTHER)
    }
}

/// The values of headers that clients have sent. Its room is taken with the first that a plan asks for.
#[derive(Default)]
pub struct Vouched(Vec<Slot>);

#[derive(Clone, Copy, Default)]
struct Slot {
    /// 0 in one that is free.
    value: u64,
    minute: Minute,
    /// The first clients, as many as have sent it so far.
    clients: [u64; CLIENTS_MIN],
    count: usize,
}

impl Vouched {
    /// Takes note of who sends a value; whether enough have. Who is nobody vouches for nothing.
    fn note(&mut self, value: u64, client: Option<u64>, minute: Minute) -> bool {
        if self.0.is_empty() {
            self.0 = vec![Slot::default(); REMEMBERED];
        }
        let value = value.max(1);
        let places = (0..PLACES).map(|step| (value as usize).wrapping_add(step) & (REMEMBERED - 1));
        let is_it = |index: &usize| self.0.get(*index).is_some_and(|slot| slot.value == value);
        let may_take = |index: &usize| {
            let is_free = |slot: &Slot| slot.count < CLIENTS_MIN || slot.minute + FORGOTTEN_MINUTES < minute;
            self.0.get(*index).is_some_and(is_free)
        };
        // Of those that may be taken the one that was used longest ago.
        let oldest = |index: &usize| self.0.get(*index).map_or(Minute::EPOCH, |slot| slot.minute);
        let index = places.clone().find(is_it).or_else(|| places.filter(may_take).min_by_key(oldest));
        let Some(slot) = index.and_then(|index| self.0.get_mut(index)) else { return false };
        if slot.value != value {
            *slot = Slot { value, ..Slot::default() };
        }
        slot.minute = slot.minute.max(minute);
        if let Some(client) = client.filter(|client| !slot.clients.iter().take(slot.count).any(|own| own == client))
            && let Some(free) = slot.clients.get_mut(slot.count)
        {
            *free = client;
            slot.count += 1;
        }
        slot.count >= CLIENTS_MIN
    }
}

/// Adds what came of a request to the values of the plan's dimensions. `client` is a hash of who sends it.
pub fn count(
    tally: &mut Tally,
    visit: &Visit<'_>,
    happened: &Happened,
    fresh: &Fresh,
    client: Option<u64>,
    vouched: &mut Vouched,
) {
    let Some(traits) = visit.traits else { return };
    let [is_error, is_client_error, ..] = happened.kinds;
    let [first_error, first_client_error, ..] = fresh.events.map(|places| places & 1 != 0);
    let troubles = |has_happened: bool, is_first: bool| {
        if has_happened { Troubles::once(is_first, client) } else { Troubles::default() }
    };
    let counts = ValueCounts {
        requests: u64::from(happened.is_request),
        errors: troubles(is_error, first_error),
        client_errors: troubles(is_client_error, first_client_error),
        ..ValueCounts::default()
    };
    for dimension in &visit.plan.dimensions {
        let value = match dimension {
            Dimension::Header(name) => traits.request.named(name).and_then(Dimension::shown).filter(|value| {
                let hash = fnv1a64(value.as_bytes()).wrapping_mul(super::SALT) ^ fnv1a64(name.as_bytes());
                vouched.note(hash, client, visit.minute)
            }),
            plain => plain_value(plain, traits.request.header("user-agent"), traits.country.as_ref()),
        };
        if let Some(own) = tally.by_mut(dimension) {
            own.add(value.unwrap_or(OTHER), &counts);
        }
    }
}

/// The value of a dimension that is no header.
pub fn plain_value<'a>(
    dimension: &Dimension,
    user_agent: Option<&str>,
    country: Option<&'a Country>,
) -> Option<&'a str> {
    match dimension {
        Dimension::Country => country.map(Country::as_str),
        Dimension::Browser => browsers::family(user_agent?),
        Dimension::Device => browsers::device(user_agent?),
        Dimension::Header(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_named_once_three_clients_have_sent_it() {
        let mut vouched = Vouched::default();
        let sent = [1, 1, 2, 2, 3, 1].map(|client| vouched.note(77, Some(client), Minute::new(1)));
        assert_eq!(sent, [false, false, false, false, true, true]);
        assert!((0..100).all(|_| !vouched.note(5, None, Minute::new(1))), "nobody vouches for nothing");
    }

    #[test]
    fn whoever_floods_it_names_nothing_and_takes_no_name_away() {
        let mut vouched = Vouched::default();
        (1..=3).for_each(|client| _ = vouched.note(77, Some(client), Minute::new(1)));
        let named = (0..100_000_u64)
            .filter(|n| vouched.note(n.wrapping_mul(0x9e37_79b9_7f4a_7c15), Some(9), Minute::new(2)))
            .count();
        assert_eq!((named, vouched.0.len()), (0, REMEMBERED));
        assert!(vouched.note(77, Some(4), Minute::new(3)), "who was named stays so");
        assert!(!vouched.note(77 + REMEMBERED as u64, Some(4), Minute::new(3)), "one in the same place finds another");
    }

    #[test]
    fn a_country_is_two_letters() {
        assert_eq!(Country::read("DE").as_ref().map(Country::as_str), Some("DE"));
        assert_eq!(Country::read("T1").as_ref().map(Country::as_str), Some("T1"));
        for text in ["", "XX", "de", "DEU", "D\u{e9}", "é"] {
            assert_eq!(Country::read(text), None, "{text}");
        }
    }
}
