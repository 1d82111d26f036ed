//! What an administrator is told.

use engine::Kind;
use engine::ports::Destination;
use sandbox::databricks::{DatabricksSandbox, Privilege};
use serde_json::json;

use super::workspace::{Workspace, batch, close, land, principal};
use crate::warehouse::tests::sample::{row, table};

#[tokio::test]
async fn whatever_right_is_missing_the_statement_that_gives_it_is_named() {
    let table = table("t");
    for (privilege, on, words) in [
        (Privilege::UseCatalog, "main", "USE CATALOG"),
        (Privilege::UseSchema, "main.erp", "USE SCHEMA"),
        (Privilege::CreateTable, "main.erp", "CREATE TABLE"),
        (Privilege::CreateVolume, "main.erp", "CREATE VOLUME"),
        (Privilege::Modify, "main.erp", "MODIFY"),
        (Privilege::Select, "main.erp", "SELECT"),
        (Privilege::ReadVolume, "main.erp", "READ VOLUME"),
        (Privilege::WriteVolume, "main.erp", "WRITE VOLUME"),
        (Privilege::CanUse, "w1", "CAN USE on the SQL warehouse w1"),
    ] {
        let poor = principal("loader").without(privilege, on);
        let workspace =
            Workspace::of(DatabricksSandbox::builder().principal(poor).principal(principal("sandbox"))).await;
        if !matches!(privilege, Privilege::CreateTable | Privilege::CreateVolume) {
            workspace.destination(json!({})).prepare(&table).await.unwrap();
        }
        let loader = workspace.destination_of("loader", "secret", json!({}));
        let load = async {
            loader.write(&table, &batch(&table, "r1", 0, 1, &[row("1", "a", "1")])).await?;
            close(&loader, &table, "r1").await
        };
        let error = load.await.unwrap_err();
        let text = error.to_string();
        assert!(error.kind() == Kind::Stop && text.contains(words) && text.contains("`loader`"), "{words}: {text}");
        let findings = loader.check(&[&table]).await;
        if !matches!(privilege, Privilege::CreateTable | Privilege::CreateVolume) {
            assert!(findings.iter().any(|f| !f.ok && f.detail.contains(words)), "{words}: {findings:#?}");
        }
    }
}

#[tokio::test]
async fn check_tries_everything_and_leaves_nothing_behind() {
    let (workspace, table) = (Workspace::new().await, table("t"));
    let destination = workspace.destination(json!({}));
    let findings = destination.check(&[&table]).await;
    assert!(findings.iter().all(|f| f.ok), "{findings:#?}");
    assert!(findings.iter().any(|f| f.detail == "would be created"), "{findings:#?}");
    assert!(workspace.sandbox.columns("main.erp.t").is_err());
    land(&destination, &table, &batch(&table, "r1", 0, 1, &[row("1", "a", "1")])).await;
    close(&destination, &table, "r1").await.unwrap();
    let version = workspace.sandbox.version("main.erp.t");
    let findings = destination.check(&[&table]).await;
    assert!(findings.iter().all(|f| f.ok) && findings.iter().any(|f| f.detail == "as declared"), "{findings:#?}");
    assert_eq!(workspace.sandbox.version("main.erp.t"), version);
    assert_eq!(workspace.sandbox.files("/Volumes/main/erp/landing").len(), 1);
    let wrong = workspace.destination_of("sandbox", "wrong", json!({})).check(&[&table]).await;
    assert!(wrong.len() == 1 && wrong[0].detail.contains("invalid_client"), "{wrong:#?}");
    let other = workspace.destination(json!({"warehouse": "w9"})).check(&[&table]).await;
    assert!(other.iter().any(|f| !f.ok && f.what.contains("w9")), "{other:#?}");
}
