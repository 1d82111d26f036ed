//! What has to hold in every template, and what no tool of AWS says: each rule stands on something that would go wrong.

use serde_json::Value;

use super::template::{Template, target};

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Broken {
    /// The template's file.
    pub file: String,
    /// Where in the deployment: the logical ids from the root to the resource.
    pub resource: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Template {
    /// A broken rule in one of its resources, or in the template as a whole.
    pub fn broken(&self, resource: &str, message: impl Into<String>) -> Broken {
        let parts = [self.place.as_str(), resource];
        let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Broken { file: self.file.display().to_string(), resource: parts.join("/"), message: message.into() }
    }
}

const FUNCTION: &str = "AWS::Serverless::Function";
const QUEUE: &str = "AWS::SQS::Queue";

/// Actions for which IAM knows no narrower resource than all.
const WITHOUT_RESOURCE: [&str; 2] = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"];

/// All rules about single resources. `lease` is for how many seconds a run holds its sync without progress.
pub fn broken(template: &Template, lease: u64) -> Vec<Broken> {
    let mut broken = queues(template);
    broken.extend(consumers(template, lease));
    broken.extend(roles(template));
    broken.extend(secrets(template));
    broken.extend(nested(template));
    broken
}

/// A message that cannot be handled has to end somewhere.
fn queues(template: &Template) -> Vec<Broken> {
    let queues: Vec<_> = template.resources_of(&[QUEUE]).collect();
    let dead = |queue: &Value| Some(target(&queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"])?.to_owned());
    let ends: Vec<_> = queues.iter().filter_map(|(_, queue)| dead(queue)).collect();
    let without = queues.iter().filter(|(id, queue)| dead(queue).is_none() && !ends.iter().any(|end| end == id));
    without
        .map(|(id, _)| {
            template.broken(id, "has no dead-letter queue: a message that never succeeds is lost when it expires")
        })
        .collect()
}

/// Functions that take from queues.
fn consumers(template: &Template, lease: u64) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (id, function) in template.resources_of(&[FUNCTION]) {
        let properties = &function["Properties"];
        if properties.get("Role").is_none() {
            broken.push(template.broken(id, "has no role of its own: SAM's default may write to every log group"));
        }
        let events = properties["Events"].as_object();
        for name in events.into_iter().flat_map(serde_json::Map::keys) {
            let made = format!("{id}{name}");
            if template.resources().any(|(known, _)| known == made) {
                broken.push(
                    template.broken(
                        id,
                        format!("SAM makes {made} of its event {name}, and that is there: rename the event"),
                    ),
                );
            }
        }
        let events = events.into_iter().flatten().map(|(_, event)| event);
        for source in events.filter(|event| event["Type"] == "SQS").map(|event| &event["Properties"]) {
            let mut say = |message: String| broken.push(template.broken(id, message));
            if !source["FunctionResponseTypes"]
                .as_array()
                .is_some_and(|types| types.contains(&"ReportBatchItemFailures".into()))
            {
                say("does not report partial failures: one message that fails repeats the whole batch; add \
                     FunctionResponseTypes: [ReportBatchItemFailures]"
                    .to_owned());
            }
            let (size, window) = (template.number(&source["BatchSize"]), &source["MaximumBatchingWindowInSeconds"]);
            if size.is_some_and(|size| size > 10) && template.number(window).unwrap_or(0) == 0 {
                say("takes more than 10 messages at once without a batching window, which AWS refuses".to_owned());
            }
            let (at_once, reserved) =
                (template.number(&source["ScalingConfig"]["MaximumConcurrency"]), reserved(template, properties));
            if let Some(at_once) = at_once.filter(|at_once| !(2..=1000).contains(at_once)) {
                say(format!("has a MaximumConcurrency of {at_once}: AWS takes 2 to 1000"));
            }
            if let (Some(at_once), Some(reserved)) = (at_once, reserved)
                && at_once > reserved
            {
                say(format!(
                    "takes up to {at_once} messages at once with a reserved concurrency of {reserved}: those that are \
                     throttled use up their receives; give it at least as much"
                ));
            }
            visibility(template, properties, source, lease, &mut say);
        }
    }
    broken
}

/// AWS asks for six times the time-out, so that a message whose function is throttled is not handed out a second time.
fn visibility(template: &Template, function: &Value, source: &Value, lease: u64, say: &mut impl FnMut(String)) {
    let Some(name) = target(&source["Queue"]) else {
        return say(
            "takes from a queue of another template: put both into one, so that their times can be compared".to_owned()
        );
    };
    let queue = template.resources_of(&[QUEUE]).find(|(id, _)| *id == name);
    let visible = queue.and_then(|(_, queue)| template.number(&queue["Properties"]["VisibilityTimeout"]));
    let (Some(visible), Some(timeout)) = (visible, template.number(&function["Timeout"])) else {
        return say(format!("has no time-out, or {name} no visibility time-out, that is known: write both"));
    };
    if visible < 6 * timeout {
        say(format!(
            "may run for {timeout} s, and messages of {name} are hidden for {visible} s: give at least {} s",
            6 * timeout
        ));
    }
    if 2 * visible >= lease {
        say(format!(
            "messages of {name} are hidden for {visible} s, and a run is given up after {lease} s without progress: use \
             less than {} s, or a run is given up while a message of it only waits",
            lease / 2
        ));
    }
}

/// The concurrency that is set aside for a function; none when it is zero, which switches it off.
fn reserved(template: &Template, function: &Value) -> Option<u64> {
    let value = function.get("ReservedConcurrentExecutions")?;
    let value = value.get("Fn::If").and_then(|parts| parts.get(1)).unwrap_or(value);
    template.number(value).filter(|reserved| *reserved > 0)
}

/// Roles reach what they name, and nothing else.
fn roles(template: &Template) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (id, resource) in
        template.resources_of(&["AWS::IAM::Role", "AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", FUNCTION])
    {
        let properties = &resource["Properties"];
        let inline = properties["Policies"].as_array().into_iter().flatten();
        let documents = inline.map(|policy| policy.get("PolicyDocument").unwrap_or(policy));
        for statement in
            documents.chain([&properties["PolicyDocument"]]).flat_map(|document| many(&document["Statement"]))
        {
            if statement["Effect"] != "Allow" {
                continue;
            }
            let actions = many(&statement["Action"]);
            let is_wide =
                |action: &&Value| action.as_str().is_none_or(|action| action == "*" || action.ends_with(":*"));
            if actions.is_empty() || actions.iter().any(is_wide) {
                broken
                    .push(template.broken(id, "allows all actions of a service, or all but some: name those it needs"));
            }
            let known = |action: &&Value| action.as_str().is_some_and(|action| WITHOUT_RESOURCE.contains(&action));
            let resources = many(&statement["Resource"]);
            let is_all = resources.is_empty() || resources.iter().any(|resource| is_everything(resource));
            if is_all && !actions.iter().all(known) {
                broken.push(template.broken(id, "has a statement over all resources: name those it may reach"));
            }
        }
    }
    broken
}

/// `*`, however it is written.
fn is_everything(resource: &Value) -> bool {
    let text = resource.get("Fn::Sub").unwrap_or(resource);
    text.as_str().is_some_and(|text| text.chars().all(|c| matches!(c, '*' | ':')) || text == "arn:*")
}

/// One thing or several, which IAM writes the same way.
fn many(value: &Value) -> Vec<&Value> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(items) => items.iter().collect(),
        one => vec![one],
    }
}

