//! The promises of [`Vault`].

use engine::Kind;
use engine::ports::Vault;

use crate::Kept;
use crate::sample::secret;

const PASSWORD: &str = "pä$$ \"word\"\n=1";

/// Holds a vault to its promises. `make` gives a vault that holds these secrets, by name, field and value, and no others.
pub async fn vault_battery<V: Vault>(make: impl AsyncFn(&[(&str, &str, &str)]) -> V) {
    let vault =
        make(&[("jde-prod", "username", "MLC"), ("jde-prod", "password", PASSWORD), ("warehouse", "token", "t")]).await;
    secret_has_its_fields(&vault).await;
    fingerprint_tells_versions_apart(&vault, &make(&[("jde-prod", "username", "MLC")]).await).await;
    missing_secret_is_a_stop(&vault).await;
}

async fn secret_has_its_fields(vault: &impl Vault) {
    let found = vault.secret("jde-prod").await.kept("a secret that was set is found");
    let expected = secret(&[("username", "MLC"), ("password", PASSWORD)]);
    assert!(found == expected, "a secret has exactly its fields, with every character: {found:?}");
    assert_eq!(vault.secret("warehouse").await.kept("each secret is found").names().count(), 1, "secrets stay apart");
}

async fn fingerprint_tells_versions_apart(vault: &impl Vault, other: &impl Vault) {
    let of =
        async |vault: &dyn Vault| vault.secret("jde-prod").await.kept("a secret that was set is found").fingerprint();
    assert_eq!(of(vault).await, of(vault).await, "one version of a secret has one fingerprint");
    assert_ne!(of(vault).await, of(other).await, "another version of a secret has another fingerprint");
}

async fn missing_secret_is_a_stop(vault: &impl Vault) {
    let Err(error) = vault.secret("oracle-prod").await else {
        panic!("broken: a secret that was not set is an error");
    };
    assert_eq!(error.kind(), Kind::Stop, "a missing secret is for a person");
    let message = error.to_string();
    assert!(message.contains("`oracle-prod`"), "a missing secret is named: {message}");
    assert!(!message.contains("MLC") && !message.contains(PASSWORD), "no value is in a message");
}

/// The message about a missing secret names the ways to set it, in the words of the vault.
pub async fn missing_secret_names_both_ways(vault: &impl Vault, ways: &[&str]) {
    let Err(error) = vault.secret("none").await else {
        panic!("broken: a secret that was not set is an error");
    };
    for way in ways {
        assert!(error.to_string().contains(way), "the message names `{way}`: {error}");
    }
}
