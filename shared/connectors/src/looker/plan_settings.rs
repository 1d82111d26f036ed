//! Scheduled plans as a tenant declares them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A scheduled plan that is kept as it is declared here. Exactly one of `look`, `dashboard` and `lookml_dashboard`, and
/// one of `crontab` and `datagroup`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PlanSettings {
    /// Its name in Looker, by which it is found again; our own name when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"AP daily")]
    pub name: Option<String>,
    /// The Look that it sends: its id, or its exact title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"42")]
    pub look: Option<String>,
    /// The dashboard that it sends: its id, or its exact title.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Payables")]
    pub dashboard: Option<String>,
    /// The LookML dashboard that it sends: `model::name`, or the name alone for one of our model.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"erp::payables")]
    pub lookml_dashboard: Option<String>,
    /// When it runs by itself, in the five fields of a crontab.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"0 6 * * 1-5")]
    pub crontab: Option<String>,
    /// The datagroup after whose trigger it runs by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"nightly")]
    pub datagroup: Option<String>,
    /// The zone of `crontab`; the instance's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"America/Chicago")]
    pub timezone: Option<String>,
    /// In what form it is sent; `csv` for a Look and `assembled_pdf` for a dashboard when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = Format::Csv)]
    pub format: Option<Format>,
    /// Where to.
    #[schemars(extend("examples" = [[{"email": "ap@example.com"}]]))]
    pub destinations: Vec<DestinationSettings>,
    /// Words that go along with e-mails.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"Yesterday's invoices")]
    pub message: Option<String>,
    /// Filters of the Look or dashboard, by their names there, with Looker's filter expressions.
    #[schemars(extend("examples" = [{"Company": "00001"}]))]
    pub filters: BTreeMap<String, String>,
    /// Whether it is sent only when there are results.
    #[schemars(example = true)]
    pub require_results: bool,
    /// Whether it is sent only when there are no results.
    #[schemars(example = false)]
    pub require_no_results: bool,
    /// Whether it is sent only when the results are others than the last time.
    #[schemars(example = false)]
    pub require_change: bool,
    /// Whether all rows are sent, beyond the limit of the Look.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub send_all_results: Option<bool>,
    /// Whether it runs by itself. One that is off cannot be delivered either.
    #[serde(default = "yes")]
    #[schemars(example = true)]
    pub enabled: bool,
    /// Whether the queries run with the rights of each recipient, who then has to be a Looker user.
    #[schemars(example = false)]
    pub run_as_recipient: bool,
    /// Whether e-mails link to the content; Looker's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub include_links: Option<bool>,
    /// Paper of a PDF, such as `a4` or `letter`; Looker's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"a4")]
    pub pdf_paper_size: Option<String>,
    /// Whether a PDF lies on its side; Looker's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub pdf_landscape: Option<bool>,
    /// Whether tables of a PDF are shown in full length; Looker's default when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = true)]
    pub long_tables: Option<bool>,
}

/// One place that a plan sends to: exactly one of `email`, `webhook`, `s3` and `sftp`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DestinationSettings {
    /// An e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ap@example.com")]
    pub email: Option<String>,
    /// An address that takes a POST.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"https://example.com/looker")]
    pub webhook: Option<String>,
    /// A place in an S3 bucket. `parameters` are `access_key_id` and `region`, the secret holds `secret_access_key`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"s3://acme-reports/ap/")]
    pub s3: Option<String>,
    /// A folder on an SFTP server. The parameter is `username`, the secret holds `password`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"sftp://files.example.com/ap/")]
    pub sftp: Option<String>,
    /// What Looker has to know besides the address, nothing secret.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"access_key_id": "AKIAEXAMPLE", "region": "us-east-1"}]))]
    pub parameters: BTreeMap<String, String>,
    /// Name of a secret whose fields Looker is given along: `secret_access_key` for S3, `password` for SFTP.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"acme/s3")]
    pub secret: Option<String>,
    /// In what form; the plan's when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = Format::Xlsx)]
    pub format: Option<Format>,
}

/// In what form content is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Text separated by tabs.
    Txt,
    /// Text separated by commas.
    Csv,
    /// JSON whose rows are JSON as text.
    InlineJson,
    /// JSON.
    Json,
    /// JSON with a description of the fields.
    JsonDetail,
    /// Excel.
    Xlsx,
    /// A web page.
    Html,
    /// A dashboard as a PDF, as it looks.
    WysiwygPdf,
    /// A dashboard as a PDF, one element below the other.
    AssembledPdf,
    /// A dashboard as a picture.
    WysiwygPng,
}

impl Format {
    /// Looker's word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Txt => "txt",
            Self::Csv => "csv",
            Self::InlineJson => "inline_json",
            Self::Json => "json",
            Self::JsonDetail => "json_detail",
            Self::Xlsx => "xlsx",
            Self::Html => "html",
            Self::WysiwygPdf => "wysiwyg_pdf",
            Self::AssembledPdf => "assembled_pdf",
            Self::WysiwygPng => "wysiwyg_png",
        }
    }

    fn is_of_dashboards(self) -> bool {
        matches!(self, Self::WysiwygPdf | Self::AssembledPdf | Self::WysiwygPng)
    }
}

impl PlanSettings {
    /// The form in which a destination gets it.
    pub(super) fn format_of(&self, destination: &DestinationSettings) -> Format {
        let default = if self.look.is_some() { Format::Csv } else { Format::AssembledPdf };
        destination.format.or(self.format).unwrap_or(default)
    }

    /// What cannot work: where in the plan, and what to do.
    pub(super) fn faults(&self) -> Vec<(Vec<&'static str>, String)> {
        let mut faults = Vec::new();
        let mut refuse =
            |field: Option<&'static str>, why: &str| faults.push((field.into_iter().collect(), why.to_owned()));
        let count = |given: &[&Option<String>]| given.iter().filter(|field| field.is_some()).count();
        if count(&[&self.look, &self.dashboard, &self.lookml_dashboard]) != 1 {
            refuse(None, "say what it sends: one of `look`, `dashboard` and `lookml_dashboard`");
        }
        if count(&[&self.crontab, &self.datagroup]) != 1 {
            refuse(
                None,
                "say when it runs by itself: one of `crontab` and `datagroup`; Looker keeps no plan without. A day that \
                 does not come, such as `0 0 30 2 *`, is for plans that are only delivered",
            );
        }
        if self.require_results && self.require_no_results {
            refuse(Some("require_no_results"), "it contradicts `require_results`");
        }
        if self.destinations.is_empty() {
            refuse(Some("destinations"), "name at least one: Looker keeps no plan without");
        }
        for destination in &self.destinations {
            if count(&[&destination.email, &destination.webhook, &destination.s3, &destination.sftp]) != 1 {
                refuse(Some("destinations"), "each is one of `email`, `webhook`, `s3` and `sftp`");
            }
            if self.look.is_some() && self.format_of(destination).is_of_dashboards() {
                refuse(Some("destinations"), "a PDF or picture is made of dashboards only, this plan sends a Look");
            }
        }
        faults
    }
}

impl DestinationSettings {
    /// Looker's word for the kind of place, and the address.
    pub(super) fn place(&self) -> (&'static str, &str) {
        let kinds = [("email", &self.email), ("webhook", &self.webhook), ("s3", &self.s3), ("sftp", &self.sftp)];
        let given = kinds.into_iter().find_map(|(kind, address)| Some((kind, address.as_deref()?)));
        given.unwrap_or(("email", ""))
    }
}

fn yes() -> bool {
    true
}
