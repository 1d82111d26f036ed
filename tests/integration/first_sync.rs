//! From nothing to a warehouse, and what a day at the source makes of it.

use sandbox::jde::changes::{Bad, Plan};

use crate::world::{World, record_key, streams};

#[test]
fn the_first_run_loads_everything_and_the_second_reads_only_what_changed() {
    let world = World::new();
    let first = world.cli(&["run", "--json"]).ok();
    world.agrees();
    for stream in streams() {
        let row = first.sync(&stream.name);
        let records = world.expected(&stream.name).len();
        assert_eq!(row["read"], records, "{row}");
        assert_eq!(row["inserted"], records, "{row}");
        assert_eq!(row["agrees"], true, "{row}");
    }
    let report = world.month_end(&Plan {
        new: 5,
        paid: 4,
        voided: 2,
        late: true,
        early_line: true,
        bad: Some(Bad::Amount),
    });
    let second = world.cli(&["run", "--json"]).ok();
    let invoices = second.sync("ap_invoices");
    assert_eq!(invoices["inserted"], 6, "{invoices}");
    assert_eq!(invoices["updated"], 6, "{invoices}");
    assert_eq!(invoices["rejected"], 1, "{invoices}");
    world.agrees_except("ap_invoices", &[record_key(&report.bad.unwrap())]);
}
