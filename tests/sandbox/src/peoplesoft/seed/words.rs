//! Words that seeded data is made of: names in several scripts, and the mess that people type.
//!
//! Invariant: every name is invented from parts; widths stay within those of the fields.

use crate::random::Random;

const FAMILIES: &[&str] = &[
    "Ackermann",
    "Alvarez",
    "Bancroft",
    "Bergström",
    "Bianchi",
    "Carver",
    "Chandra",
    "Dubois",
    "Eastwood",
    "Farrell",
    "Grünwald",
    "Hartley",
    "Ibsen",
    "Jablonski",
    "Keller",
    "Lefèvre",
    "MacLeod",
    "Nakata",
    "O'Donnell",
    "Pereira",
    "Quigley",
    "Rasmussen",
    "Šimek",
    "Thorne",
    "Urquhart",
    "Vasquez",
    "Winslow",
    "Yılmaz",
    "Zeller",
];

const TRADES: &[&str] = &[
    "Paper",
    "Tools",
    "Freight",
    "Catering",
    "Scientific",
    "Energy",
    "Packaging",
    "Consulting",
    "Print",
    "Chemicals",
    "Software",
    "Bearings",
    "Timber",
    "Logistics",
    "Facilities",
    "Security",
    "Textiles",
    "Laboratory Supply",
    "Travel",
];

const FORMS: &[&str] = &["Inc", "Ltd", "GmbH", "S.A.", "LLC", "& Co.", "B.V.", "S.p.A.", "AB", "& Sons", "plc"];

const OTHER_SCRIPTS: &[&str] = &[
    "ООО Северный Ветер",
    "Ελληνική Χάρτου Α.Ε.",
    "上海精工贸易有限公司",
    "株式会社みなと商会",
    "شركة الأفق للتجارة",
    "חברת הכרמל בע\"מ",
    "대한정밀 주식회사",
];

const GIVEN: &[&str] =
    &["Ada", "Björn", "Chloé", "Daniel", "Elif", "Farah", "Grace", "Hugo", "Ines", "José", "Kofi", "Lena", "Marta"];

const CITIES: &[(&str, &str, &str)] = &[
    ("USA", "TX", "Austin"),
    ("USA", "OH", "Columbus"),
    ("USA", "WA", "Spokane"),
    ("USA", "NY", "Albany"),
    ("CAN", "ON", "Hamilton"),
    ("GBR", "", "Sheffield"),
    ("DEU", "NW", "Köln"),
    ("FRA", "", "Orléans"),
    ("JPN", "", "Ōsaka"),
    ("MEX", "NLE", "Monterrey"),
];

/// What goods and services are called.
pub(super) const GOODS: &[&str] = &[
    "Copy paper, letter, 20 lb",
    "Toner cartridge, black",
    "Hex bolt M8x40 A2",
    "Nitrile gloves, size M",
    "Pump seal kit",
    "Catering, board meeting",
    "Consulting day",
    "Filter cartridge 5µ",
    "Steel sheet 2mm",
    "Hose 1/2\" x 50'",
    "Software maintenance; year 2",
    "Safety goggles",
    "Pallet, EUR/EPAL",
    "Übersetzung, 12 Seiten",
    "LED panel 60x60",
];

/// The name of the `index`-th company: mostly Latin, a few in other scripts.
pub(super) fn company(random: &mut Random, index: usize) -> String {
    let word = |random: &mut Random, words: &[&str]| random.pick(words).copied().unwrap_or("").to_owned();
    if index % 19 == 11 {
        let name = OTHER_SCRIPTS.get(index / 19 % OTHER_SCRIPTS.len()).copied().unwrap_or("");
        return format!("{name} {}", index / 19);
    }
    let (family, trade, form) = (word(random, FAMILIES), word(random, TRADES), word(random, FORMS));
    match index % 4 {
        0 => format!("{family} {form}"),
        1 => format!("{} {trade} {form}", family.to_uppercase()),
        _ => format!("{family} {trade} {form}"),
    }
}

/// Family name and given name.
pub(super) fn person(random: &mut Random) -> (&'static str, &'static str) {
    (random.pick(FAMILIES).copied().unwrap_or(""), random.pick(GIVEN).copied().unwrap_or(""))
}

/// Country, state and city.
pub(super) fn city(random: &mut Random) -> (&'static str, &'static str, &'static str) {
    random.pick(CITIES).copied().unwrap_or(("USA", "", ""))
}

/// What a supplier printed on its invoice, as somebody typed it in: at most 30 characters, never blank.
pub(super) fn invoice_id(random: &mut Random) -> String {
    let number = 1000 + random.below(900_000);
    match random.below(24) {
        0 => format!("RE {}/{:03}", 2020 + number % 7, number % 1000),
        1 => format!("inv{number}."),
        2 => format!("№ {number}"),
        3 => format!("{number}/A \"copy\""),
        4 => format!("{number:011}"),
        5 => format!("1.{:03}E+10", number % 1000),
        6 => format!("O'N-{number}, part 2"),
        7 => format!("FÄ\\{number}"),
        8..=12 => number.to_string(),
        _ => format!("INV-{number:06}"),
    }
}

/// A remark; mostly none, now and then with a line break in it.
pub(super) fn remark(random: &mut Random) -> &'static str {
    const REMARKS: &[&str] = &[
        "Credit for returned goods",
        "Partial delivery",
        "Rush order, see mail",
        "Dup? check w/ Anna",
        "Frais généraux",
        "first line\nsecond line",
        "100% prepaid",
        "C&I <surcharge>",
        "see \"quote\" 12",
    ];
    if random.chance(750) { "" } else { random.pick(REMARKS).copied().unwrap_or("") }
}

/// Account, description, type.
pub(super) const ACCOUNTS: &[(&str, &str, &str)] = &[
    ("100000", "Cash in Bank", "A"),
    ("120000", "Accounts Receivable", "A"),
    ("140000", "Inventory", "A"),
    ("160000", "Equipment", "A"),
    ("200000", "Accounts Payable", "L"),
    ("205000", "VAT Payable", "L"),
    ("300000", "Retained Earnings", "Q"),
    ("400000", "Sales Revenue", "R"),
    ("410000", "Service Revenue", "R"),
    ("500000", "Cost of Goods Sold", "E"),
    ("610000", "Salaries", "E"),
    ("620000", "Rent", "E"),
    ("630000", "Utilities", "E"),
    ("640000", "Office Supplies", "E"),
    ("642500", "Postage & Courier", "E"),
    ("650000", "Professional Fees", "E"),
    ("660000", "Travel", "E"),
    ("670000", "Übrige Kosten", "E"),
    ("690000", "FX Gain / Loss", "E"),
    ("012000", "Statistical Headcount", "E"),
];

/// What departments are called.
pub(super) const DEPARTMENTS: &[&str] = &[
    "Corporate",
    "Finance",
    "Accounts Payable",
    "Purchasing",
    "IT Services",
    "Human Resources",
    "Research",
    "Marketing",
    "Plant North",
    "Plant South",
    "Field Service",
    "Customer Care",
    "Legal",
    "Facilities",
    "Zürich Office",
    "Export",
];
