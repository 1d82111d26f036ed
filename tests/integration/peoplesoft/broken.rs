//! What goes wrong at a PeopleSoft site: nothing is lost, or the administrator's step is named.

use chrono::TimeDelta;
use ml_connector::simulated::peoplesoft::definitions;
use sandbox::peoplesoft::{Answered, ErrorBody, Fault, Gate, PeopleSoftSandbox, Profile, Settings};

use crate::world::block_on;
use crate::world::peoplesoft::{Site, pages};

const EXECUTE: &str = "ExecuteQuery.v1";

#[test]
fn a_column_that_vanished_from_a_query_stops_the_sync_with_its_name() {
    let site = Site::new();
    site.only(&["vouchers", "suppliers"]);
    site.cli(&["run"]).ok();
    site.clerk(|clerk| clerk.enter(2).unwrap());
    assert!(site.erp.drop_column("ML_VOUCHER", "A.GROSS_AMT"));
    site.cli(&["run"]).exits(1).says(&["column GROSS_AMT is not in the answer of", "ml-connector peoplesoft queries"]);
    site.cli(&["check"]).exits(1).says(&["GROSS_AMT"]);
    site.agrees_except("suppliers", &[]);
    define_again(&site.erp, "ML_VOUCHER");
    // A key that vanished is no key of nothing.
    assert!(site.erp.drop_column("ML_VENDOR", "A.VENDOR_ID"));
    site.cli(&["run"]).exits(1).says(&["VENDOR_ID", "ML_VENDOR"]);
    define_again(&site.erp, "ML_VENDOR");
    // Nor is a query that somebody has deleted.
    assert!(site.erp.drop_query("ML_VOUCHER"));
    site.cli(&["check"]).exits(1).says(&["create the query as `ml-connector peoplesoft queries` prints it"]);
    define_again(&site.erp, "ML_VOUCHER");
    site.cli(&["run"]).ok();
    site.agrees_except("vouchers", &[]);
    site.agrees_except("suppliers", &[]);
}

fn define_again(erp: &PeopleSoftSandbox, name: &str) {
    let query = definitions().into_iter().find(|query| query.name == name).unwrap();
    erp.define_query(query).unwrap();
}

#[test]
fn pages_that_a_server_cuts_short_are_read_to_their_end() {
    // A limit of the site, a lower one of the user's query profile, and a page cut shorter still.
    let site = Site::with(Settings { row_cap: Some(30), max_at_once: Some(1), ..Settings::default() });
    site.erp.change_operator("CXUSER", |operator| operator.max_rows = Some(17));
    site.erp.fault(pages("ML_VOUCHER").nth(2), Fault::ShortPage(3));
    site.cli(&["run"]).ok();
    site.agrees();
    assert_eq!((site.erp.faults_waiting(), site.erp.most_at_once()), (0, 1));
    // A page that does not go on behind the last key would be read for ever.
    site.erp.fault(pages("ML_VENDOR").after(1).every(), Fault::IgnorePrompts);
    site.cli(&["run", "suppliers"]).exits(1).says(&["ML_VENDOR", "gave a page again"]);
    site.erp.clear_faults();
    site.cli(&["run", "suppliers"]).ok();
    site.agrees_except("suppliers", &[]);
}

#[test]
fn a_domain_that_is_down_for_ten_minutes_is_waited_for() {
    let site = Site::new();
    site.only(&["vouchers"]);
    site.setting("page_size", "20");
    let (going, gone) = (Gate::new(), Gate::new());
    site.erp.fault(pages("ML_VOUCHER").nth(3), Fault::Hold(going.clone()));
    site.erp.fault(pages("ML_VOUCHER").nth(4), Fault::Hold(gone.clone()));
    let run = site.start(&["run", "--json"]);
    block_on(going.reached_by(1));
    let until = site.erp.clock().now() + TimeDelta::minutes(10);
    site.erp.go_down(until, Answered { status: 503, body: ErrorBody::Html });
    going.open();
    block_on(gone.reached_by(1));
    let refused = site.erp.calls().iter().filter(|call| call.status == Some(503)).count();
    assert_eq!(refused, 1, "the third page was refused");
    site.erp.clock().set(until);
    gone.open();
    let run = run.end().ok();
    site.agrees_except("vouchers", &[]);
    let row = run.sync("vouchers");
    assert_eq!(row["inserted"], row["read"], "what was read before the domain went down was not read again: {row}");
}

