//! Names in templates: logical ids hold letters and digits only, names of schedules a little more.

/// A name as a logical id: its letters and digits, each part after another sign in a capital. Two names may become one,
/// which whoever collects them has to refuse.
pub fn logical(name: &str) -> String {
    let parts = name.split(|c: char| !c.is_ascii_alphanumeric());
    parts.map(capitalised).collect()
}

fn capitalised(part: &str) -> String {
    let mut chars = part.chars();
    chars.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(chars).collect()
}

/// A YAML scalar in single quotes, whatever is in it.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Sixteen digits that stand for a text wherever and whenever they are computed (FNV-1a): part of names that are kept.
pub fn digest(text: &str) -> String {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logical_ids_are_letters_and_digits() {
        for (name, id) in [
            ("jde-looker", "JdeLooker"),
            ("ap_invoices", "ApInvoices"),
            ("jde-looker@acme", "JdeLookerAcme"),
            ("4711", "4711"),
            ("acmeEU", "AcmeEU"),
        ] {
            assert_eq!(logical(name), id);
        }
    }

    #[test]
    fn a_digest_never_changes() {
        assert_eq!(digest(""), "cbf29ce484222325");
        assert_eq!(digest("acme/jde-looker/ap_invoices"), digest("acme/jde-looker/ap_invoices"));
        assert_ne!(digest("acme/jde-looker/ap_invoices"), digest("acme/jde-looker/suppliers"));
    }
}
