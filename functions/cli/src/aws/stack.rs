//! The stack: where its tables, queues and functions are, as its outputs say.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::error::ProvideErrorMetadata;
use backend_aws::{Aws, Queues, Settings, Tables};
use serde::Deserialize;

use crate::exit::usage;
use crate::infra::render::PREFIX;

/// Names of the functions of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FunctionNames {
    /// Reads the source.
    pub poll: String,
    /// Writes the destination.
    pub load: String,
    /// Sends records the same way once more.
    pub replay: String,
    /// Compares both sides.
    pub reconcile: String,
}

/// URLs of the queues of an integration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct QueueUrls {
    poll: String,
    transform: String,
    load: String,
    dead_letters: String,
}

/// Queues, functions and logs of an integration: the output `Parts` of `infra/integration.yaml`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Parts {
    /// What its items in the tables begin with: `jde-looker`, or `jde-looker@acme` for one tenant alone.
    pub scope: String,
    /// Its functions.
    pub functions: FunctionNames,
    /// What the names of its log groups begin with.
    pub logs: String,
    queues: QueueUrls,
}

/// A stack that is deployed.
#[derive(Debug)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// Region, credentials and endpoints.
    pub sdk: SdkConfig,
    /// Whether its functions read the tenant files from the table of syncs, and not from layers.
    pub reads_table: bool,
    tables: Tables,
    parts: BTreeMap<String, Parts>,
}

impl Stack {
    /// Looks the stack up.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] without a region or credentials, when there is no such stack, or one of another shape.
    pub async fn find(name: &str) -> anyhow::Result<Self> {
        let sdk = configuration().await?;
        let described = Client::new(&sdk).describe_stacks().stack_name(name).send().await;
        let described = described.map_err(|e| {
            // CloudFormation has no code of its own for this.
            if e.message().is_some_and(|message| message.contains("does not exist")) {
                let region = sdk.region().map(ToString::to_string).unwrap_or_default();
                return usage(format!(
                    "there is no stack `{name}` in {region}: name it with --stack, or look at the profile and the region"
                ));
            }
            usage(backend_aws::failed("cloudformation:DescribeStacks", &format!("stack {name}"), &e))
        })?;
        let stack = described.stacks().first().ok_or_else(|| usage(format!("there is no stack `{name}`")))?;
        let outputs = stack.outputs().iter().filter_map(|output| Some((output.output_key()?, output.output_value()?)));
        let is_table = |parameter: &aws_sdk_cloudformation::types::Parameter| {
            parameter.parameter_key() == Some("Configuration") && parameter.parameter_value() == Some("table")
        };
        let reads_table = stack.parameters().iter().any(is_table);
        let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        Self::read(name, &status, sdk, reads_table, &outputs.collect())
    }

    fn read(
        name: &str,
        status: &str,
        sdk: SdkConfig,
        reads_table: bool,
        outputs: &BTreeMap<&str, &str>,
    ) -> anyhow::Result<Self> {
        let table = |output: &str| {
            outputs.get(output).map(|name| (*name).to_owned()).ok_or_else(|| {
                usage(format!(
                    "stack `{name}` ({status}) has no output {output}, so it is another one than ml-connector's or not \
                     deployed in whole: name the root stack with --stack, or deploy it again"
                ))
            })
        };
        let tables = Tables {
            syncs: table("SyncsTable")?,
            batches: table("BatchesTable")?,
            audit: table("AuditTable")?,
            links: table("LinksTable")?,
        };
        let mut parts = BTreeMap::new();
        for (output, value) in outputs.iter().filter(|(_, value)| value.starts_with('{')) {
            let read: Parts = serde_json::from_str(value).map_err(|e| {
                usage(format!(
                    "output {output} of stack `{name}` cannot be read ({e}), another version deployed it: use that \
                     version's ml-connector, or deploy this one"
                ))
            })?;
            parts.insert(read.scope.clone(), read);
        }
        Ok(Self { name: name.to_owned(), sdk, reads_table, tables, parts })
    }

