//! The template of one tenant: its schedules and its secrets, and nothing that another tenant has a part in.

use std::collections::BTreeSet;
use std::fmt::Write;

use engine::config::{ConfiguredSync, SecretsSpec};
use engine::model::id::RunId;
use engine::model::message::{Message, PollTask, Reason, Task};
use engine::model::window::Selection;

use super::deployment::{Deployed, Scope};
use super::names::{digest, logical, quoted};
use super::render::{HEADER, PREFIX, SCOPES_TAG};

/// The time of a firing, which EventBridge Scheduler puts in place of this. It stays the same when the scheduler tries
/// again, so that a message that comes twice is one run; its execution id does not.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// What a tenant's template asks of the stack of each scope in which something of it runs by schedule.
const OF_SCOPE: [&str; 4] = ["PollQueueArn", "DeadLettersQueueArn", "SchedulerRoleArn", "ScheduleGroup"];

/// The template.
pub fn template(tenant: &Deployed) -> String {
    let mut text = format!(
        "{HEADER}\n\nAWSTemplateFormatVersion: '2010-09-09'\nDescription: ml-connector, schedules and secrets of {}\n",
        tenant.id
    );
    let parameters = parameters(tenant);
    if !parameters.is_empty() {
        text.push_str("\nParameters:\n");
        text.extend(parameters.iter().map(|(name, _)| format!("  {name}: {{Type: String}}\n")));
    }
    text.push_str("\nResources:\n");
    let mut resources = Vec::new();
    for (scope, syncs) in &tenant.scopes {
        resources.extend(syncs.iter().map(|sync| schedule(tenant, scope, sync)));
    }
    resources.extend(made(tenant).map(|(name, readers)| secret(tenant, name, readers)));
    if resources.is_empty() {
        // A stack cannot be without any resource.
        resources.push("  Nothing:\n    Type: AWS::CloudFormation::WaitConditionHandle\n".to_owned());
    }
    text.push_str(&resources.join("\n"));
    text
}

/// What the template asks for, and the output in the root template that answers.
pub fn parameters(tenant: &Deployed) -> Vec<(String, String)> {
    let key = made(tenant).next().map(|_| ("KeyArn".to_owned(), "Platform.Outputs.KeyArn".to_owned()));
    let scheduled = tenant.scopes.iter().filter(|(_, syncs)| !syncs.is_empty()).map(|(scope, _)| scope.logical());
    let of_scopes =
        scheduled.flat_map(|scope| OF_SCOPE.map(|name| (format!("{scope}{name}"), format!("{scope}.Outputs.{name}"))));
    key.into_iter().chain(of_scopes).collect()
}

/// The secrets that the template makes.
fn made(tenant: &Deployed) -> impl Iterator<Item = (&String, &BTreeSet<Scope>)> {
    tenant.secrets.iter().filter(|_| tenant.secrets_by == SecretsSpec::Created)
}

fn schedule(tenant: &Deployed, scope: &Scope, sync: &ConfiguredSync) -> String {
    let id = &sync.plan.id;
    let scope = scope.logical();
    let zone = tenant.schedules.time_zone.as_deref().unwrap_or("UTC");
    let window = match tenant.schedules.flexible_window {
        Some(window) => format!("{{Mode: FLEXIBLE, MaximumWindowInMinutes: {}}}", window.0.as_secs() / 60),
        None => "{Mode: 'OFF'}".to_owned(),
    };
    format!(
        "  {}{}:
    Type: AWS::Scheduler::Schedule
    Properties:
      Name: {}
      GroupName: !Ref {scope}ScheduleGroup
      Description: {}
      ScheduleExpression: {}
      ScheduleExpressionTimezone: {zone}
      FlexibleTimeWindow: {window}
      Target:
        Arn: !Ref {scope}PollQueueArn
        RoleArn: !Ref {scope}SchedulerRoleArn
        Input: {}
        RetryPolicy: {{MaximumRetryAttempts: 5, MaximumEventAgeInSeconds: 3600}}
        DeadLetterConfig: {{Arn: !Ref {scope}DeadLettersQueueArn}}
",
        logical(id.integration.as_str()),
        logical(&id.stream),
        quoted(&format!("{}.{}", id.tenant, id.stream)),
        quoted(&sync.plan.description),
        quoted(sync.schedule.as_str()),
        quoted(&input(sync)),
    )
}

/// What the schedule sends: the poll task of one run, which is told by its sync and the time it was due.
fn input(sync: &ConfiguredSync) -> String {
    let id = &sync.plan.id;
    let task = PollTask {
        sync: id.clone(),
        run: RunId::new(format!("{SCHEDULED_TIME}-{}", digest(&id.to_string()))),
        reason: Reason::Schedule,
        selection: Selection::Changes,
        sequence: 0,
    };
    // Written as a value, whose keys are in order: the text of a schedule changes only when the task does.
    let message = serde_json::to_value(Message::new(Task::Poll(task))).unwrap_or_default();
    message.to_string()
}

fn secret(tenant: &Deployed, name: &str, readers: &BTreeSet<Scope>) -> String {
    let mut tag = "/".to_owned();
    for scope in readers {
        // Writing to a string cannot fail.
        _ = write!(tag, "{scope}/");
    }
    format!(
        "  Secret{}:
    Type: AWS::SecretsManager::Secret
    DeletionPolicy: Retain
    UpdateReplacePolicy: Retain
    Properties:
      Name: {}
      Description: {}
      KmsKeyId: !Ref KeyArn
      # Made once, with the secret. A change in here would overwrite what a person has set.
      GenerateSecretString: {{SecretStringTemplate: '{{}}', GenerateStringKey: not_set_yet, ExcludePunctuation: true}}
      Tags:
        - {{Key: {SCOPES_TAG}, Value: {}}}
",
        logical(name),
        quoted(&format!("{PREFIX}{}/{name}", tenant.id)),
        quoted(&format!("Credentials {name} of tenant {}", tenant.id)),
        quoted(&tag),
    )
}
