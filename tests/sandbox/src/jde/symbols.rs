//! Every distinct text of a table, kept once: rows hold a number instead.
//!
//! Invariant: symbol 0 is the blank text, and a symbol never changes its text. A million rows share a few hundred
//! companies, currencies and users, so this is what lets a large table fit into memory.

/// Texts by number, and numbers by text.
#[derive(Clone, Debug)]
pub(super) struct Symbols {
    texts: String,
    ends: Vec<u32>,
    /// Open addressing over symbol numbers; `EMPTY` marks a free place.
    places: Vec<u32>,
}

const EMPTY: u32 = u32::MAX;

impl Symbols {
    pub(super) fn new() -> Self {
        let mut symbols = Self { texts: String::new(), ends: Vec::new(), places: vec![EMPTY; 64] };
        symbols.intern("");
        symbols
    }

    /// The text of a symbol.
    pub(super) fn text(&self, symbol: u32) -> &str {
        let at = symbol as usize;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or(0) as usize };
        let end = self.ends.get(at).copied().unwrap_or(0) as usize;
        self.texts.get(start..end).unwrap_or("")
    }

    /// The symbol of a text that some row may hold; nothing when no row ever held it.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        self.place(text).1
    }

    /// The symbol of a text, made when it is new.
    pub(super) fn intern(&mut self, text: &str) -> u32 {
        let (place, known) = self.place(text);
        if let Some(symbol) = known {
            return symbol;
        }
        let symbol = self.ends.len() as u32;
        self.texts.push_str(text);
        self.ends.push(self.texts.len() as u32);
        self.places[place] = symbol;
        if self.ends.len() * 2 > self.places.len() {
            self.grow();
        }
        symbol
    }

    /// Where a text stands or would stand, and its symbol if it is there.
    fn place(&self, text: &str) -> (usize, Option<u32>) {
        let mask = self.places.len() - 1;
        let mut at = hash(text) as usize & mask;
        loop {
            match self.places[at] {
                EMPTY => return (at, None),
                symbol if self.text(symbol) == text => return (at, Some(symbol)),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        let mask = self.places.len() * 2 - 1;
        let mut places = vec![EMPTY; mask + 1];
        for symbol in 0..self.ends.len() as u32 {
            let mut at = hash(self.text(symbol)) as usize & mask;
            while places[at] != EMPTY {
                at = (at + 1) & mask;
            }
            places[at] = symbol;
        }
        self.places = places;
    }
}

/// FNV-1a with a final mix: short texts, no hostile input.
fn hash(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_symbol_through_growth() {
        let mut symbols = Symbols::new();
        assert_eq!(symbols.intern(""), 0);
        let numbers: Vec<_> = (0..5000).map(|n| symbols.intern(&format!("text {n}"))).collect();
        for (n, symbol) in numbers.iter().enumerate() {
            assert_eq!(symbols.text(*symbol), format!("text {n}"));
            assert_eq!(symbols.find(&format!("text {n}")), Some(*symbol));
        }
        assert_eq!(symbols.find("never seen"), None);
        assert_eq!(symbols.ends.len(), 5001);
    }
}
