//! Finds the rollout that takes a request.
//!
//! The most specific route wins: an exact host before a domain, a longer domain before a shorter,
//! any host last; then an exact path before a prefix, a longer prefix before a shorter. The cost
//! depends on the depth of the path and of the deepest route, not on how many rollouts there are. What a
//! rollout excepts goes to the next less specific route of another.

use fnv::FnvHashMap;

use tidegate_model::route::{HostPattern, PathPattern, Route};

/// The routes of a deployment.
#[derive(Debug, Default)]
pub struct Router {
    /// The numbers of hosts in `hosts`.
    exact: FnvHashMap<String, usize>,
    /// The same for domains.
    under: FnvHashMap<String, usize>,
    hosts: Vec<Paths>,
    any: Paths,
    /// By number of rollout: what it does not take, though a route of it does.
    except: FnvHashMap<usize, Vec<Route>>,
}

#[derive(Debug, Default)]
struct Paths {
    exact: FnvHashMap<String, usize>,
    under: FnvHashMap<String, usize>,
    /// The number of segments of the deepest prefix.
    depth_max: usize,
}

impl Router {
    /// Adds a route of the rollout with the number `rollout`; the first of two equal ones stays.
    pub fn add(&mut self, route: &Route, rollout: usize) {
        let paths = match &route.host {
            HostPattern::Any => Some(&mut self.any),
            HostPattern::Under(domain) => paths_of(&mut self.hosts, &mut self.under, domain),
            HostPattern::Exactly(host) => paths_of(&mut self.hosts, &mut self.exact, host),
        };
        if let Some(paths) = paths {
            paths.add(&route.path, rollout);
        }
    }

    /// Notes what a rollout does not take.
    pub fn except(&mut self, routes: &[Route], rollout: usize) {
        if !routes.is_empty() {
            self.except.insert(rollout, routes.to_vec());
        }
    }

    /// The number of the rollout that takes a request for `path` on `host` (in lower case, without a port).
    pub fn find(&self, host: &str, path: &str) -> Option<usize> {
        self.first(host, path, &|rollout| !self.is_excepted(rollout, host, path))
    }

    /// The number of the rollout that would take a request which it excepts.
    pub fn find_excepting(&self, host: &str, path: &str) -> Option<usize> {
        if self.except.is_empty() { None } else { self.first(host, path, &|_| true) }
    }

    fn is_excepted(&self, rollout: usize, host: &str, path: &str) -> bool {
        !self.except.is_empty()
            && self.except.get(&rollout).is_some_and(|routes| routes.iter().any(|route| route.matches(host, path)))
    }

    fn first(&self, host: &str, path: &str, takes: &impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(rollout) = self.exact.get(host).and_then(|number| self.hosts.get(*number)?.find(path, takes)) {
            return Some(rollout);
        }
        if !self.under.is_empty() {
            let mut rest = host;
            while let Some((_, domain)) = rest.split_once('.') {
                if let Some(rollout) =
                    self.under.get(domain).and_then(|number| self.hosts.get(*number)?.find(path, takes))
                {
                    return Some(rollout);
                }
                rest = domain;
            }
        }
        self.any.find(path, takes)
    }
}

/// The number that `name` has, or else gets.
fn number_of(numbers: &mut FnvHashMap<String, usize>, name: &str, number: usize) -> usize {
    if let Some(known) = numbers.get(name) {
        return *known;
    }
    numbers.insert(name.to_owned(), number);
    number
}

/// The paths of a host, which get a place in `hosts` when it is first named.
fn paths_of<'h>(
    hosts: &'h mut Vec<Paths>,
    numbers: &mut FnvHashMap<String, usize>,
    host: &str,
) -> Option<&'h mut Paths> {
    let number = number_of(numbers, host, hosts.len());
    if number == hosts.len() {
        hosts.push(Paths::default());
    }
    hosts.get_mut(number)
}

impl Paths {
    fn add(&mut self, path: &PathPattern, rollout: usize) {
        match path {
            PathPattern::Exactly(path) => {
                number_of(&mut self.exact, path, rollout);
            }
            PathPattern::Under(prefix) => {
                self.depth_max = self.depth_max.max(prefix.matches('/').count());
                number_of(&mut self.under, prefix, rollout);
            }
        }
    }

    fn find(&self, path: &str, takes: &impl Fn(usize) -> bool) -> Option<usize> {
        if let Some(rollout) = self.exact.get(path).filter(|rollout| takes(**rollout)) {
            return Some(*rollout);
        }
        if self.under.is_empty() {
            return None;
        }
        // No prefix is deeper than `depth_max`, so nothing behind that many segments is looked at.
        let end = path.match_indices('/').nth(self.depth_max + 1).map_or(path.len(), |(at, _)| at);
        let mut prefix = path.get(..end)?;
        loop {
            if let Some(rollout) = self.under.get(prefix).filter(|rollout| takes(**rollout)) {
                return Some(*rollout);
            }
            prefix = prefix.rsplit_once('/')?.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(routes: &[&str]) -> Router {
        let mut router = Router::default();
        for (index, route) in routes.iter().enumerate() {
            if let Ok(route) = route.parse() {
                router.add(&route, index);
            }
        }
        router
    }

    #[test]
    fn the_most_specific_route_wins_in_any_order() {
        let routes = [
            "/*",
            "shop.example.com/*",
            "shop.example.com/checkout/*",
            "shop.example.com/checkout/api",
            "*.example.com/*",
            "*.shop.example.com/a/*",
            "/checkout/*",
        ];
        let cases = [
            ("other.org", "/", Some(0)),
            ("other.org", "/checkout/x", Some(6)),
            ("shop.example.com", "/", Some(1)),
            ("shop.example.com", "/checkout", Some(2)),
            ("shop.example.com", "/checkout/api", Some(3)),
            ("shop.example.com", "/checkout/api/x/y/z", Some(2)),
            ("shop.example.com", "/checkouts", Some(1)),
            ("www.example.com", "/checkout", Some(4)),
            ("m.shop.example.com", "/a/b", Some(5)),
            ("m.shop.example.com", "/b", Some(4)),
            ("example.com", "/b", Some(0)),
        ];
        for (host, path, expected) in cases {
            assert_eq!(router(&routes).find(host, path), expected, "{host}{path}");
            let reversed: Vec<&str> = routes.iter().rev().copied().collect();
            let backwards = expected.map(|index| routes.len() - 1 - index);
            assert_eq!(router(&reversed).find(host, path), backwards, "{host}{path} reversed");
        }
    }

    #[test]
    fn what_no_route_takes_is_nobodys() {
        assert_eq!(router(&["a.example/x/*", "a.example/y"]).find("a.example", "/"), None);
        assert_eq!(router(&[]).find("a.example", "/"), None);
        assert_eq!(router(&["/a/b/*"]).find("h", &"/a".repeat(10_000)), None);
    }
}
