//! The ledgers behind the invoices: distributions (F0911), balances (F0902), payments (F0413) and what they paid (F0414).

use super::invoices::Voucher;
use super::{Masters, SeedOptions, days_back};
use crate::jde::table_error::TableError;
use crate::jde::tables::Tables;
use crate::random::Random;

pub(super) fn fill(
    tables: &mut Tables,
    options: &SeedOptions,
    masters: &Masters,
    vouchers: &[Voucher],
    random: &mut Random,
) -> Result<(), TableError> {
    distributions(tables, masters, vouchers, random)?;
    balances(tables, options, masters)?;
    payments(tables, vouchers)?;
    paid_items(tables, vouchers)
}

/// One or two expense lines a voucher; a foreign voucher has each line in both ledgers, AA and CA.
fn distributions(
    tables: &mut Tables,
    masters: &Masters,
    vouchers: &[Voucher],
    random: &mut Random,
) -> Result<(), TableError> {
    let table = tables.existing("F0911")?;
    let [kco, dct, doc, dgj, jeln, lt, post, icut, co, ani, aid, mcu, obj, sub, crcd, exa, exr, vinv] =
        table.schema().positions_of([
            "KCO", "DCT", "DOC", "DGJ", "JELN", "LT", "POST", "ICUT", "CO", "ANI", "AID", "MCU", "OBJ", "SUB", "CRCD",
            "EXA", "EXR", "VINV",
        ])?;
    let [icu, crr, aa, acr, an8, ivd, bcrc, user, upmj, upmt] =
        table.schema().positions_of(["ICU", "CRR", "AA", "ACR", "AN8", "IVD", "BCRC", "USER", "UPMJ", "UPMT"])?;
    let mut rows = table.bulk();
    for voucher in vouchers {
        let item = &voucher.first;
        let lines = if random.chance(600) { 1 } else { 2 };
        let mut left = voucher.gross;
        for line in 1..=lines {
            let amount = if line == lines { left } else { left / 3 };
            left -= amount;
            let account = random.pick(&masters.accounts);
            let unit = account.and_then(|account| masters.units.get(account.1)).map_or("", |unit| unit.1.as_str());
            let ledgers: &[&str] = if item.foreign.is_some() { &["AA", "CA"] } else { &["AA"] };
            for ledger in ledgers {
                rows.row();
                rows.text(kco, item.company.code);
                rows.text(dct, item.kind);
                rows.int(doc, item.document);
                rows.int(dgj, item.ledger_day);
                rows.int(jeln, line * 10);
                rows.text(lt, ledger);
                rows.text(post, if item.posted { "P" } else { "" });
                rows.text(icut, "V");
                rows.int(icu, 20_000 + item.document / 40);
                rows.text(co, item.company.code);
                if let Some((id, _, object, subsidiary)) = account {
                    rows.text(ani, format!("{unit}.{object}").trim_end_matches('.'));
                    rows.text(aid, id);
                    rows.text(obj, object);
                    rows.text(sub, subsidiary);
                }
                rows.text(mcu, unit);
                rows.text(crcd, item.foreign.map_or(item.company.currency, |(currency, ..)| currency));
                rows.text(exa, "Voucher distribution");
                rows.text(exr, item.remark);
                rows.text(vinv, &item.invoice_number);
                if let Some((_, rate, gross, _)) = item.foreign {
                    rows.int(crr, rate);
                    rows.int(acr, gross / lines);
                }
                rows.int(
                    aa,
                    if *ledger == "CA" { item.foreign.map_or(0, |(.., gross, _)| gross / lines) } else { amount },
                );
                rows.int(an8, item.supplier);
                rows.int(ivd, item.invoice_day);
                rows.text(bcrc, item.company.currency);
                rows.text(user, "APCLERK1");
                rows.int(upmj, item.updated);
                rows.int(upmt, item.updated_time);
            }
        }
    }
    rows.finish()
}

