//! Words that seeded data is made of: names in many scripts, and the mess that people type.
//!
//! Invariant: every name is invented from parts; widths stay within those of the columns.

use crate::random::Random;

const FAMILIES: &[&str] = &[
    "Abbott",
    "Ainsworth",
    "Barlow",
    "Becker",
    "Brandt",
    "Castellano",
    "Clarke",
    "Costa",
    "D'Angelo",
    "Dawson",
    "Eriksen",
    "Fairweather",
    "Fischer",
    "Gallagher",
    "Hargreaves",
    "Hoffmann",
    "Ishikawa",
    "Jansen",
    "Kowalski",
    "Lambert",
    "Lindqvist",
    "Marsh",
    "McAllister",
    "Moreau",
    "Nakamura",
    "O'Brien",
    "O'Rourke",
    "Okafor",
    "Petersen",
    "Quinn",
    "Ramirez",
    "Rossi",
    "Sandhu",
    "Schmidt",
    "Silva",
    "Takahashi",
    "Thornton",
    "Ullman",
    "Van der Berg",
    "Vogel",
    "Whitfield",
    "Yamada",
    "Zanetti",
    "Zimmerman",
];

const ACCENTED: &[&str] = &[
    "Müller",
    "Lefèvre",
    "Ångström",
    "Søndergaard",
    "Núñez",
    "São Bento",
    "Žižka",
    "Łukasiewicz",
    "Çelik",
    "Björk",
    "Dvořák",
    "Gómez",
    "Hélène",
    "İnönü",
    "Køhler",
    "Pâquet",
    "Straßer",
    "Ştefănescu",
    "Őri",
    "Þórsson",
];

const TRADES: &[&str] = &[
    "Tooling",
    "Freight",
    "Office Supply",
    "Electrical",
    "Catering",
    "Steel",
    "Packaging",
    "Consulting",
    "Print",
    "Chemicals",
    "Plumbing",
    "Software",
    "Bearings",
    "Timber",
    "Logistics",
    "Cleaning",
    "Security",
    "Textiles",
    "Hydraulics",
    "Laboratories",
    "Travel",
    "Paper",
    "Instruments",
    "Landscaping",
    "Recruitment",
    "Foods",
];

const FORMS: &[&str] =
    &["Inc", "Ltd", "GmbH", "S.A.", "LLC", "& Co.", "B.V.", "S.p.A.", "AB", "Pty Ltd", "& Sons", "plc"];

/// Whole names in other scripts, short enough to take a number behind them.
const OTHER_SCRIPTS: &[&str] = &[
    "ООО Северный путь",
    "ЗАО Металлсервис",
    "ИП Кузнецов",
    "Завод Прогресс",
    "Ελληνικά Υλικά Α.Ε.",
    "Αφοί Παπαδόπουλου",
    "Νότος Μεταφορές",
    "北京華信科技有限公司",
    "上海港口物流",
    "深圳市精密模具厂",
    "東京製作所株式会社",
    "株式会社さくら商事",
    "شركة النور للتجارة",
    "مؤسسة الخليج",
    "مصنع الشرق للورق",
    "חברת הצפון בע\"מ",
    "한빛산업 주식회사",
    "बॉम्बे ट्रेडर्स",
];

/// The name of the `index`-th supplier: mostly plain Latin, some with accents, a few in other scripts.
pub(super) fn supplier(random: &mut Random, index: usize) -> String {
    let word = |random: &mut Random, words: &[&str]| random.pick(words).copied().unwrap_or("").to_owned();
    if index % 16 == 7 {
        let name = OTHER_SCRIPTS.get(index / 16 % OTHER_SCRIPTS.len()).copied().unwrap_or("");
        return if index < 16 * OTHER_SCRIPTS.len() { name.into() } else { format!("{name} {}", index / 16) };
    }
    let family = if index % 8 == 3 { word(random, ACCENTED) } else { word(random, FAMILIES) };
    let (trade, form) = (word(random, TRADES), word(random, FORMS));
    match index % 5 {
        0 => format!("{family} {form}"),
        1 => format!("{family} & {} {trade}", word(random, FAMILIES)).chars().take(40).collect(),
        2 => format!("{} {trade} {form}", family.to_uppercase()).chars().take(40).collect(),
        _ => format!("{family} {trade} {form}").chars().take(40).collect(),
    }
}