/// Secrets survive their tenant, and no deployment overwrites what a person has set.
fn secrets(template: &Template) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (id, secret) in template.resources_of(&["AWS::SecretsManager::Secret"]) {
        if secret["DeletionPolicy"] != "Retain" || secret["UpdateReplacePolicy"] != "Retain" {
            broken.push(
                template.broken(id, "is deleted with its tenant: set DeletionPolicy and UpdateReplacePolicy to Retain"),
            );
        }
        if secret["Properties"].get("SecretString").is_some() {
            broken
                .push(template.broken(id, "has its value in the template: leave SecretString out, and set it by hand"));
        }
    }
    broken
}

/// A nested template is given what it asks for, and nothing that it does not know.
fn nested(template: &Template) -> Vec<Broken> {
    if template.place.is_empty() {
        return Vec::new();
    }
    let none = serde_json::Map::new();
    let asked = template.body["Parameters"].as_object().unwrap_or(&none);
    let missing = asked.iter().filter(|(name, asked)| asked.get("Default").is_none() && !template.given.contains(name));
    let missing = missing.map(|(name, _)| template.broken("", format!("is not given the parameter {name}")));
    let unknown = template.given.iter().filter(|name| !asked.contains_key(*name));
    missing
        .chain(unknown.map(|name| template.broken("", format!("knows no parameter {name}, which it is given"))))
        .collect()
}
