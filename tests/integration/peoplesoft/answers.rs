//! The same rows in every form in which releases and sites answer.

use sandbox::peoplesoft::{DateTimeForm, FieldNames, OAuth, Profile, Settings, Unordered};

use crate::world::peoplesoft::Site;

/// All of it is loaded, changed and loaded again.
fn agrees(site: &Site) {
    site.setting("page_size", "40");
    site.cli(&["run"]).ok();
    site.agrees();
    site.clerk(|clerk| clerk.enter(3).unwrap());
    site.cli(&["run"]).ok();
    site.agrees();
}

#[test]
fn every_release_is_read_as_it_answers() {
    // Prefixed names, JSON as text/xml, a single row as an object, a blank as a blank.
    let site = Site::seeded(Settings { row_cap: Some(1), ..Settings::of(Profile::Pt856) }, 12);
    site.only(&["vouchers", "gl_accounts", "suppliers"]);
    site.setting("tools", "pt856");
    site.cli(&["run"]).ok();
    for stream in ["vouchers", "gl_accounts", "suppliers"] {
        site.agrees_except(stream, &[]);
    }
    // Bare names, numbers as text, dates with an offset, control characters as they are, no `rows` where there are none.
    let odd = Settings {
        field_names: FieldNames::Bare,
        numbers_as_strings: true,
        date_time: DateTimeForm::IsoWithOffset,
        raw_control_characters: true,
        omit_empty_rows: true,
        query_name_key: "queryname",
        unordered: Unordered::Arrival,
        ..Settings::of(Profile::Pt861)
    };
    let site = Site::with(odd);
    site.setting("tools", "pt861");
    // Offsets come without fractions of a second.
    site.record("VOUCHER", |record| whole_seconds(record, "LAST_UPDATE_DTTM"));
    site.record("VOUCHER", |record| whole_seconds(record, "ENTERED_DTTM"));
    site.record("PO_HDR", |record| whole_seconds(record, "LAST_DTTM_UPDATE"));
    agrees(&site);
}

fn whole_seconds(record: &mut sandbox::peoplesoft::Record, field: &str) {
    let rows: Vec<_> = record.rows().map(|row| (row.key(), row.text(field))).collect();
    for (key, stamp) in rows {
        let key: Vec<_> = key.iter().map(String::as_str).collect();
        let whole = stamp.split_at(19).0.to_owned() + ".000000";
        assert!(record.update(&key, &[(field, &whole)]).unwrap());
    }
}

#[test]
fn a_release_that_knows_no_json_is_read_as_xml() {
    let site = Site::with(Settings { json: false, ..Settings::of(Profile::Pt856) });
    site.setting("tools", "pt854");
    site.setting("format", "xml");
    agrees(&site);
}

#[test]
fn a_long_query_runs_in_the_background() {
    let site = Site::new();
    site.only(&["vouchers", "suppliers"]);
    site.setting("queries", "{ML_VOUCHER: {background: true}}");
    site.setting("background", "{ask_every: 10ms}");
    site.setting("page_size", "60");
    site.cli(&["run"]).ok();
    site.agrees_except("vouchers", &[]);
    site.agrees_except("suppliers", &[]);
    assert!(site.erp.count_calls("ExecuteQueryPoll.v1/public/ML_VOUCHER/") >= 3);
    assert!(site.erp.count_calls("GetQueryResults.v1") >= 3);
    assert!(site.erp.count_calls("QueryStatus.v1") > site.erp.count_calls("GetQueryResults.v1"), "it was asked after");
}

#[test]
fn a_token_that_dies_in_mid_run_is_replaced_once() {
    let site = Site::with(Settings::default().with_oauth(OAuth::new("acme-reader", "s3cr3t+of/acme")));
    site.only(&["vouchers"]);
    site.setting("page_size", "20");
    let token_url = site.erp.token_url().unwrap();
    site.setting("auth", &format!("{{oauth2: {{token_url: \"{token_url}\"}}}}"));
    site.secret("client_id", "acme-reader");
    site.secret("client_secret", "s3cr3t+of/acme");
    site.cli(&["check"]).ok().says(&["it gives tokens"]);
    site.erp.clear_calls();
    site.erp.fault(crate::world::peoplesoft::pages("ML_VOUCHER").nth(3), sandbox::peoplesoft::Fault::DeadToken);
    site.cli(&["run"]).ok().never_says("s3cr3t");
    site.agrees_except("vouchers", &[]);
    assert_eq!(site.erp.faults_waiting(), 0);
    let refused = site.erp.calls().iter().filter(|call| call.status == Some(401)).count();
    assert_eq!(refused, 1, "one page was refused, and asked for again with a new token");
    assert!(site.erp.count_calls("/oauth2/v1/token") <= 3, "one to read, one to prove, one for the one that died");
    site.secret("client_secret", "wrong");
    site.erp.clear_calls();
    site.cli(&["run"]).exits(1).says(&["gave no token", "client_secret"]);
    assert_eq!(site.erp.count_calls("/oauth2/v1/token"), 1, "a refused client is not tried again");
}
