//! How often one address may do something: a bucket of tokens that fills up again over time.
//!
//! Addresses are remembered by a hash, a fixed number of them; whoever was silent longest makes room
//! and starts over. A network of IPv6 counts as one address, since one machine has all of its
//! addresses. Looking one up walks the whole list, which is 80 KB and a few microseconds, and gives
//! nobody a way to make it slower.

use tidegate_model::subject::fnv1a64;

/// So many addresses are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// How often one address may do something.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    /// So many times at once.
    pub burst: f64,
    /// So often for good.
    pub per_ms: f64,
}

/// A report for each page view, and a burst for those who share an address.
pub const REPORTS: Rate = Rate { burst: 60.0, per_ms: 1.0 / 1_000.0 };
/// Who mistypes a token tries again a few times; who guesses would need for ever.
pub const SIGN_INS: Rate = Rate { burst: 10.0, per_ms: 10.0 / 60_000.0 };
/// A tool whose secret is wrong tries again with each delivery.
pub const DELIVERIES: Rate = Rate { burst: 60.0, per_ms: 1.0 / 1_000.0 };

/// Who changes their mind more often counts no more.
pub const CHOICES: Rate = Rate { burst: 10.0, per_ms: 10.0 / 60_000.0 };

/// Who has done it lately.
pub struct Limiter {
    rate: Rate,
    addresses: Vec<u64>,
    /// By the place of the address.
    buckets: Vec<Bucket>,
}

#[derive(Clone, Copy)]
struct Bucket {
    left: f64,
    at_ms: f64,
}

impl Limiter {
    /// Nobody has done it yet.
    pub const fn new(rate: Rate) -> Self {
        Self { rate, addresses: Vec::new(), buckets: Vec::new() }
    }

    /// Whether an address may do it now; if so, it has.
    pub fn admit(&mut self, address: &str, now_ms: f64) -> bool {
        let Rate { burst, per_ms } = self.rate;
        let key = machine(address);
        let place = match self.addresses.iter().position(|own| *own == key) {
            Some(place) => place,
            None => self.remember(key, now_ms),
        };
        let Some(bucket) = self.buckets.get_mut(place) else { return false };
        let filled = bucket.left + (now_ms - bucket.at_ms).max(0.0) * per_ms;
        *bucket = Bucket { left: filled.min(burst), at_ms: now_ms };
        let is_admitted = bucket.left >= 1.0;
        if is_admitted {
            bucket.left -= 1.0;
        }
        is_admitted
    }

    /// It shall not count that an address has done it: it was allowed to.
    pub fn give_back(&mut self, address: &str) {
        let place = self.addresses.iter().position(|own| *own == machine(address));
        if let Some(bucket) = place.and_then(|place| self.buckets.get_mut(place)) {
            bucket.left = (bucket.left + 1.0).min(self.rate.burst);
        }
    }

    /// After how many whole seconds an address that was not admitted just now may do it again.
    pub fn wait_s(&self, address: &str) -> u64 {
        let place = self.addresses.iter().position(|own| *own == machine(address));
        let left = place.and_then(|place| self.buckets.get(place)).map_or(1.0, |bucket| bucket.left);
        (((1.0 - left).max(0.0) / self.rate.per_ms / 1_000.0).ceil() as u64).max(1)
    }

    fn remember(&mut self, key: u64, now_ms: f64) -> usize {
        let bucket = Bucket { left: self.rate.burst, at_ms: now_ms };
        if self.addresses.len() < ADDRESSES_MAX {
            self.addresses.push(key);
            self.buckets.push(bucket);
            return self.addresses.len() - 1;
        }
        let silent = self.buckets.iter().enumerate().min_by(|(_, a), (_, b)| a.at_ms.total_cmp(&b.at_ms));
        let place = silent.map_or(0, |(place, _)| place);
        if let (Some(own), Some(old)) = (self.addresses.get_mut(place), self.buckets.get_mut(place)) {
            (*own, *old) = (key, bucket);
        }
        place
    }
}

/// The hash of the part of an address that one machine cannot change: of IPv6, the first four groups.
fn machine(address: &str) -> u64 {
    if !address.contains(':') || address.contains('.') {
        return fnv1a64(address.as_bytes());
    }
    let (head, tail) = address.split_once("::").unwrap_or((address, ""));
    let parts = |text| str::split(text, ':').filter(|group| !group.is_empty());
    let zeros = 8_usize.saturating_sub(parts(head).count() + parts(tail).count());
    let all = parts(head).chain(std::iter::repeat_n("0", zeros)).chain(parts(tail));
    // Shifting keeps the order; a text that is no address has some number as well.
    all.take(4).fold(0, |network, group| {
        network << 16 | u64::from_str_radix(group, 16).unwrap_or_else(|_| fnv1a64(group.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn admits(limiter: &mut Limiter, address: &str, times: u32, now_ms: f64, expected: u32) {
        let admitted = (0..times).map(|_| u32::from(limiter.admit(address, now_ms))).sum::<u32>();
        assert_eq!(admitted, expected, "{address} at {now_ms}");
    }

    #[test]
    fn an_address_has_a_burst_and_then_one_a_second() {
        let mut limiter = Limiter::new(REPORTS);
        admits(&mut limiter, "192.0.2.1", 100, 0.0, 60);
        admits(&mut limiter, "192.0.2.2", 100, 0.0, 60);
        admits(&mut limiter, "192.0.2.1", 100, 5_000.0, 5);
        admits(&mut limiter, "192.0.2.1", 100, 1e9, 60);
        admits(&mut limiter, "192.0.2.1", 100, 0.0, 0);
    }

    #[test]
    fn what_was_allowed_is_given_back_and_who_waits_is_reported_how_long() {
        let mut limiter = Limiter::new(SIGN_INS);
        for _ in 0..100 {
            admits(&mut limiter, "192.0.2.1", 1, 0.0, 1);
            limiter.give_back("192.0.2.1");
        }
        admits(&mut limiter, "192.0.2.1", 600, 0.0, 10);
        assert_eq!(limiter.wait_s("192.0.2.1"), 6);
        admits(&mut limiter, "192.0.2.1", 1, 5_900.0, 0);
        assert_eq!(limiter.wait_s("192.0.2.1"), 1);
        admits(&mut limiter, "192.0.2.1", 9, 6_000.0, 1);
        admits(&mut limiter, "192.0.2.1", 600, 66_000.0, 10);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let mut limiter = Limiter::new(REPORTS);
        admits(&mut limiter, "2001:db8::1", 60, 0.0, 60);
        admits(&mut limiter, "2001:db8:0:0:ffff::2", 10, 0.0, 0);
        admits(&mut limiter, "2001:db8:0:1::1", 10, 0.0, 10);
        admits(&mut limiter, "", 61, 0.0, 60);
    }

    #[test]
    fn it_ends_at_its_size_and_forgets_who_is_silent() {
        let mut limiter = Limiter::new(REPORTS);
        admits(&mut limiter, "busy", 60, 0.0, 60);
        for n in 0..30_000_u32 {
            let now_ms = f64::from(n) / 100.0;
            admits(&mut limiter, &format!("192.0.{}.{}", n >> 8, n & 255), 1, now_ms, 1);
            if n % 1_000 == 0 {
                admits(&mut limiter, "busy", 1, now_ms, 0);
            }
        }
        assert_eq!((limiter.addresses.len(), limiter.buckets.len()), (ADDRESSES_MAX, ADDRESSES_MAX));
    }
}
