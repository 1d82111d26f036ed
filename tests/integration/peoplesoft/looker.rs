//! What was loaded from a PeopleSoft is what Looker shows.

use sandbox::looker::{Account, LookerSandbox, Project, Receiver};
use serde_json::{Value as Json, json};

use crate::world::block_on;
use crate::world::looker::cents;
use crate::world::peoplesoft::Site;

const MODEL: &str = "peoplesoft_looker";

#[test]
fn looker_shows_the_vouchers_and_a_report_goes_when_they_are_complete() {
    let site = Site::new();
    site.only(&["suppliers", "vouchers"]);
    site.cli(&["lookml", "--out", "looker"]).ok();
    let look = json!({
        "model": MODEL,
        "view": "vouchers",
        "fields": ["suppliers.name", "vouchers.count", "vouchers.total_gross_amount"],
        "limit": "5000",
    });
    let looker = LookerSandbox::builder()
        .account(Account::admin("ApiUserOfAcme", "l00kerofacme"))
        .project(Project::read(&site.dir().join("looker")).unwrap())
        .connection("warehouse", site.warehouse.behind_looker())
        .look("1", "Vouchers by supplier", look);
    let looker = block_on(looker.start()).unwrap();
    let receiver = block_on(Receiver::start()).unwrap();
    site.env("ML_CONNECTOR_SECRET_LOOKER_CLIENT_ID", "ApiUserOfAcme");
    site.env("ML_CONNECTOR_SECRET_LOOKER_CLIENT_SECRET", "l00kerofacme");
    site.consumer(
        format!(
            "  looker:\n    looker:\n      url: {}\n      secret: looker\n      model: {MODEL}\n      plans:\n        vouchers:\n          \
             name: Vouchers\n          look: Vouchers by supplier\n          crontab: 0 0 30 2 *\n          \
             destinations: [{{webhook: \"{}\", format: inline_json}}]\n",
            looker.url(),
            receiver.url()
        ),
        "    consumer: looker\n    deliveries:\n      vouchers: {plan: Vouchers, after: [suppliers, vouchers]}\n".to_owned(),
    );
    for _ in 0..2 {
        let run = site.cli(&["run", "--json"]).ok();
        for row in run.json()["syncs"].as_array().unwrap() {
            assert_eq!((&row["agrees"], &row["warnings"]), (&json!(true), &json!([])), "Looker counts the same: {row}");
        }
        assert_eq!(run.json()["deliveries"][0]["state"], "delivered", "{run}");
        let report = receiver.received().pop().unwrap();
        let rows: Json = serde_json::from_str(report.body["data"].as_str().unwrap()).unwrap();
        // As people read them: with commas between thousands.
        let text = |row: &Json, field: &str| row[field].to_string().replace([',', '"'], "");
        let rows = rows.as_array().unwrap();
        let count: usize = rows.iter().map(|row| text(row, "vouchers.count").parse::<usize>().unwrap()).sum();
        let sum: i128 = rows.iter().map(|row| cents(&text(row, "vouchers.total_gross_amount"))).sum();
        let due = site.expected("vouchers");
        let exact: i128 = due.values().map(|row| cents(&row["gross_amount"])).sum();
        assert_eq!((count, sum), (due.len(), exact), "the report shows what the source holds");
        site.clerk(|clerk| clerk.enter(4).unwrap());
    }
    site.cli(&["check"]).ok().says(&["explore `peoplesoft_looker::vouchers`"]);
}
