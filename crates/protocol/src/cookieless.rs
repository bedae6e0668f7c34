//! Clients that bring no cookies, so that what one of them asks for at one moment comes from one side.
//!
//! A crawler or a monitor that nobody has listed gets a document, and then, without the cookie that came with
//! it, that document's data. The isolate remembers for a while whom it took the client's last document to be
//! for. It is a help, not a promise: another isolate decides by the client's network, program and hour alone.

use fnv::FnvHashMap;

use tidegate_model::subject::SubjectHash;

/// So many clients are remembered, some 300 KB; then all are forgotten.
const CLIENTS_MAX: usize = 8_192;
/// A document and the requests that belong to it are no further apart.
const MOMENT_MS: f64 = 600_000.0;

/// Whom the last documents without a cookie were for.
#[derive(Debug, Default)]
pub struct Cookieless {
    documents: FnvHashMap<u64, Document>,
}

#[derive(Clone, Copy, Debug)]
struct Document {
    subject: SubjectHash,
    at_ms: f64,
}

impl Cookieless {
    /// Takes note that a document of this client was given to this subject.
    pub fn note_document(&mut self, client: SubjectHash, subject: SubjectHash, now_ms: f64) {
        if self.documents.len() >= CLIENTS_MAX {
            self.documents.clear();
        }
        self.documents.insert(client.get(), Document { subject, at_ms: now_ms });
    }

    /// Whom the client's last document was for, if that was a moment ago.
    pub fn subject(&self, client: SubjectHash, now_ms: f64) -> Option<SubjectHash> {
        self.documents
            .get(&client.get())
            .filter(|document| now_ms - document.at_ms < MOMENT_MS)
            .map(|document| document.subject)
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
        assert_eq!(clients.subject(CLIENT, 0.0), None);
        clients.note_document(CLIENT, SUBJECT, 0.0);
        assert_eq!(clients.subject(CLIENT, 1.0), Some(SUBJECT));
        assert_eq!(clients.subject(CLIENT, MOMENT_MS), None);
    }

    #[test]
    fn a_flood_of_clients_is_bounded() {
        let mut clients = Cookieless::default();
        (0..100_000).for_each(|n| clients.note_document(SubjectHash::from_number(n), SUBJECT, 0.0));
        assert!(clients.documents.len() <= CLIENTS_MAX);
    }
}