/// A person's name, family name first as an address book has it.
pub(super) fn person(random: &mut Random) -> String {
    const GIVEN: &[&str] =
        &["Ada", "Björn", "Chloé", "Daniel", "Elif", "Fatima", "Grace", "Hugo", "Ivana", "José", "Kofi"];
    let family = random.pick(FAMILIES).copied().unwrap_or("");
    format!("{family}, {}", random.pick(GIVEN).copied().unwrap_or(""))
}

/// What a supplier printed on its invoice, as somebody typed it in: at most 25 characters.
pub(super) fn invoice_number(random: &mut Random, out: &mut String) {
    use std::fmt::Write as _;
    out.clear();
    let number = 1000 + random.below(900_000);
    let short = number % 1000;
    let written = match random.below(40) {
        0 => write!(out, "RE {}/{short:03}-{}", 2020 + short % 7, number % 9),
        1 => write!(out, " {number}"),
        2 => write!(out, "inv{number}."),
        3 => write!(out, "№ {number}"),
        4 => write!(out, "{number}/A \"copy\""),
        5 => write!(out, "{number:011}"),
        6 => write!(out, "1.{short:03}E+10"),
        7 => write!(out, "{:02}/{:02}", short % 12 + 1, short % 28 + 1),
        8 => write!(out, "O'N-{number}"),
        9 => write!(out, "FÄ\\{number}"),
        10 => write!(out, "请款{number}"),
        11 => Ok(()),
        12..=20 => write!(out, "{number}"),
        _ => write!(out, "INV-{number:06}"),
    };
    if written.is_err() {
        out.clear();
    }
}

/// A remark of at most 30 characters; mostly none.
pub(super) fn remark(random: &mut Random) -> &'static str {
    const REMARKS: &[&str] = &[
        "Credit for returned goods",
        "Partial delivery",
        "Per contract 7-A",
        "Rush order, see mail",
        "Dup? check w/ Anna",
        "Frais généraux",
        "2nd reminder",
        "Miete März",
        "Rebate Q3; net",
        "100% prepaid",
        "C&I surcharge",
        "see \"quote\" 12",
    ];
    if random.chance(700) { "" } else { random.pick(REMARKS).copied().unwrap_or("") }
}

/// Object accounts and what they are called.
pub(super) const ACCOUNTS: &[(&str, &str)] = &[
    ("1110", "Cash in Bank"),
    ("1210", "Trade Receivables"),
    ("1411", "Inventory"),
    ("2020", "Equipment"),
    ("4110", "Accounts Payable Trade"),
    ("4111", "Received Not Vouchered"),
    ("4433", "VAT Recoverable"),
    ("5010", "Store Sales"),
    ("6110", "Raw Materials"),
    ("6120", "Freight In"),
    ("8110", "Salaries and Wages"),
    ("8300", "Rent"),
    ("8340", "Utilities"),
    ("8450", "Travel & Entertainment"),
    ("8720", "Bank Charges"),
    ("8730", "Professional Fees"),
    ("8740", "Übrige Kosten"),
    ("9110", "FX Gain / Loss"),
];

/// What departments are called.
pub(super) const DEPARTMENTS: &[&str] = &[
    "Corporate",
    "Plant North",
    "Plant South",
    "Distribution Center",
    "Sales West",
    "Sales East",
    "Research",
    "Finance",
    "IT Services",
    "Human Resources",
    "Marketing",
    "Maintenance",
    "Quality",
    "Export",
    "Zürich Office",
    "Atelier Orléans",
    "Retail",
    "Construction Jobs",
    "Field Service",
    "Customer Care",
];

/// What items are called.
pub(super) const GOODS: &[&str] = &[
    "Ball bearing 6204-2RS",
    "Hex bolt M8x40 A2",
    "Copy paper A4 80g",
    "Hydraulic hose 1/2\"",
    "Safety gloves, size 9",
    "Cable tray 200mm",
    "Toner, black",
    "Pallet EUR/EPAL",
    "Solvent 20 l",
    "Filter cartridge 5µ",
    "Steel sheet 2mm",
    "Consulting day",
    "Label 100x150",
    "Pump seal kit",
    "LED panel 60x60",
    "Gear motor 0.75 kW",
    "Façade anchor",
    "Valve DN50",
];
