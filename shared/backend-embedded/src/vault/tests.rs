use super::*;

fn locked(dir: &Path, passphrase: &str) -> FileVault {
    FileVault::new(dir, Some(passphrase.to_owned()))
}

#[test]
fn a_passphrase_takes_over_from_the_key() {
    let dir = tempfile::tempdir().unwrap();
    FileVault::new(dir.path(), None).set("jde", "username", "MLC").unwrap();
    locked(dir.path(), "right").set("jde", "password", "s3cret").unwrap();
    fs::remove_file(dir.path().join(KEY_FILE)).unwrap();

    let names = locked(dir.path(), "right").names().unwrap();
    assert_eq!(names, [("jde".to_owned(), vec!["password".to_owned(), "username".to_owned()])]);
    let error = locked(dir.path(), "wrong").names().unwrap_err().to_string();
    assert!(error.contains("does not open") && !error.contains("wrong"), "{error}");
    let error = FileVault::new(dir.path(), None).names().unwrap_err().to_string();
    assert!(error.contains(PASSPHRASE_VARIABLE), "{error}");
}

#[test]
fn a_lost_key_and_a_damaged_file_are_told_in_words() {
    let dir = tempfile::tempdir().unwrap();
    let vault = FileVault::new(dir.path(), None);
    vault.set("jde", "password", "s3cret").unwrap();
    fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    let error = FileVault::new(dir.path(), None).names().unwrap_err().to_string();
    assert!(error.contains(KEY_FILE), "{error}");
    fs::write(dir.path().join(FILE), "{\"version\":1}\n").unwrap();
    let error = vault.names().unwrap_err().to_string();
    assert!(error.contains("is damaged"), "{error}");
}

#[test]
fn one_changed_byte_is_noticed() {
    let lock = Lock::Passphrase("right");
    let file = String::from_utf8(Sealed::seal(lock, b"s3cret").unwrap()).unwrap();
    assert_eq!(Sealed::parse(file.as_bytes()).unwrap().open(lock).unwrap(), b"s3cret");
    for (from, to) in [("600000", "600001"), ("\"nonce\":\"", "\"nonce\":\"AAAA")] {
        let changed = file.replacen(from, to, 1);
        assert_ne!(changed, file);
        assert!(Sealed::parse(changed.as_bytes()).and_then(|sealed| sealed.open(lock)).is_err(), "{changed}");
    }
}

#[test]
fn a_secret_is_removed_whole_and_what_others_changed_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (FileVault::new(dir.path(), None), FileVault::new(dir.path(), None));
    one.set("a", "password", "1").unwrap();
    other.set("b", "password", "2").unwrap();
    assert_eq!(one.names().unwrap().len(), 2);
    assert!(one.remove("a").unwrap());
    assert!(!one.remove("a").unwrap());
    assert_eq!(other.names().unwrap(), [("b".to_owned(), vec!["password".to_owned()])]);
}

#[test]
fn values_are_in_no_file_and_in_no_debug_output() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("ML_CONNECTOR_SECRET_JDE_TOKEN".to_owned(), "s3cret-2".to_owned())];
    let vault = ChainVault::new(dir.path(), variables);
    vault.file().set("jde", "password", "s3cret-1").unwrap();
    assert!(!format!("{vault:?}").contains("s3cret"));
    for file in fs::read_dir(dir.path()).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("s3cret"));
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    FileVault::new(dir.path(), None).set("jde", "password", "1").unwrap();
    for name in [FILE, KEY_FILE] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[tokio::test]
async fn the_environment_goes_first_field_by_field() {
    let dir = tempfile::tempdir().unwrap();
    let variable = |value: &str| [("ML_CONNECTOR_SECRET_JDE_PROD_PASSWORD".to_owned(), value.to_owned())];
    let vault = ChainVault::new(dir.path(), variable("new"));
    vault.file().set("jde-prod", "username", "MLC").unwrap();
    vault.file().set("jde-prod", "password", "old").unwrap();
    let secret = vault.secret("jde-prod").await.unwrap();
    assert_eq!(secret.field("jde-prod", "password").unwrap(), "new");
    assert_eq!(secret.field("jde-prod", "username").unwrap(), "MLC");
    let vault = ChainVault::new(dir.path(), variable(""));
    let secret = vault.secret("jde-prod").await.unwrap();
    assert_eq!(secret.field("jde-prod", "password").unwrap(), "old", "an empty variable counts as not set");
    // The file cannot be opened any more: the environment has to do.
    fs::remove_file(dir.path().join(KEY_FILE)).unwrap();
    let vault = ChainVault::new(dir.path(), variable("new"));
    assert!(vault.secret("jde-prod").await.is_ok());
    assert!(vault.secret("looker").await.is_err());
}