    /// The names of its scopes.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.parts.keys().map(String::as_str)
    }

    /// What a scope consists of.
    ///
    /// # Errors
    /// [`crate::exit::Exit::Usage`] when it is not deployed.
    pub fn parts(&self, scope: &str) -> anyhow::Result<&Parts> {
        self.parts.get(scope).ok_or_else(|| {
            let deployed: Vec<_> = self.scopes().collect();
            let deployed = if deployed.is_empty() { "nothing".to_owned() } else { deployed.join(", ") };
            usage(format!(
                "{scope} is not in stack `{}`, which has {deployed}: render the templates from the tenant files and deploy \
                 them, or name another stack with --stack",
                self.name
            ))
        })
    }

    /// Queue and store of a scope.
    pub fn aws(&self, parts: &Parts) -> Aws {
        let queues = parts.queues.clone();
        let settings = Settings {
            scope: parts.scope.clone(),
            tables: self.tables.clone(),
            queues: Queues {
                poll: queues.poll,
                transform: queues.transform,
                load: queues.load,
                dead_letters: queues.dead_letters,
            },
            secrets_prefix: PREFIX.to_owned(),
        };
        Aws::new(&self.sdk, settings)
    }
}

/// Region, credentials and endpoints from where every AWS tool takes them.
///
/// # Errors
/// [`crate::exit::Exit::Usage`] without a region.
pub async fn configuration() -> anyhow::Result<SdkConfig> {
    let sdk = backend_aws::configuration().await;
    match sdk.region() {
        Some(region) if !region.as_ref().is_empty() => Ok(sdk),
        _ => Err(usage("no AWS region is known: set AWS_REGION, or name a profile that has one in AWS_PROFILE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::explain;

    const PARTS: &str = r#"{"scope":"jde-looker@acme","integration":"jde-looker",
        "queues":{"poll":"http://p","transform":"http://t","load":"http://l","dead_letters":"http://d"},
        "functions":{"poll":"P","transform":"T","load":"L","dead_letters":"D","replay":"R","reconcile":"C"},
        "logs":"/ml-connector/jde-looker/acme","schedule_group":"G"}"#;

    fn read(outputs: &[(&str, &str)]) -> anyhow::Result<Stack> {
        let sdk = SdkConfig::builder().build();
        Stack::read("ml-connector", "CREATE_COMPLETE", sdk, false, &outputs.iter().copied().collect())
    }

    const TABLES: [(&str, &str); 4] =
        [("SyncsTable", "s"), ("BatchesTable", "b"), ("AuditTable", "a"), ("LinksTable", "l")];

    #[test]
    fn the_outputs_of_the_templates_say_where_everything_is() {
        let outputs: Vec<_> = TABLES.into_iter().chain([("JdeLookerAtAcme", PARTS), ("KeyArn", "arn:k")]).collect();
        let stack = read(&outputs).unwrap();
        assert_eq!(stack.scopes().collect::<Vec<_>>(), ["jde-looker@acme"]);
        assert_eq!(stack.parts("jde-looker@acme").unwrap().functions.reconcile, "C");
        let missing = explain(&stack.parts("jde-looker").unwrap_err());
        assert!(missing.starts_with("error: jde-looker is not in stack `ml-connector`, which has jde-looker@acme"));
    }

    #[test]
    fn a_stack_of_another_shape_is_told_from_one_of_ours() {
        let other = explain(&read(&[("Url", "https://example.com")]).unwrap_err());
        assert!(
            other.contains("has no output SyncsTable") && other.contains("\n next: name the root stack"),
            "{other}"
        );
        let outputs: Vec<_> = TABLES.into_iter().chain([("JdeLooker", r#"{"scope":"jde-looker"}"#)]).collect();
        assert!(explain(&read(&outputs).unwrap_err()).contains("another version deployed it"));
    }
}
