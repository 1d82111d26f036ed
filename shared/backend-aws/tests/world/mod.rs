//! An emulator of AWS, with tables, queues and names that nobody else uses.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hasher, RandomState};

use aws_config::SdkConfig;
use aws_sdk_dynamodb::config::{Credentials, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType};
use backend_aws::{Aws, Queues, SecretsVault, Settings, Tables, VAULT_TTL};

/// The emulator's address.
pub const VARIABLE: &str = "ML_CONNECTOR_TEST_AWS";

pub struct World {
    pub config: SdkConfig,
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
}

fn name(of: &str) -> String {
    format!("test-{of}-{:016x}", RandomState::new().build_hasher().finish())
}

fn credentials(key: &str) -> SharedCredentialsProvider {
    SharedCredentialsProvider::new(Credentials::new(key, "test", None, None, "tests"))
}

impl World {
    /// The emulator, where there is one.
    pub async fn open() -> Option<Self> {
        let Ok(address) = std::env::var(VARIABLE) else {
            eprintln!("left out: {VARIABLE} is not set, so there is no AWS to test against (see tests/aws/emulator)");
            return None;
        };
        let config = backend_aws::configuration().await.into_builder();
        let config = config
            .endpoint_url(address)
            .region(Region::new("us-east-1"))
            .credentials_provider(credentials("test"))
            .build();
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&config), aws_sdk_sqs::Client::new(&config));
        Some(Self { config, dynamodb, sqs })
    }

    /// Settings of a scope of its own, whose tables and queues are not there.
    fn settings(&self) -> Settings {
        let none = || "http://127.0.0.1/000000000000/no-such-queue".to_owned();
        Settings {
            scope: name("scope"),
            tables: Tables { syncs: name("t"), batches: name("t"), audit: name("t"), links: name("t") },
            queues: Queues { poll: none(), transform: none(), load: none(), dead_letters: none() },
            secrets_prefix: format!("{}/", name("secrets")),
        }
    }

    /// Tables as the deployment creates them.
    pub async fn tables(&self) -> Tables {
        Tables {
            syncs: self.table("syncs").await,
            batches: self.table("batches").await,
            audit: self.table("audit").await,
            links: self.table("links").await,
        }
    }

    async fn table(&self, of: &str) -> String {
        let table = name(of);
        let mut request = self.dynamodb.create_table().table_name(&table).billing_mode(BillingMode::PayPerRequest);
        for (attribute, key) in [("owner", KeyType::Hash), ("item", KeyType::Range)] {
            let definition = AttributeDefinition::builder();
            let definition = definition.attribute_name(attribute).attribute_type(ScalarAttributeType::S).build();
            let key = KeySchemaElement::builder().attribute_name(attribute).key_type(key).build();
            request = request.attribute_definitions(definition.unwrap()).key_schema(key.unwrap());
        }
        request.send().await.unwrap();
        table
    }

    /// A store in which nothing is remembered yet: a scope of its own in these tables.
    pub fn store(&self, tables: &Tables) -> Aws {
        Aws::new(&self.config, Settings { tables: tables.clone(), ..self.settings() })
    }

    /// Every owner there is in the tables.
    pub async fn owners(&self, tables: &Tables) -> BTreeSet<String> {
        let mut owners = BTreeSet::new();
        for table in [&tables.syncs, &tables.batches, &tables.audit, &tables.links] {
            let mut pages = self.dynamodb.scan().table_name(table).into_paginator().items().send();
            while let Some(item) = pages.next().await {
                owners.insert(item.unwrap()["owner"].as_s().unwrap().clone());
            }
        }
        owners
    }

    /// How many items a table has.
    pub async fn count(&self, table: &str) -> usize {
        let items = self.dynamodb.scan().table_name(table).into_paginator().items().send();
        items.collect::<Result<Vec<_>, _>>().await.unwrap().len()
    }

    /// Queues with nothing in them.
    pub async fn queues(&self) -> Queues {
        Queues {
            poll: self.queue("poll").await,
            transform: self.queue("transform").await,
            load: self.queue("load").await,
            dead_letters: self.queue("dead").await,
        }
    }

    async fn queue(&self, of: &str) -> String {
        let created = self.sqs.create_queue().queue_name(name(of)).send().await.unwrap();
        created.queue_url.unwrap()
    }

    /// The backend at these queues, without tables.
    pub fn queue_at(&self, queues: &Queues) -> Aws {
        Aws::new(&self.config, Settings { queues: queues.clone(), ..self.settings() })
    }

    /// Sends a message that is none of this program's.
    pub async fn send_text(&self, queue: &str, text: &str) {
        self.sqs.send_message().queue_url(queue).message_body(text).message_group_id("x").send().await.unwrap();
    }

    /// Takes a message as SQS shows it.
    pub async fn take(&self, queue: &str) -> aws_sdk_sqs::types::Message {
        let taken = self.sqs.receive_message().queue_url(queue).visibility_timeout(1).send().await.unwrap();
        taken.messages.unwrap().pop().unwrap()
    }

    /// The backend with the credentials of somebody whom the emulator does not know, at these tables.
    pub fn stranger_at(&self, tables: &Tables) -> Aws {
        let config = self.config.clone().into_builder().credentials_provider(credentials("stranger")).build();
        Aws::new(&config, Settings { tables: tables.clone(), ..self.settings() })
    }

    /// A vault with no secrets in it, and what the names of its secrets begin with.
    pub fn vault(&self) -> (SecretsVault, String) {
        let prefix = self.settings().secrets_prefix;
        (SecretsVault::new(&self.config, &prefix, VAULT_TTL), prefix)
    }

    /// Creates a secret with any text in it.
    pub async fn create_secret(&self, id: &str, text: &str) {
        let client = aws_sdk_secretsmanager::Client::new(&self.config);
        client.create_secret().name(id).secret_string(text).send().await.unwrap();
    }
}
