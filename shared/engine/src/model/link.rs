//! Links: that a record here is that record there, and where a write to it stands, for systems that are written to one
//! record at a time through their API.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::audit::Outcome;

/// How a record stands to its counterpart in the other system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Link {
    /// The counterpart's id, once it is known.
    pub id: Option<String>,
    /// The content that was sent last, as the hash that its mapped values had.
    pub sent: Option<ContentHash>,
    /// What the other side made of it when it was read back, as the hash of the same columns.
    pub agreed: Option<ContentHash>,
    /// The version of the record that both sides last agreed on; nothing older is ever sent.
    pub version: i64,
    /// A write that is under way, or whose outcome nobody knows yet.
    pub intent: Option<Intent>,
    /// Who made both sides agree last, and what came of it: its redelivery says the same.
    pub receipt: Option<Receipt>,
}

/// What came of the last write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// Whose it was.
    pub owner: String,
    /// What became of the record.
    pub outcome: Outcome,
    /// What is worth knowing of it.
    pub detail: Option<String>,
}

/// What both sides agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreement {
    /// The counterpart's id, where it was told.
    pub id: Option<String>,
    /// Hash of what was sent, or would have been.
    pub sent: u128,
    /// Hash of what was read back.
    pub agreed: u128,
    /// The version of the record.
    pub version: i64,
}

/// Hash of the mapped content of a record, as 32 hexadecimal digits in what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ContentHash(pub u128);

impl From<ContentHash> for String {
    fn from(hash: ContentHash) -> Self {
        format!("{:032x}", hash.0)
    }
}

impl TryFrom<String> for ContentHash {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        u128::from_str_radix(&text, 16).map(Self).map_err(|why| format!("`{text}` is no content hash: {why}"))
    }
}

/// The exclusive claim to write a record: written down before the call, so that a call whose caller died is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Whose it is: a batch, so that its redelivery finds its own.
    pub owner: String,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// Until when nobody else may take it over: longer than the function and its calls can last.
    pub until: DateTime<Utc>,
    /// Whether the call may have been made: who finds it so looks before anything is sent again.
    pub called: bool,
}

/// What an attempt to claim a record gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// It is claimed, and nothing was sent before.
    Fresh,
    /// It is claimed, and a call was made at that time whose outcome nobody knows.
    Look(DateTime<Utc>),
    /// Somebody else writes it, until then at the latest.
    Taken(DateTime<Utc>),
}

impl Link {
    /// Whether this content needs no write: it was sent before, or is what the other side holds.
    pub fn knows(&self, hash: u128) -> bool {
        let hash = Some(ContentHash(hash));
        self.intent.is_none() && (self.agreed == hash || (self.sent == hash && self.agreed.is_some()))
    }

    /// Claims the record for `owner`.
    pub fn claim(&mut self, owner: &str, now: DateTime<Utc>, until: DateTime<Utc>) -> Claim {
        let claim = match &self.intent {
            Some(intent) if intent.owner != owner && intent.until > now => return Claim::Taken(intent.until),
            Some(intent) if intent.called => Claim::Look(intent.at),
            _ => Claim::Fresh,
        };
        let (at, called) = match claim {
            Claim::Look(at) => (at, true),
            _ => (now, false),
        };
        self.intent = Some(Intent { owner: owner.to_owned(), at, until, called });
        claim
    }

    /// The call is about to be made; says whether it may be.
    pub fn calling(&mut self, owner: &str, now: DateTime<Utc>) -> bool {
        match &mut self.intent {
            Some(intent) if intent.owner == owner => {
                intent.called = true;
                intent.at = now;
                true
            }
            _ => false,
        }
    }

    /// The call certainly changed nothing: whoever comes next may send at once.
    pub fn let_go(&mut self, owner: &str) {
        if self.intent.as_ref().is_some_and(|intent| intent.owner == owner) {
            self.intent = None;
        }
    }

    /// Both sides agree. Nothing older than the last agreement is remembered.
    pub fn agree(&mut self, receipt: &Receipt, on: &Agreement) {
        self.let_go(&receipt.owner);
        if on.version >= self.version {
            self.id = on.id.clone().or_else(|| self.id.take());
            self.sent = Some(ContentHash(on.sent));
            self.agreed = Some(ContentHash(on.agreed));
            self.version = on.version;
            self.receipt = Some(receipt.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + chrono::Duration::seconds(seconds)
    }

    #[test]
    fn one_writes_and_the_others_wait_until_its_claim_is_over() {
        let mut link = Link::default();
        assert_eq!(link.claim("a", at(0), at(60)), Claim::Fresh);
        assert_eq!(link.claim("b", at(1), at(61)), Claim::Taken(at(60)));
        assert!(!link.calling("b", at(1)));
        assert_eq!(link.claim("b", at(60), at(120)), Claim::Fresh, "nothing was sent yet");
    }

    #[test]
    fn a_call_whose_caller_died_is_looked_for_before_anything_is_sent_again() {
        let mut link = Link::default();
        link.claim("a", at(0), at(60));
        assert!(link.calling("a", at(2)));
        assert_eq!(link.claim("a", at(5), at(65)), Claim::Look(at(2)), "its own redelivery looks too");
        assert_eq!(link.claim("b", at(70), at(130)), Claim::Look(at(2)));
        link.let_go("b");
        assert_eq!(link.claim("b", at(71), at(131)), Claim::Fresh);
    }

    #[test]
    fn what_the_other_side_made_of_it_is_not_sent_again_and_nothing_older_is_remembered() {
        let mut link = Link::default();
        link.claim("a", at(0), at(60));
        let receipt = Receipt { owner: "a".to_owned(), outcome: Outcome::Updated, detail: None };
        link.agree(&receipt, &Agreement { id: Some("7".to_owned()), sent: 1, agreed: 2, version: 10 });
        assert!(link.knows(1) && link.knows(2) && !link.knows(3));
        link.agree(&receipt, &Agreement { id: None, sent: 5, agreed: 5, version: 9 });
        assert!(link.knows(1) && !link.knows(5));
        let stored = serde_json::to_string(&link).unwrap();
        assert_eq!(serde_json::from_str::<Link>(&stored).unwrap(), link);
        assert_eq!(serde_json::from_str::<Link>("{}").unwrap(), Link::default());
    }
}
