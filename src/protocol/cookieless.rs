//! Clients that bring no cookies, so that what one of them asks for at one moment comes from one side.
//!
//! A crawler or a monitor that nobody has listed gets a document, and then, without the cookie that came with
//! it, that document's data. The isolate remembers for a while whom it took the client's document to be for.
//! It is a help, not a promise: another isolate decides by the client's network, program and hour alone.

use fnv::FnvHashMap;

use crate::model::subject::SubjectHash;

/// So many clients are remembered, some 300 KB; then all are forgotten.
const CLIENTS_MAX: usize = 8_192;
/// A document and the requests that belong to it are a moment apart.
const MOMENT_MS: f64 = 600_000.0;
/// Whoever was seen to bring no cookies is taken for such a client so long.
const COOKIELESS_MS: f64 = 3_600_000.0;

/// The clients that an isolate has seen without an id.
#[derive(Debug, Default)]
pub struct Cookieless {
    clients: FnvHashMap<u64, Client>,
}

#[derive(Clone, Copy, Debug)]
struct Client {
    subject: SubjectHash,
    /// Whether it has asked for more than documents.
    is_cookieless: bool,
    at_ms: f64,
}

impl Client {
    fn is_current(&self, now_ms: f64) -> bool {
        now_ms - self.at_ms < if self.is_cookieless { COOKIELESS_MS } else { MOMENT_MS }
    }
}

impl Cookieless {
    /// Whom a client is taken for that was seen to bring no cookies.
    pub fn known(&self, client: SubjectHash, now_ms: f64) -> Option<SubjectHash> {
        self.current(client, now_ms).filter(|known| known.is_cookieless).map(|known| known.subject)
    }

    /// Takes note that a document of this client was given to this subject.
    pub fn note_document(&mut self, client: SubjectHash, subject: SubjectHash, now_ms: f64) {
        self.keep(client, Client { subject, is_cookieless: false, at_ms: now_ms });
    }

    /// Takes note that a client asks, without cookies, for more than a document; whom it is taken for.
    pub fn note_other(&mut self, client: SubjectHash, now_ms: f64) -> SubjectHash {
        let known = self.current(client, now_ms);
        let subject = known.map_or(client, |known| known.subject);
        if !known.is_some_and(|known| known.is_cookieless) {
            self.keep(client, Client { subject, is_cookieless: true, at_ms: now_ms });
        }
        subject
    }

    fn current(&self, client: SubjectHash, now_ms: f64) -> Option<Client> {
        self.clients.get(&client.get()).copied().filter(|known| known.is_current(now_ms))
    }

    fn keep(&mut self, client: SubjectHash, known: Client) {
        if self.clients.len() >= CLIENTS_MAX {
            self.clients.clear();
        }
        self.clients.insert(client.get(), known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: SubjectHash = SubjectHash::from_number(1);
    const SUBJECT: SubjectHash = SubjectHash::from_number(2);

    #[test]
    fn data_without_a_cookie_belongs_to_the_document_before_it() {
        let mut clients = Cookieless::default();
        clients.note_document(CLIENT, SUBJECT, 0.0);
        assert_eq!(clients.known(CLIENT, 1.0), None, "it may keep the cookie");
        assert_eq!(clients.note_other(CLIENT, 2.0), SUBJECT);
        assert_eq!(clients.known(CLIENT, 3.0), Some(SUBJECT));
        assert_eq!(clients.known(CLIENT, 3.0 + COOKIELESS_MS), None);
    }

    #[test]
    fn a_client_that_nobody_knows_stands_for_itself() {
        let mut clients = Cookieless::default();
        assert_eq!(clients.note_other(CLIENT, 0.0), CLIENT);
        assert_eq!(clients.known(CLIENT, 1.0), Some(CLIENT));
        clients.note_document(SUBJECT, CLIENT, 0.0);
        assert_eq!(clients.note_other(SUBJECT, MOMENT_MS), SUBJECT, "the document was long ago");
    }

    #[test]
    fn a_flood_of_clients_is_bounded() {
        let mut clients = Cookieless::default();
        (0..100_000).for_each(|n| {
            clients.note_other(SubjectHash::from_number(n), 0.0);
        });
        assert!(clients.clients.len() <= CLIENTS_MAX);
    }
}
