//! Words of others in our messages, and text in addresses.

/// Vendor words are quoted up to this many characters.
const LONGEST_QUOTE: usize = 300;

/// Vendor words for a message: shortened, without the secrets, without anything that follows `token=`.
pub fn quote(text: &str, secrets: &[&str]) -> String {
    let mut clean = text.trim().to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= 3) {
        clean = clean.replace(secret, "…");
        clean = clean.replace(&percent_encode(secret), "…");
    }
    let mut from = 0;
    while let Some(at) = clean.get(from..).and_then(|rest| rest.to_ascii_lowercase().find("token=")) {
        let start = from + at + "token=".len();
        let length =
            clean[start..].find(|c: char| c == '&' || c.is_whitespace() || c == '"').unwrap_or(clean.len() - start);
        clean.replace_range(start..start + length, "…");
        from = start;
    }
    if clean.chars().count() > LONGEST_QUOTE {
        clean = clean.chars().take(LONGEST_QUOTE).chain(['…']).collect();
    }
    clean
}

/// Encodes everything but letters, digits, `-`, `.`, `_` and `~`.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Decodes `%XX`; a `+` stays a `+`, since tokens hold it. Nothing when the result is no text.
pub fn percent_decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let value = digit()? * 16 + digit()?;
        decoded.push(u8::try_from(value).ok()?);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_words_hold_no_secret() {
        let text = "login of SVC with pass+word= failed, see http://x/next?token=044%2Babc&rid=1 and pass%2Bword%3D";
        let quoted = quote(text, &["pass+word="]);
        assert!(!quoted.contains("pass") && !quoted.contains("044"), "{quoted}");
        assert!(quoted.contains("login of SVC") && quoted.contains("&rid=1"), "{quoted}");
        assert_eq!(quote(&"x".repeat(1000), &[]).chars().count(), LONGEST_QUOTE + 1);
    }

    #[test]
    fn encoded_text_decodes_to_itself() {
        let token = "044+/=|ü &";
        assert_eq!(percent_decode(&percent_encode(token)).as_deref(), Some(token));
        assert_eq!(percent_decode("a+b%2B"), Some("a+b+".to_owned()));
        assert_eq!(percent_decode("%zz"), None);
        assert_eq!(percent_decode("%2"), None);
    }
}