#[test]
fn answers_that_are_none_are_asked_for_again() {
    let site = Site::new();
    site.setting("page_size", "30");
    for (query, fault) in [
        ("ML_VOUCHER", Fault::ErrorWith200),
        ("ML_VENDOR", Fault::page(200)),
        ("ML_PO_HDR", Fault::empty(200)),
        ("ML_VCHR_PYMNT", Fault::CountsOneMore),
        ("ML_VOUCHER_LINE", Fault::TruncatedBody),
    ] {
        site.erp.fault(pages(query).nth(2), fault);
    }
    site.cli(&["run"]).ok();
    assert_eq!(site.erp.faults_waiting(), 0);
    site.agrees();
}

#[test]
fn check_names_the_step_that_the_administrator_has_left_out() {
    for profile in [Profile::Pt856, Profile::Pt859, Profile::Pt861] {
        let site = Site::seeded(Settings::of(profile), 20);
        site.only(&["vouchers"]);
        let check = |says: &[&str]| {
            site.cli(&["check"]).exits(1).says(says).never_says("secret\n");
            site.erp.unlock("CXUSER");
        };
        site.setting("node", "PSFT_OLD");
        check(&["PSFT_OLD", "default local node"]);
        site.setting("node", "PSFT_EP");
        assert!(site.erp.set_active(EXECUTE, false));
        check(&["activate the service operation", EXECUTE]);
        assert!(site.erp.set_active(EXECUTE, true) && site.erp.set_routing(EXECUTE, false));
        check(&["any-to-local routing", EXECUTE]);
        assert!(site.erp.set_routing(EXECUTE, true));
        site.erp.change_operator("CXUSER", |operator| operator.operations = Some(Vec::new()));
        check(&["permission list", EXECUTE]);
        site.erp.change_operator("CXUSER", |operator| {
            operator.operations = None;
            operator.records = Some(vec!["VENDOR".to_owned()]);
        });
        check(&["query access groups"]);
        site.erp.change_operator("CXUSER", |operator| operator.records = None);
        site.secret("password", "wrong");
        site.erp.clear_calls();
        check(&["secrets set", "Req Verification"]);
        assert_eq!(site.erp.calls().len(), 1, "a wrong password is tried once");
        site.secret("password", "secret");
        site.cli(&["check"]).ok();
        site.cli(&["run"]).ok();
        site.agrees_except("vouchers", &[]);
    }
}

#[test]
fn nothing_is_called_in_quiet_hours() {
    let site = Site::new();
    site.only(&["suppliers"]);
    let now = site.erp.clock().now().with_timezone(&chrono_tz::Tz::America__Chicago);
    let hours = |from: i64, to: i64| {
        let at = |hours: i64| (now + TimeDelta::hours(hours)).format("%H:%M").to_string();
        format!("[{{from: \"{}\", to: \"{}\"}}]", at(from), at(to))
    };
    site.setting("quiet_hours", &hours(2, 4));
    site.cli(&["run"]).ok();
    site.agrees_except("suppliers", &[]);
    site.erp.clear_calls();
    site.setting("quiet_hours", &hours(-1, 2));
    site.cli(&["check"]).exits(1).says(&["quiet hours"]);
    let mut run = site.start(&["run", "-v"]);
    run.says("is not called in its quiet hours");
    run.kill();
    assert_eq!(site.erp.calls().len(), 0);
}