fn balances(tables: &mut Tables, options: &SeedOptions, masters: &Masters) -> Result<(), TableError> {
    use chrono::Datelike;
    let table = tables.existing("F0902")?;
    let [aid, ctry, fy, lt, upmj, upmt] = table.schema().positions_of(["AID", "CTRY", "FY", "LT", "UPMJ", "UPMT"])?;
    let mut rows = table.bulk();
    for (id, ..) in &masters.accounts {
        for back in 0..2 {
            let year = i64::from(options.today.year()) - back;
            rows.row();
            rows.text(aid, id);
            rows.int(ctry, year / 100);
            rows.int(fy, year % 100);
            rows.text(lt, "AA");
            rows.int(upmj, days_back(options.today, 10 + back * 365));
            rows.int(upmt, 233_005);
        }
    }
    rows.finish()
}

/// One payment for each voucher that is paid and not void.
fn paid(vouchers: &[Voucher]) -> impl Iterator<Item = (i64, &Voucher)> {
    let paid = vouchers.iter().filter(|voucher| voucher.first.status == "P" && !voucher.first.void);
    (50_001..).zip(paid)
}

fn payments(tables: &mut Tables, vouchers: &[Voucher]) -> Result<(), TableError> {
    let table = tables.existing("F0413")?;
    let [pyid, dctm, docm, pye, glba, dmtj, icu, paap, crcd, vldt, pyin, upmj, upmt] =
        table.schema().positions_of([
            "PYID", "DCTM", "DOCM", "PYE", "GLBA", "DMTJ", "ICU", "PAAP", "CRCD", "VLDT", "PYIN", "UPMJ", "UPMT",
        ])?;
    let mut rows = table.bulk();
    for (id, voucher) in paid(vouchers) {
        let item = &voucher.first;
        rows.row();
        rows.int(pyid, id);
        rows.text(dctm, if item.supplier % 3 == 0 { "PT" } else { "PK" });
        rows.int(docm, 800_000 + id);
        rows.int(pye, item.supplier);
        rows.text(glba, "00010028");
        rows.int(dmtj, item.updated);
        rows.int(vldt, item.updated);
        rows.int(icu, 30_000 + id / 50);
        // A payment reduces what is owed, so its amount is the negative of the invoice's.
        rows.int(paap, -item.gross);
        rows.text(crcd, item.company.currency);
        rows.text(pyin, ["T", "C", ""][(item.supplier % 3) as usize]);
        rows.int(upmj, item.updated);
        rows.int(upmt, item.updated_time);
    }
    rows.finish()
}

fn paid_items(tables: &mut Tables, vouchers: &[Voucher]) -> Result<(), TableError> {
    let table = tables.existing("F0414")?;
    let [pyid, rc5, dctm, kco, dct, doc, sfx, paap, an8, co, mcu, po, upmj, upmt] = table.schema().positions_of([
        "PYID", "RC5", "DCTM", "KCO", "DCT", "DOC", "SFX", "PAAP", "AN8", "CO", "MCU", "PO", "UPMJ", "UPMT",
    ])?;
    let mut rows = table.bulk();
    for (id, voucher) in paid(vouchers) {
        let item = &voucher.first;
        rows.row();
        rows.int(pyid, id);
        rows.int(rc5, 1);
        rows.text(dctm, if item.supplier % 3 == 0 { "PT" } else { "PK" });
        rows.text(kco, item.company.code);
        rows.text(dct, item.kind);
        rows.int(doc, item.document);
        rows.text(sfx, "001");
        rows.int(paap, -item.gross);
        rows.int(an8, item.supplier);
        rows.text(co, item.company.code);
        rows.text(mcu, &item.unit);
        rows.text(po, &item.order.map_or_else(String::new, |(number, _)| number.to_string()));
        rows.int(upmj, item.updated);
        rows.int(upmt, item.updated_time);
    }
    rows.finish()
}
